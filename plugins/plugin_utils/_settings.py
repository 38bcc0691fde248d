# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's options, checked before a run begins so that a mistake cannot cost the mail at its end."""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from pathlib import Path
from string import Template
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import (
    Owners,
    Target,
    TargetError,
    load_owners,
    load_targets,
)

SECTION = "callback_paranoid_backup_report"
SUBJECT_WORDS = frozenset({"STATUS", "WHAT", "SUCCEEDED", "FAILED", "SKIPPED", "TOTAL", "RUNTIME", "RUN_ID", "TITLE"})
_NAMED = re.compile(r"[Cc]onfig '(\w+)' for ")
_VALUE = re.compile(r"Invalid value (?:provided for '\w+': )?('[^']*'|\"[^\"]*\")")
_COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')  # one that is not within quotes
_NAMED_ADDRESS = re.compile(r"([^<>]*?)\s*<([^<>]+)>")
_GREETING = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Za-z.:]{1,50}\]")
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


class SettingsError(Exception):
    """An option has a value that cannot work; the message is one line that names it and says where it is set."""

    def __init__(self, problem: str, *names: str) -> None:
        super().__init__(f"{problem}; {explain_setting(*names)}")


@dataclass(frozen=True, slots=True)
class Smtp:
    """Where and how to hand in mail. ``security`` is none, starttls or tls; ``timeout`` is seconds.

    ``greeting`` is the name by which we introduce ourselves (EHLO), empty for this machine's own.
    """

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    ca_file: str
    timeout: float
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class Sendmail:
    """A local program that takes a message on stdin, as Sendmail, Postfix, OpenSMTPD and msmtp do."""

    path: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the callback. ``transport`` is None when no mail is wanted.

    Addresses may have a display name, as in ``Acme backup <backup@example.org>``. With ``failures_only`` a run that
    nobody needs to hear of sends no mail, unless none went out for ``mail_days``. ``owners`` hear of their own hosts.
    """

    report_dir: Path
    title: str
    subject: Template
    mail_from: Address
    mail_to: tuple[Address, ...]
    mail_in_check: bool
    transport: Smtp | Sendmail | None
    keep_runs: int = 0
    keep_days: int = 0
    failures_only: bool = False
    mail_days: int = 7
    owners: Owners = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    notice_seconds: float = 30
    later: bool = False


def load_settings(option: Callable[[str], Any]) -> Settings:
    """Read every option by its documented name; raises SettingsError."""
    method = option("method")
    subject = Template(option("subject"))
    unknown = sorted(set(subject.get_identifiers()) - SUBJECT_WORDS) if subject.is_valid() else ["a lone $"]
    if unknown:
        known = ", ".join(f"${word}" for word in sorted(SUBJECT_WORDS))
        raise SettingsError(f"subject: {', '.join(unknown)} has no meaning there, only {known} and $$ have", "subject")
    if method != "none":
        _require(option, f"method {method}", "mail_from", "mail_to")
    return Settings(
        report_dir=Path(option("report_dir")).expanduser().absolute(),
        title=option("title"),
        subject=subject,
        mail_from=_read_sender(option) if method != "none" else Address(),
        mail_to=_read_addresses(option, "mail_to") if method != "none" else (),
        mail_in_check=option("mail_in_check"),
        transport=_read_transport(option),
        keep_runs=_read_limit(option, "keep_runs"),
        keep_days=_read_limit(option, "keep_days"),
        failures_only=option("mail_when") == "failure",
        mail_days=_read_mail_days(option),
        owners=_read_owners(option) if method != "none" else {},
        targets=_read_targets(option),
        notice_seconds=_read_timeout(option),
        later=option("later"),
    )


def explain_error(error: Exception, documented: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what is wrong with an option; Ansible does not say which values it takes, nor where it is set."""
    named, value = _NAMED.search(str(error)), _VALUE.search(str(error))
    if isinstance(error, SettingsError) or not named or not value or named[1] not in documented:
        return str(error)
    choices = documented[named[1]].get("choices")
    allowed = f"one of {', '.join(choices)}" if choices else "a whole number"
    return str(SettingsError(f"{named[1]}: {value[1]} is not {allowed}", named[1]))


def explain_setting(*names: str) -> str:
    """Return where options are set: in the file or in the environment."""
    variables = " and ".join("PARANOID_REPORT_" + name.removeprefix("report_").upper() for name in names)
    them = "it" if len(names) == 1 else "them"
    return f"set {them} under [{SECTION}] in ansible.cfg, or as {variables} in the environment"


def _read_transport(option: Callable[[str], Any]) -> Smtp | Sendmail | None:
    match option("method"):
        case "smtp":
            return _read_smtp(option)
        case "sendmail":
            return _read_sendmail(option)
        case _:
            return None


def _read_smtp(option: Callable[[str], Any]) -> Smtp:
    _require(option, "method smtp", "smtp_host")
    password = option("smtp_password") or ""
    if option("smtp_password_file"):
        password = _read_password(Path(option("smtp_password_file")).expanduser())
    if bool(option("smtp_user")) != bool(password):
        problem = "smtp_user and smtp_password_file (or smtp_password) go together: one of them is missing"
        raise SettingsError(problem, "smtp_user", "smtp_password_file")
    return Smtp(
        host=option("smtp_host"),
        port=_read_port(option),
        security=option("smtp_security"),
        user=option("smtp_user") or "",
        password=password,
        ca_file=_check_ca_file(option("smtp_ca_file") or ""),
        timeout=_read_timeout(option),
        greeting=_read_greeting(option),
    )


def _read_greeting(option: Callable[[str], Any]) -> str:
    name = option("smtp_greeting") or ""
    if name and not _GREETING.fullmatch(name):
        problem = f"smtp_greeting: {name!a} is neither a host name nor an address such as [192.0.2.7]"
        raise SettingsError(problem, "smtp_greeting")
    return name


def _read_port(option: Callable[[str], Any]) -> int:
    port = option("smtp_port") or _PORTS[option("smtp_security")]
    if not 0 < port < 65536:
        raise SettingsError("smtp_port: must be from 1 to 65535", "smtp_port")
    return int(port)


def _check_ca_file(path: str) -> str:
    try:
        ssl.create_default_context(cafile=path or None)
    except ssl.SSLError:
        raise SettingsError(f"smtp_ca_file: {path} holds no certificate in PEM format", "smtp_ca_file") from None
    except OSError as error:
        raise SettingsError(f"smtp_ca_file: {path} cannot be read: {error.strerror}", "smtp_ca_file") from None
    return path


def _read_sendmail(option: Callable[[str], Any]) -> Sendmail:
    path = option("sendmail_path")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise SettingsError(f"sendmail_path: {path} is not an executable file", "sendmail_path")
    return Sendmail(path, _read_timeout(option))


def _read_password(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IROTH:
                problem = f"smtp_password_file: everybody can read {path}; chmod o= takes that right away"
                raise SettingsError(problem, "smtp_password_file")
            return file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        how = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"smtp_password_file: {path} cannot be read: {how}", "smtp_password_file") from error


def _read_timeout(option: Callable[[str], Any]) -> float:
    if not 0 < option("timeout") <= 3600:
        raise SettingsError("timeout: must be from 1 to 3600 seconds", "timeout")
    return float(option("timeout"))


def _read_limit(option: Callable[[str], Any], name: str) -> int:
    if option(name) < 0:
        raise SettingsError(f"{name}: must be 0, which is no limit, or more", name)
    return int(option(name))


def _read_mail_days(option: Callable[[str], Any]) -> int:
    if not 1 <= option("mail_days") <= 31:
        raise SettingsError("mail_days: must be from 1 to 31, for silence must never mean success", "mail_days")
    return int(option("mail_days"))


def _read_owners(option: Callable[[str], Any]) -> Owners:
    path = option("owners_file")
    try:
        return load_owners(path, lambda entry: _read_address("owners_file", entry)) if path else {}
    except TargetError as error:
        raise SettingsError(f"owners_file: {error}", "owners_file") from None


def _read_targets(option: Callable[[str], Any]) -> tuple[Target, ...]:
    path = option("notify_file")
    try:
        return load_targets(path) if path else ()
    except TargetError as error:
        raise SettingsError(f"notify_file: {error}", "notify_file") from None


def _require(option: Callable[[str], Any], why: str, *names: str) -> None:
    missing = [name for name in names if not option(name)]
    if missing:
        raise SettingsError(f"{why} needs {' and '.join(missing)} (method none sends no mail)", *missing)


def _read_sender(option: Callable[[str], Any]) -> Address:
    addresses = _read_addresses(option, "mail_from")
    if len(addresses) != 1:
        raise SettingsError(f"mail_from: is one address, not {len(addresses)}", "mail_from")
    return addresses[0]


def _read_addresses(option: Callable[[str], Any], name: str) -> tuple[Address, ...]:
    """Return the addresses of an option; Ansible has split its list at commas, also those within quotes."""
    value = option(name)
    text = value if isinstance(value, str) else ",".join(value)
    entries = [entry.strip() for entry in _COMMA.split(text) if entry.strip()]
    return tuple(_read_address(name, entry) for entry in entries)


def _read_address(name: str, entry: str) -> Address:
    """Return the one address that ``entry`` is: ``ops@example.org`` or ``Ops <ops@example.org>``."""
    try:
        found = _NAMED_ADDRESS.fullmatch(entry)
        if not entry.isprintable():
            raise ValueError(entry)
        address = Address(found[1].strip('"'), addr_spec=found[2]) if found else Address(addr_spec=entry)
        if not address.username or not address.domain:
            raise ValueError(entry)
    except Exception as error:
        shown = ascii(entry)[1:-1]
        example = "ops@example.org or Ops <ops@example.org>"
        raise SettingsError(f'{name}: "{shown}" is not an address such as {example}', name) from error
    return address
