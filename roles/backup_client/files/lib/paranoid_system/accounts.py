# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of this host's own files; those of a directory service come back with that service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ACCOUNTS_MAX = 50_000
ID_MAX = 2**32 - 2
_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}\$?", re.ASCII)
_FIELD_MAX = 1024


@dataclass(frozen=True)
class User:
    """A line of /etc/passwd, without its password."""

    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class Group:
    """A line of /etc/group."""

    name: str
    gid: int
    members: tuple[str, ...]


def parse_passwd(lines: Iterable[str]) -> tuple[list[User], list[str]]:
    """Return the users, and a remark for each line that is none."""
    users: list[User] = []
    remarks: list[str] = []
    for line in _entries(lines):
        fields = line.split(":")
        if len(fields) == 7 and is_name(fields[0]) and _is_id(fields[2]) and _is_id(fields[3]) and _is_plain(line):
            users.append(User(fields[0], int(fields[2]), int(fields[3]), *fields[4:7]))
        else:
            remarks.append(f"/etc/passwd has a line that is none: {fields[0][:60]!r}")
    return users[:ACCOUNTS_MAX], remarks


def parse_group(lines: Iterable[str]) -> tuple[list[Group], list[str]]:
    """Return the groups, and a remark for each line that is none."""
    groups: list[Group] = []
    remarks: list[str] = []
    for line in _entries(lines):
        fields = line.split(":")
        members = tuple(name for name in fields[-1].split(",") if name)
        if len(fields) == 4 and is_name(fields[0]) and _is_id(fields[2]) and all(map(is_name, members)):
            groups.append(Group(fields[0], int(fields[2]), members))
        else:
            remarks.append(f"/etc/group has a line that is none: {fields[0][:60]!r}")
    return groups[:ACCOUNTS_MAX], remarks


def is_name(text: str) -> bool:
    """Tell whether it may name a user or a group."""
    return _NAME.fullmatch(text) is not None


def _entries(lines: Iterable[str]) -> Iterable[str]:
    """Leave out comments and what asks a directory service."""
    return (line for line in lines if line.strip() and not line.startswith(("#", "+", "-")))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= ID_MAX


def _is_plain(line: str) -> bool:
    return len(line) <= _FIELD_MAX and line.isprintable()
