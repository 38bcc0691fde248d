# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a client puts there, in a test's folder: hooks.d, sources.d, off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dispatched import START, Client

# In a test's folder others may write above it; so looks begin at that folder.
OWNED = "import pathlib; from paranoid_dispatcher import trust; trust.TOP = pathlib.Path(sys.argv[2]).parent; "
OWNED_START = START.replace("from paranoid_dispatcher.main", f"{OWNED}from paranoid_dispatcher.main")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can make what is root's")


def add_hook(client: Client, name: str, script: str, mode: int = 0o755, first: str = "#!/bin/sh\n") -> Path:
    """Put a hook into the client's hooks.d; it works in the client's folder."""
    path = client.path / "hooks.d" / name
    path.parent.mkdir(exist_ok=True, mode=0o755)
    path.write_text(f"{first}cd {client.path} || exit 9\n{script}\n")
    path.chmod(mode)
    return path


def calls(client: Client) -> list[str]:
    """What the hooks that `add_logging` made were started with."""
    path = client.path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def add_logging(client: Client, *names: str, more: str = "") -> None:
    """Put hooks there that log how they are started."""
    for name in names:
        add_hook(client, name, f'echo "{name} $@" >>calls\n{more}')
