# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions of ansible-core that this machine can test with."""

from __future__ import annotations

from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"
OLDEST, NEWEST = CACHE / "venv", CACHE / "venv-newest"
MISSING = "NOT TESTED: the newest ansible-core, which needs Python 3.12 or newer, and none was found here"


def describe_cores() -> list[str]:
    """Return one line for each ansible-core that tests run with, or what is missing."""
    return [_version(OLDEST), _version(NEWEST) if NEWEST.exists() else MISSING]


def _version(venv: Path) -> str:
    (installed,) = venv.glob("lib/python3*/site-packages/ansible_core-*.dist-info")
    return f"tested: {installed.name.removesuffix('.dist-info').replace('_', '-')} with {installed.parents[1].name}"
