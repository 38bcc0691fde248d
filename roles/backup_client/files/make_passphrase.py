# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a passphrase of 256 random bits in a file that only root can read; it is there whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys


def make(path: str) -> None:
    """Write PATH, which must not exist; FileExistsError when it does."""
    draft = f"{path}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    # link, not rename: a passphrase that is already there opens a repository.
    os.link(draft, path)
    os.unlink(draft)


if __name__ == "__main__":
    make(sys.argv[1])
