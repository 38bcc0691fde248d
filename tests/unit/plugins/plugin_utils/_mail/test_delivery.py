# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail reaches a real server, or one line says why not; the password stays out of it."""

from __future__ import annotations

import time
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail import delivery
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.delivery import DeliveryError, send
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Sendmail, Smtp
from mail_server import PASSWORD, USER, Mailbox, scripted

SENDER, TO = "backup@example.org", ("ops@example.org", "boss@example.org")


@pytest.fixture
def mail() -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = "A subject with ümlauts"
    mail["From"], mail["To"] = SENDER, TO
    mail.set_content("line\n.\nlast\n")
    return mail


def smtp(box: Mailbox, **changes: Any) -> Smtp:
    right = Smtp("localhost", box.port, "starttls", USER, PASSWORD, str(box.ca_file), 5)
    return replace(right, **changes)


def refusal(mail: EmailMessage, transport: Smtp | Sendmail) -> str:
    with pytest.raises(DeliveryError) as caught:
        send(mail, transport, SENDER, TO)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) <= 500
    assert PASSWORD not in line
    return line


def test_starttls_and_login(mailbox: Mailbox, mail: EmailMessage) -> None:
    send(mail, smtp(mailbox), SENDER, TO)
    assert mailbox.recipients == [list(TO)]
    assert mailbox.mails[0]["Subject"] == "A subject with ümlauts"
    assert mailbox.mails[0].get_content().splitlines() == ["line", ".", "last"]


def test_tls_from_the_first_byte(tls_mailbox: Mailbox, mail: EmailMessage) -> None:
    send(mail, smtp(tls_mailbox, security="tls", user="", password=""), SENDER, TO)
    assert len(tls_mailbox.mails) == 1


def test_no_security_when_asked(plain_mailbox: Mailbox, mail: EmailMessage) -> None:
    send(mail, smtp(plain_mailbox, security="none", user="", password=""), SENDER, TO)
    assert len(plain_mailbox.mails) == 1


def test_wrong_password(mailbox: Mailbox, mail: EmailMessage) -> None:
    line = refusal(mail, smtp(mailbox, password="wrong-password"))
    assert "the login of report was refused: 535" in line
    assert "wrong-password" not in line
    assert not mailbox.mails


def test_wrong_authority(mailbox: Mailbox, mail: EmailMessage, other_certificate: Path) -> None:
    assert "certificate is not trusted" in refusal(mail, smtp(mailbox, ca_file=str(other_certificate)))


def test_certificate_of_another_name(mailbox: Mailbox, mail: EmailMessage) -> None:
    assert "certificate is not trusted: " in refusal(mail, smtp(mailbox, host="127.0.0.1"))


def test_server_without_starttls(plain_mailbox: Mailbox, mail: EmailMessage) -> None:
    assert "does not offer STARTTLS; nothing was sent in the clear" in refusal(mail, smtp(plain_mailbox))
    assert not plain_mailbox.mails


def test_server_without_login(plain_mailbox: Mailbox, mail: EmailMessage) -> None:
    assert "localhost" in refusal(mail, smtp(plain_mailbox, security="none"))


def test_tls_to_a_plain_port(plain_mailbox: Mailbox, mail: EmailMessage) -> None:
    assert "TLS failed" in refusal(mail, smtp(plain_mailbox, security="tls"))


def test_no_server(mailbox: Mailbox, mail: EmailMessage, closed_port: int) -> None:
    assert f"localhost:{closed_port}: Connection refused" in refusal(mail, smtp(mailbox, port=closed_port))


def test_unknown_host(mailbox: Mailbox, mail: EmailMessage) -> None:
    assert "the name cannot be resolved" in refusal(mail, smtp(mailbox, host="no-such-host.invalid"))


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_server_that_never_answers(mailbox: Mailbox, mail: EmailMessage, mute_port: int, security: str) -> None:
    begin = time.monotonic()
    assert "no answer within 0.5 s" in refusal(mail, smtp(mailbox, port=mute_port, security=security, timeout=0.5))
    assert time.monotonic() - begin < 20


def test_every_recipient_refused(mailbox: Mailbox, mail: EmailMessage) -> None:
    mailbox.refuse = set(TO)
    line = refusal(mail, smtp(mailbox))
    assert "refused boss@example.org (550 5.1.1 no such user boss@example.org), ops@example.org (550" in line


def test_one_recipient_refused_is_no_success(mailbox: Mailbox, mail: EmailMessage) -> None:
    mailbox.refuse = {TO[1]}
    with pytest.raises(DeliveryError, match=r"refused boss@example\.org \(550.*; it was accepted for ops@") as caught:
        send(mail, smtp(mailbox), SENDER, TO)
    assert (caught.value.accepted, mailbox.recipients) == ((TO[0],), [[TO[0]]])
    assert caught.value.later == () and caught.value.is_answered
    mailbox.refuse, mailbox.delay = set(), {TO[1]}
    with pytest.raises(DeliveryError) as caught:
        send(mail, smtp(mailbox), SENDER, TO)
    assert (caught.value.accepted, caught.value.later, caught.value.is_answered) == ((TO[0],), (TO[1],), True)


@pytest.mark.parametrize(
    ("answers", "is_answered"),
    [
        ({"": b"554 not you\r\n"}, False),
        ({"RCPT": b""}, False),
        ({"RCPT": b"550 who\r\n"}, True),
        ({"RCPT": b"451 not now\r\n"}, True),
        ({"MAIL": b"550 who are you\r\n"}, True),
        ({".": b"554 spam\r\n"}, True),
    ],
)
def test_a_server_that_says_no_is_told_from_one_that_is_not_there(
    mail: EmailMessage, answers: dict[str, bytes], is_answered: bool
) -> None:
    """With the first another mail may fare better; with the second none does."""
    with scripted(answers) as server, pytest.raises(DeliveryError) as caught:
        send(mail, Smtp("localhost", server.port, "none", "", "", "", 5), SENDER, TO)
    assert caught.value.is_answered is is_answered


def test_a_server_that_takes_only_names_it_likes(mailbox: Mailbox, mail: EmailMessage) -> None:
    send(mail, smtp(mailbox, greeting="backup.example.org"), SENDER, TO)
    assert mailbox.greetings[-1] == "backup.example.org"


def test_what_this_machine_only_queues_has_not_left_it(
    tmp_path: Path, mailbox: Mailbox, mail: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not send(mail, Sendmail(script(tmp_path, "cat > /dev/null"), 5), SENDER, TO)
    assert not send(mail, smtp(mailbox), SENDER, TO)
    monkeypatch.setattr(delivery, "ip_address", lambda _address: ip_address("192.0.2.7"))
    assert send(mail, smtp(mailbox), SENDER, TO)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"": b"554 not you\r\n"}, "it answered 554 not you"),
        ({"": b"220 " + b"x" * 1_000_000}, "it answered 500 Line too long"),
        ({"EHLO": b"250-more\r\n" * 200_000}, "it talks without end"),
        ({"": b"220-more\r\n" * 200_000}, "it talks without end"),
        (dict.fromkeys(("EHLO", "MAIL"), b"250-more\r\n" * 60_000 + b"250 ok\r\n"), "it talks without end"),
        ({"RCPT": b"550 \xff\x00\x1b[31m\r\n"}, "(550 \\xff\\x00\\x1b[31m)"),
        ({"EHLO": b""}, "onnection unexpectedly closed"),
        ({"MAIL": b"552 5.3.4 at most 10 kB\r\n"}, "the mail is too large for it: 552 5.3.4 at most 10 kB"),
        ({"MAIL": b"550 who are you\r\n"}, "the sender backup@example.org was refused: 550 who are you"),
        ({"RCPT": b"421 going down\r\n"}, "refused ops@example.org (421 going down)"),
        ({"DATA": b"451 not now\r\n"}, "it answered 451 not now"),
        ({"DATA": b""}, "onnection unexpectedly closed"),
        ({".": b""}, "onnection unexpectedly closed"),
        ({".": b"452 disk full\r\n"}, "it answered 452 disk full"),
    ],
)
def test_a_server_that_does_not_take_it(mail: EmailMessage, answers: dict[str, bytes], said: str) -> None:
    with scripted(answers) as server:
        assert said in refusal(mail, Smtp("localhost", server.port, "none", "", "", "", 5))


def test_starttls_that_is_offered_and_refused(mail: EmailMessage) -> None:
    """Somebody in between, who wants the password in the clear."""
    with scripted({"EHLO": b"250-here\r\n250 STARTTLS\r\n", "STARTTLS": b"454 not now\r\n"}) as server:
        assert "454 not now" in refusal(mail, Smtp("localhost", server.port, "starttls", USER, PASSWORD, "", 5))
    assert [line.split()[0].upper() for line in server.said] == ["EHLO", "STARTTLS", "QUIT"]


@pytest.mark.parametrize("answer", ["", "EHLO", "."])
def test_a_server_that_answers_a_letter_at_a_time_is_left(
    mail: EmailMessage, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Each byte comes in time, the answer never does."""
    monkeypatch.setattr(delivery, "ANSWERS", 1)
    slow, begin = {answer: b"250-" + b"x" * 3000}, time.monotonic()
    with scripted(slow, drip=0.02) as server:
        assert "it was not done within 1 s" in refusal(mail, Smtp("localhost", server.port, "none", "", "", "", 1))
        assert time.monotonic() - begin < 20  # The server talks for a minute.


def test_an_address_that_the_server_cannot_take_costs_the_others_nothing(mail: EmailMessage) -> None:
    with scripted({}) as server, pytest.raises(DeliveryError, match=r"refused büro@example\.org") as caught:
        send(mail, Smtp("localhost", server.port, "none", "", "", "", 5), SENDER, (*TO, "büro@example.org"))
    assert caught.value.accepted == TO
    said = [line.lower() for line in server.said]  # newer smtplib writes what older wrote as TO
    assert [line for line in said if line.startswith("rcpt")] == [f"rcpt to:<{one}>" for one in TO]
    with scripted({}) as server:
        lone = Smtp("localhost", server.port, "none", "", "", "", 5)
        with pytest.raises(DeliveryError, match="SMTPUTF8") as caught:
            send(mail, lone, SENDER, ("büro@example.org",))
        assert caught.value.is_answered, "others are not to wait for it"


def test_message_refused(mailbox: Mailbox, mail: EmailMessage) -> None:
    mailbox.answer = "552 too big"
    assert "it answered 552 too big" in refusal(mail, smtp(mailbox))


def test_server_that_repeats_the_password(mailbox: Mailbox, mail: EmailMessage) -> None:
    mailbox.answer = f"554 you said {PASSWORD}"
    assert "554 you said ***" in refusal(mail, smtp(mailbox))


def script(directory: Path, body: str) -> str:
    path = directory / "sendmail"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_sendmail(tmp_path: Path, mail: EmailMessage) -> None:
    program = script(tmp_path, f'printf "%s|" "$@" > {tmp_path}/args; cat > {tmp_path}/mail')
    send(mail, Sendmail(program, 5), SENDER, TO)
    assert (tmp_path / "args").read_text() == "-i|-f|backup@example.org|--|ops@example.org|boss@example.org|"
    content = (tmp_path / "mail").read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"line\n.\nlast\n")


def test_sendmail_that_fails(tmp_path: Path, mail: EmailMessage) -> None:
    line = refusal(mail, Sendmail(script(tmp_path, "echo 'queue \033[31mfull' >&2; exit 75"), 5))
    assert line.endswith("sendmail exited with 75: queue \\x1b[31mfull")


def test_sendmail_that_hangs_is_killed_with_its_children(tmp_path: Path, mail: EmailMessage) -> None:
    program = script(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; wait")
    begin = time.monotonic()
    assert "did not end within 0.5 s" in refusal(mail, Sendmail(program, 0.5))
    assert time.monotonic() - begin < 20
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    deadline = time.monotonic() + 30
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_sendmail_that_is_not_there(tmp_path: Path, mail: EmailMessage) -> None:
    assert "No such file" in refusal(mail, Sendmail(str(tmp_path / "nothing"), 5))
