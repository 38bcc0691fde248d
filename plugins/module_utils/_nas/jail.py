# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A jail as it should be against what the program iocage prints of it: pure. Python 3.9.

Formats are those of iocage 1.2 to 1.13 (its iocage_cli, ioc_list.py and ioc_fstab.py). With click 8.3 and an iocage
before 1.13, ``-H`` does nothing, so that its table has to be understood as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

_KNOWN = range(2, 14)  # 1.2 to 1.13
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_SPECIAL = ("ALL", "default", "help")
_RELEASE = re.compile(r"[0-9]+\.[0-9]+-[A-Z]+[0-9]*", re.ASCII)
_YES, _NO = ("1", "on", "yes", "true"), ("0", "off", "no", "false")


class JailError(Exception):
    """A jail cannot be as desired: one line for a person."""


@dataclass(frozen=True)
class Mount:
    """A directory of the host that a jail sees at ``target``, a path inside."""

    source: str
    target: str
    options: str = "rw"
    index: str = ""  # by which iocage removes it


@dataclass(frozen=True)
class Desired:
    """A jail as it should be, and running; ``properties`` are iocage's own."""

    name: str
    release: str
    properties: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    packages: Sequence[str] = ()


@dataclass(frozen=True)
class Jail:
    """A jail as it is. ``live`` are its mounts that are in force; ``packages`` None if that cannot be known."""

    state: str  # up or down
    release: str
    properties: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    live: Collection[tuple[str, str]] = ()
    packages: Optional[Collection[str]] = None

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.state == "up"


@dataclass(frozen=True)
class Plan:
    """What has to be done, in this order; ``properties`` maps to what they are and should be."""

    fetch: bool
    create: bool
    properties: Mapping[str, tuple[Optional[str], str]]
    mounts: Sequence[Mount]
    start: bool
    packages: Sequence[str]

    @property
    def is_nothing(self) -> bool:
        """Whether the jail is as desired."""
        return not (self.create or self.properties or self.mounts or self.start or self.packages)

    @property
    def needs_stop(self) -> bool:
        """Whether a jail that runs must be stopped before: it reads both when it starts, and its root is hostile."""
        return bool(self.properties or self.mounts or self.start)


def check_version(text: str) -> None:
    """Raise JailError unless this is what ``iocage --version`` prints of a version that is known here."""
    found = re.match(r"Version\s+(\d+)\.(\d+)", text.strip())
    if not found or found[1] != "1" or int(found[2]) not in _KNOWN:
        raise JailError(f"{text.strip()[:60]!r} is no iocage that is known here: these are 1.2 to 1.{_KNOWN[-1]}")


def check_desired(desired: Desired) -> None:
    """Raise JailError for what nobody may ask for, whatever there is."""
    if not _NAME.fullmatch(desired.name) or desired.name in _SPECIAL:
        raise JailError(f"{desired.name[:60]!r} is no name of a jail: take letters, digits and . _ - only")
    if not _RELEASE.fullmatch(desired.release):
        raise JailError(f"{desired.release[:60]!r} is no release of FreeBSD: write one such as 14.3-RELEASE")
    paths = [path for one in desired.mounts for path in (one.source, one.target)]
    wrong = [path for path in paths if not re.fullmatch(r"(/[A-Za-z0-9._@:+-]+)+", path) or "/../" in f"{path}/"]
    if wrong:
        raise JailError(f"{wrong[0][:80]!r} cannot be mounted: write an absolute path without spaces")


def parse_properties(words: Sequence[str]) -> dict[str, str]:
    """Return properties of words such as ``boot=on``, as iocage takes them."""
    wrong = [word for word in words if not re.match(r"[a-z][a-z0-9_]*=", word)]
    if wrong:
        raise JailError(f"{wrong[0][:60]!r} is no property: write NAME=VALUE")
    return dict(word.split("=", 1) for word in words)


def canonical(value: str) -> str:
    """Return a property's value in one spelling: iocage keeps every kind of yes as 1, and no spaces of addresses."""
    word = value.strip().lower()
    return "1" if word in _YES else "0" if word in _NO else value.replace(" ", "")


def parse_rows(text: str) -> list[list[str]]:
    """Return the rows of a list that iocage printed: with tabs, or as a table with a head."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("+-"):
        cells = [[one.strip() for one in line[2:].rpartition("|")[0].split(" | ")] for line in lines if line[0] == "|"]
        return cells[1:]
    return [line.split("\t") for line in lines]


def find_row(text: str, name: str) -> Optional[list[str]]:
    """Return this jail's row of ``iocage list -H -l``: every other command takes the beginning of a name for it."""
    found = [row for row in parse_rows(text) if len(row) > 5 and row[1] == name]
    return found[0] if found else None


def parse_values(text: str) -> dict[str, str]:
    """Return the properties that ``iocage get all NAME`` prints."""
    return dict(line.split(":", 1) for line in text.splitlines() if re.match(r"[a-z][a-z0-9_]*:", line))


def parse_fstab(text: str, root: str) -> list[Mount]:
    """Return the mounts inside a jail of this root directory that ``iocage fstab -l -H NAME`` prints."""
    found = []
    for row in parse_rows(text):
        words = [row[0], *" ".join(row[1:]).split()]
        if len(words) > 4 and words[2].startswith(f"{root}/"):
            found.append(Mount(words[1], words[2][len(root) :], words[4], words[0]))
    return found


def parse_live(text: str, root: str) -> set[tuple[str, str]]:
    """Return source and target of what is mounted inside, of ``mount -t nullfs -p``."""
    rows = [line.split() for line in text.splitlines()]
    return {(row[0], row[1][len(root) :]) for row in rows if len(row) > 2 and row[1].startswith(f"{root}/")}


def missing_mounts(desired: Desired, there: Sequence[Mount]) -> list[Mount]:
    """Return the mounts to add; JailError if another stands in the way, which iocage would silently take down."""
    missing = []
    for one in desired.mounts:
        at = [other for other in there if other.target == one.target]
        wrong = [other for other in at if other.source != one.source or "rw" not in other.options.split(",")]
        if wrong:
            raise JailError(
                f"{one.target} of jail {desired.name} is {wrong[0].source} ({wrong[0].options}) and should be "
                f"{one.source}: iocage fstab -r {desired.name} {wrong[0].index}"
            )
        if not at:
            missing.append(one)
    return missing


def drift(desired: Desired, actual: Mapping[str, str]) -> dict[str, tuple[Optional[str], str]]:
    """Return the properties that differ; JailError for one that this iocage does not have."""
    unknown = [name for name in desired.properties if name not in actual]
    if unknown:
        raise JailError(f"this iocage has no property {unknown[0]} of jail {desired.name}: leave it out")
    pairs = {name: (actual[name], value) for name, value in desired.properties.items()}
    return {name: pair for name, pair in pairs.items() if canonical(pair[0]) != canonical(pair[1])}


def plan_jail(desired: Desired, actual: Optional[Jail], releases: Collection[str]) -> Plan:
    """Return what has to be done; JailError if the jail cannot or may not be as desired."""
    if actual is None:
        made = {name: (None, value) for name, value in desired.properties.items()}
        return Plan(desired.release not in releases, True, made, desired.mounts, True, desired.packages)
    if actual.release.partition("-p")[0] != desired.release:
        raise JailError(
            f"jail {desired.name} is {actual.release} and should be {desired.release}: iocage upgrade "
            f"-r {desired.release} {desired.name}, or name the release that it has"
        )
    missing = missing_mounts(desired, actual.mounts)
    dead = [one for one in desired.mounts if (one.source, one.target) not in actual.live]
    packages = [one for one in desired.packages if one not in (actual.packages or ())]
    return Plan(False, False, drift(desired, actual.properties), missing, not actual.is_up or bool(dead), packages)
