# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that people install holds all that it needs, and nothing that was only made here."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tool import run_tool, tracked

NEEDED = ("docs", "inventories/example", "meta", "playbooks", "plugins", "roles")


def test_everything_that_runs_is_in_the_archive(tmp_path: Path) -> None:
    run_tool("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    (archive,) = tmp_path.glob("paranoid-backup-*.tar.gz")
    with tarfile.open(archive) as content:
        built = {member.name for member in content if member.isfile()}
    assert set(tracked(*NEEDED)) - built == set()
    assert {name for name in built if "__pycache__" in name or name.startswith(".cache")} == set()
