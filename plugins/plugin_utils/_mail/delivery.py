# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands a mail in, once. Whatever goes wrong is one line that says what and where."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from ipaddress import ip_address

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.connection import ANSWERS, Connection, Watch
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Sendmail, Smtp

Refused = dict[str, tuple[int, bytes]]


class DeliveryError(Exception):
    """The mail was not accepted for every recipient; the message is one line, ``accepted`` are those that have it.

    ``later`` are those that were refused for now (4yz) while others have it. ``is_answered``: it was refused in words,
    so that another mail may fare better; else nobody answered.
    """

    def __init__(
        self, line: str, accepted: tuple[str, ...] = (), later: tuple[str, ...] = (), is_answered: bool = False
    ) -> None:
        super().__init__(line)
        self.accepted, self.later, self.is_answered = accepted, later, is_answered


def send(mail: EmailMessage, transport: Smtp | Sendmail, sender: str, recipients: tuple[str, ...]) -> bool:
    """Send ``mail``, and return whether it has left this machine: False when it lies in the machine's own queue.

    Raises DeliveryError unless it was accepted for every recipient.
    """
    if isinstance(transport, Sendmail):
        _send_by_sendmail(mail, transport, sender, recipients)
        return False
    return _send_by_smtp(mail, transport, sender, recipients)


def reach(smtp: Smtp) -> None:
    """Connect and log in as for a mail, and send none; raises DeliveryError."""
    with _explaining(smtp) as watch, _connected(smtp, watch):
        pass


@contextmanager
def _explaining(smtp: Smtp) -> Iterator[Watch]:
    """Yield what bounds the time of a conversation; what goes wrong in it is one line, without the password."""
    with Watch(smtp.timeout * ANSWERS) as watch:
        try:
            yield watch
        except (OSError, ValueError) as error:  # SMTPException is an OSError
            late = f"it was not done within {watch.seconds:g} s" if watch.is_over else ""
            where = f"{smtp.host}:{smtp.port}"
            line = _hide(smtp.password, f"{where}: {late or _explain(error, smtp)}")
            raise DeliveryError(line, is_answered=_is_answer(error)) from None


def _send_by_smtp(mail: EmailMessage, smtp: Smtp, sender: str, recipients: tuple[str, ...]) -> bool:
    where = f"{smtp.host}:{smtp.port}"
    with _explaining(smtp) as watch, _connected(smtp, watch) as connection:
        is_away, refused = not _is_loopback(connection), _hand_in(connection, mail, sender, recipients)
    if refused:
        accepted = tuple(address for address in recipients if address not in refused)
        line = f"{where}: {_format_refused(refused)}; it was accepted for {', '.join(accepted)}"
        later = tuple(address for address, (code, _answer) in refused.items() if code < 500)
        raise DeliveryError(_hide(smtp.password, line), accepted, later, is_answered=True)
    return is_away


@contextmanager
def _connected(smtp: Smtp, watch: Watch) -> Iterator[Connection]:
    """Yield a connection on which a mail can be handed in."""
    context = ssl.create_default_context(cafile=smtp.ca_file or None)
    connection = Connection(smtp, context, watch)
    try:
        if smtp.security == "starttls":
            connection.starttls(context=context)
        if smtp.user:
            connection.login(smtp.user, smtp.password)
        yield connection
    finally:
        _quit(connection)


def _hand_in(connection: Connection, mail: EmailMessage, sender: str, recipients: tuple[str, ...]) -> Refused:
    """An address that this server cannot take, for it is not ASCII, costs the others nothing."""
    try:
        return connection.send_message(mail, sender, list(recipients))
    except smtplib.SMTPNotSupportedError:
        plain = [address for address in recipients if address.isascii()]
        if not plain or len(plain) == len(recipients):
            raise
        others = dict.fromkeys((one for one in recipients if not one.isascii()), (553, b"it does not offer SMTPUTF8"))
        return {**connection.send_message(mail, sender, plain), **others}


def _is_loopback(connection: smtplib.SMTP) -> bool:
    """Whether the server is this machine: what it takes then is queued, and may still never leave."""
    address = connection.sock.getpeername()[0] if connection.sock else ""
    return ip_address(address.partition("%")[0]).is_loopback if address else False


def _quit(connection: smtplib.SMTP) -> None:
    """End the connection; an error here does not change what the server has already answered."""
    try:
        connection.quit()
    except OSError:
        connection.close()


def _explain(error: Exception, smtp: Smtp) -> str:
    match error:
        case smtplib.SMTPException():
            return _explain_smtp(error, smtp)
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case TimeoutError():
            return f"no answer within {smtp.timeout:g} s"
        case socket.gaierror():
            return f"the name cannot be resolved: {error.strerror}"
        case _:
            return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _is_answer(error: Exception) -> bool:
    """Whether it says something about this mail or its recipients, and not that there is no server to talk to."""
    if isinstance(error, smtplib.SMTPException):
        return not isinstance(error, (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError))
    return isinstance(error, ValueError)


def _explain_smtp(error: smtplib.SMTPException, smtp: Smtp) -> str:
    """Return what the server, or smtplib, refused; smtplib turns a timeout into a disconnection."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"the login of {smtp.user} was refused: {_format_answer(error)}"
        case smtplib.SMTPRecipientsRefused():
            return _format_refused(error.recipients)
        case smtplib.SMTPSenderRefused(smtp_code=552):
            return f"the mail is too large for it: {_format_answer(error)}"
        case smtplib.SMTPSenderRefused():
            return f"the sender {error.sender} was refused: {_format_answer(error)}"
        case smtplib.SMTPResponseException():
            return f"it answered {_format_answer(error)}"
        case smtplib.SMTPServerDisconnected() if "timed out" in str(error):
            return f"no answer within {smtp.timeout:g} s"
        case smtplib.SMTPNotSupportedError() if "STARTTLS" in str(error):
            return "it does not offer STARTTLS; nothing was sent in the clear"
        case _:
            return str(error) or type(error).__name__


def _format_answer(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    return f"{error.smtp_code} {decode(text) if isinstance(text, bytes) else text}"


def _format_refused(recipients: Refused) -> str:
    return "refused " + ", ".join(
        f"{address} ({code} {decode(answer)})" for address, (code, answer) in sorted(recipients.items())
    )


def _hide(secret: str, text: str) -> str:
    """Return the text in one line without the secret: a server may repeat what it was sent."""
    return one_line(text.replace(secret, "***") if secret else text, 500)


def _send_by_sendmail(mail: EmailMessage, sendmail: Sendmail, sender: str, recipients: tuple[str, ...]) -> None:
    command = [sendmail.path, "-i", "-f", sender, "--", *recipients]
    content = mail.as_bytes(policy=mail.policy.clone(linesep="\n"))
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as source:
        source.write(content)
        source.seek(0)
        try:
            with subprocess.Popen(
                command, stdin=source, stdout=output, stderr=output, start_new_session=True
            ) as process:
                code = _wait(process, sendmail)
        except OSError as error:
            raise DeliveryError(f"{sendmail.path}: {error.strerror}") from None
        output.seek(0)
        message = one_line(decode(output.read(2000)), 400)
    if code:
        how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
        raise DeliveryError(f"{sendmail.path} {how}: {message or 'it said nothing'}", is_answered=code > 0)


def _wait(process: subprocess.Popen[bytes], sendmail: Sendmail) -> int:
    try:
        return process.wait(sendmail.timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise DeliveryError(f"{sendmail.path} did not end within {sendmail.timeout:g} s") from None
