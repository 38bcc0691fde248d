# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages that the old system had and this one lacks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Optional

from paranoid_rebuild.errors import printable
from paranoid_rebuild.running import Runner

ONE_BY_ONE_MAX = 200
_APT = ["apt-get", "-y", "-q", "-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Options::=--force-confdef"]


def find_unavailable(manager: str, names: Sequence[str], runner: Runner) -> list[str]:
    """Return which of NAMES this system's sources do not have, by fresh lists; where nobody can tell, none."""
    if not names:
        return []
    known = _known_names(manager, runner)
    return [] if known is None else [name for name in names if name not in known]


def install(manager: str, names: Sequence[str], runner: Runner) -> list[str]:
    """Install them all, or where that fails one by one; return a line for each that could not be."""
    command = _install_command(manager)
    if not names or not runner.run(*command, *names).code:
        return []
    failures = []
    for name in names[:ONE_BY_ONE_MAX]:
        done = runner.run(*command, name)
        failures += [f"package {name}: {done.reason}"] if done.code else []
    return failures + [f"package {name}: not tried" for name in names[ONE_BY_ONE_MAX:]]


def _known_names(manager: str, runner: Runner) -> Optional[set[str]]:
    """Return the names that can be installed, None where that is not known."""
    if manager == "dpkg":
        runner.run("apt-get", "-q", "update")
        return _lines(runner, "apt-cache", "pkgnames")
    if manager == "pacman":
        return _lines(runner, "pacman", "-Slq")
    if manager == "pkg":
        return _lines(runner, "pkg", "rquery", "%n")
    return _lines(runner, "dnf", "-q", "repoquery", "--qf", "%{name}\n") if shutil.which("dnf") else None


def _lines(runner: Runner, *argv: str) -> Optional[set[str]]:
    done = runner.run(*argv)
    names = {line.strip() for line in done.out.splitlines() if line.strip()}
    return names if names and not done.code else None


def _install_command(manager: str) -> list[str]:
    if manager == "dpkg":
        return [*_APT, "install"]
    if manager == "pacman":
        return ["pacman", "-S", "--needed", "--noconfirm"]
    if manager == "pkg":
        return ["pkg", "install", "-y"]
    return ["dnf", "-y", "install"] if shutil.which("dnf") else ["zypper", "--non-interactive", "install"]


def format_unavailable(names: Sequence[str]) -> list[str]:
    """Return a line for each package that cannot be had."""
    return [
        f"package {printable(name)}: this release has none of this name, or its source is not configured"
        for name in names
    ]
