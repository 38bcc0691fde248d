# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in the virtual machine, by Borg's python: commits and compactions one after another, so that a cut hits one."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from binascii import hexlify, unhexlify
from collections.abc import Callable

from borg.helpers import Location
from borg.logger import setup_logging
from borg.remote import RemoteRepository
from borg.repository import Repository

MANY = 20


def commits() -> None:
    """Store an object through the gate, commit it, print its id; for ever. The gate is what BORG_RSH starts."""
    args = Namespace(remote_path="borg", debug_topics=[], rsh=None, upload_ratelimit=0, upload_buffer=0)
    with RemoteRepository(Location(os.environ["BORG_REPO"]), exclusive=True, args=args) as repository:
        while True:
            stored = os.urandom(32)
            repository.put(stored, os.urandom(500))
            repository.commit(compact=False)
            _tell(stored)


def compactions(path: str) -> None:
    """Store objects, delete all of them but one, compact, print the id of what is left; for ever."""
    with Repository(path, exclusive=True) as repository:
        while True:
            made = [os.urandom(32) for _ in range(MANY)]
            for stored in made:
                repository.put(stored, os.urandom(5000))
            repository.commit(compact=False)
            for stored in made[1:]:
                repository.delete(stored)
            repository.commit(compact=True, threshold=0)
            _tell(made[0])


def checked(path: str) -> None:
    """Check a repository as ``borg check --repository-only``, and print of the ids that come in those that are gone."""
    with Repository(path, exclusive=True) as repository:
        if not repository.check():
            raise SystemExit(f"{path} is damaged")
        for line in sys.stdin:
            try:
                repository.get(unhexlify(line.strip()))
            except Repository.ObjectNotFound:
                sys.stdout.write(line)


def _tell(stored: bytes) -> None:
    sys.stdout.write(f"{hexlify(stored).decode()}\n")
    sys.stdout.flush()


COMMANDS: dict[str, Callable[..., None]] = {"commits": commits, "compactions": compactions, "checked": checked}

if __name__ == "__main__":
    setup_logging(stream=sys.stderr, env_var=None, level="warning")
    COMMANDS[sys.argv[1]](*sys.argv[2:])
