# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, users and members that the old system had, made here; Linux's own programs do it."""

from __future__ import annotations

from collections.abc import Iterable

from paranoid_rebuild.comparing import Comparison, MissingGroup, MissingUser
from paranoid_rebuild.running import Runner

SYSTEM_MAX = 999  # ids up to here are a system's own (Debian, Red Hat, SUSE, Arch)


def make_accounts(found: Comparison, runner: Runner, shadow: str) -> list[str]:
    """Make them; return a line for each that could not be made. SHADOW is the old /etc/shadow, empty if not there."""
    failures = runner.failures([_group_command(one) for one in found.groups])
    failures += runner.failures([_user_command(one) for one in found.users])
    failures += runner.failures([["gpasswd", "--add", user, group] for user, group in found.members])
    made = {one.name for one in found.users}
    passwords = list_passwords(shadow, made)
    if passwords:
        done = runner.run("chpasswd", "--encrypted", given="".join(f"{line}\n" for line in passwords))
        failures += [f"passwords of users: {done.reason}"] if done.code else []
    return failures


def list_passwords(shadow: str, names: Iterable[str]) -> list[str]:
    """Return name and encrypted password of those in NAMES that have one."""
    wanted = set(names)
    fields = (line.split(":") for line in shadow.splitlines())
    return [
        f"{field[0]}:{field[1]}" for field in fields if len(field) == 9 and field[0] in wanted and _is_one(field[1])
    ]


def _is_one(password: str) -> bool:
    return password.startswith(("$", "!$")) and ":" not in password


def _group_command(one: MissingGroup) -> list[str]:
    system = ["--system"] if one.old_gid <= SYSTEM_MAX else []
    return ["groupadd", *system, *(["--gid", str(one.gid)] if one.gid is not None else []), one.name]


def _user_command(one: MissingUser) -> list[str]:
    """Return the command; the home comes with the files."""
    system = ["--system"] if one.old_uid <= SYSTEM_MAX else []
    number = ["--uid", str(one.uid)] if one.uid is not None else []
    words = ["--gid", one.group, "--home-dir", one.home or "/nonexistent", "--shell", one.shell or "/bin/sh"]
    return ["useradd", "--no-create-home", *system, *number, *words, "--comment", one.comment, one.name]
