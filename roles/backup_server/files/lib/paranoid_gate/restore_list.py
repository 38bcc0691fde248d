# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `restore-list`: stores what comes on stdin as the repository's list of archives, without a key."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import closing


def main(argv: list[str]) -> int:
    """Store the list and commit, without compaction; return 0 if it is stored."""
    parser = argparse.ArgumentParser(prog="restore-list", allow_abbrev=False)
    parser.add_argument("--repository", required=True, type=os.path.abspath)
    parser.add_argument("--repository-id", required=True, type=str.lower)
    arguments = parser.parse_args(argv)
    os.umask(0o077)
    from borg.logger import setup_logging

    setup_logging(stream=sys.stderr, env_var=None, level="warning")
    _store(arguments.repository, arguments.repository_id, sys.stdin.buffer.read())
    return 0


def _store(path: str, repository_id: str, data: bytes) -> None:
    from paranoid_gate.guarded import MANIFEST_ID, open_repository

    with closing(open_repository(path, repository_id, exclusive=True, lock_wait=1)) as repository:
        repository.put(MANIFEST_ID, data)
        repository.commit(compact=False)
