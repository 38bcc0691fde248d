# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed packages: of Debian, of Red Hat and SUSE, of Arch, of FreeBSD."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_system.asking import Asker, NoAnswer, read_lines

PACKAGES_MAX = 50_000
CONFIG_BYTES_MAX = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._@:-]{0,199}", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._~:,^-]{0,199}", re.ASCII)
_STATES = "/var/lib/apt/extended_states"

Record = dict[str, Any]


@dataclass(frozen=True)
class Package:
    """An installed package; ``manual`` says whether a person asked for it, None where nobody knows."""

    name: str
    version: str
    architecture: str
    manual: Optional[bool]


@dataclass(frozen=True)
class Installed:
    """The packages, and the configuration files that nobody has changed; only dpkg remembers what they were."""

    packages: list[Package]
    unchanged: list[str]


def find_manager() -> str:
    """Return the name of the system's package manager, empty if it has none that is known."""
    for program, name in (("dpkg-query", "dpkg"), ("pacman", "pacman"), ("rpm", "rpm"), ("pkg", "pkg")):
        if shutil.which(program, path="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"):
            return name
    return ""


def ask_installed(manager: str, asker: Asker) -> Installed:
    """Return what is installed; NoAnswer if that is not known."""
    if manager == "dpkg":
        return _ask_dpkg(asker)
    if manager not in _LISTING:
        raise NoAnswer("there is no package manager that is known here")
    return Installed(_LISTING[manager](asker)[:PACKAGES_MAX], [])


def parse_dpkg(lines: Iterable[str], automatic: frozenset[str]) -> list[Package]:
    """Parse ``dpkg-query``: state, name, architecture, version; AUTOMATIC are those that came with others."""
    found = []
    for line in lines:
        state, name, architecture, version = _fields(line, 4)
        if state.startswith(("ii", "hi")):
            found.append(_package(name, version, architecture, name not in automatic))
    return found


def parse_extended_states(lines: Iterable[str]) -> frozenset[str]:
    """Return what came as a dependency (apt's extended_states)."""
    name, found = "", set()
    for line in lines:
        if line.startswith("Package: "):
            name = line[len("Package: ") :].strip()
        elif line.strip() == "Auto-Installed: 1" and name:
            found.add(name)
    return frozenset(found)


def parse_rpm(lines: Iterable[str]) -> list[Package]:
    """Parse ``rpm -qa``: name, version, architecture. Who asked for it, rpm does not know."""
    fields = (_fields(line, 3) for line in lines if not line.startswith("gpg-pubkey\t"))
    return [_package(name, version, architecture, None) for name, version, architecture in fields]


def parse_pacman(lines: Iterable[str], explicit: Iterable[str]) -> list[Package]:
    """Parse ``pacman -Q``: name and version."""
    wanted = {line.strip() for line in explicit}
    fields = (_fields(line, 2, " ") for line in lines)
    return [_package(name, version, "", name in wanted) for name, version in fields]


def parse_pkg(lines: Iterable[str]) -> list[Package]:
    """Parse ``pkg query``: name, version, architecture, 1 if it came with others."""
    fields = (_fields(line, 4) for line in lines)
    return [
        _package(name, version, architecture, automatic == "0") for name, version, architecture, automatic in fields
    ]


def list_unchanged(lines: Iterable[str], digest: Callable[[str], str]) -> list[str]:
    """Return the configuration files that are as their packages brought them (``dpkg-query``, Conffiles)."""
    found = []
    for line in lines:
        words = line.strip().rsplit(" ", 1)
        is_one = len(words) == 2 and words[0].startswith("/") and re.fullmatch("[0-9a-f]{32}", words[1])
        if is_one and digest(words[0]) == words[1]:
            found.append(words[0])
    return found


def md5_of(path: str) -> str:
    """Return the digest that dpkg keeps of a file, empty for what is no small file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
    except OSError:
        return ""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() if len(content) <= CONFIG_BYTES_MAX else ""


def _ask_dpkg(asker: Asker) -> Installed:
    """Ask once for both; the lines of configuration files begin with a space."""
    form = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n${Conffiles}\n"
    lines = [line for line in asker.ask(["dpkg-query", "-W", "-f", form]) if line]
    try:
        states = read_lines(_STATES)
    except NoAnswer:
        states = []  # Without apt nothing is automatic.
    listed = parse_dpkg((line for line in lines if not line.startswith(" ")), parse_extended_states(states))
    return Installed(listed[:PACKAGES_MAX], list_unchanged((line for line in lines if line.startswith(" ")), md5_of))


def _ask_rpm(asker: Asker) -> list[Package]:
    return parse_rpm(asker.ask(["rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\n"]))


def _ask_pacman(asker: Asker) -> list[Package]:
    return parse_pacman(asker.ask(["pacman", "-Q"]), asker.ask(["pacman", "-Qqe"]))


def _ask_pkg(asker: Asker) -> list[Package]:
    return parse_pkg(asker.ask(["pkg", "query", "%n\t%v\t%q\t%a"]))


_LISTING: dict[str, Callable[[Asker], list[Package]]] = {
    "rpm": _ask_rpm,
    "pacman": _ask_pacman,
    "pkg": _ask_pkg,
}


def _package(name: str, version: str, architecture: str, manual: Optional[bool]) -> Package:
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise NoAnswer(f"the list of packages has a line that is none: {name[:60]!r} {version[:60]!r}")
    return Package(name, version, architecture[:40], manual)


def _fields(line: str, number: int, separator: str = "\t") -> list[str]:
    fields = line.split(separator)
    if len(fields) != number:
        raise NoAnswer(f"the list of packages has a line that is none: {line[:100]!r}")
    return fields
