# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that cannot be read to its end leaves nothing in the repository that no archive needs.

Who stored it in vain would own it for ever: a later archive that has the same content shares an object that came with
another one, and the server lets no trim delete what came with an archive that stays.
"""

from __future__ import annotations

import os

import pytest
from client_borg import ClientBorg, temporary_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be another user")

PIECE = 65_536  # bytes
_BROKEN = """
import errno, time, borg.archive
def broken(chunks, whole=borg.archive.backup_io_iter):
    for number, chunk in enumerate(whole(chunks)):
        time.sleep({pause})
        yield chunk
        if number == 6 and chunk.meta["size"] == 65536:
            raise borg.archive.BackupOSError("read", OSError(errno.EIO, "a broken disk"))
borg.archive.backup_io_iter = broken
"""


def create_with_a_broken_disk(host: ClientBorg, pause: float, *options: str) -> None:
    (host.home / "large").write_bytes(os.urandom(8 * PIECE))
    (host.home / "small").write_bytes(os.urandom(100))
    (host.path / "private/twist.py").write_text(_BROKEN.format(pause=pause))
    twist = f"exec(open({str(host.path / 'private/twist.py')!r}).read())"
    made = host.create("--chunker-params", f"fixed,{PIECE}", *options, twist=twist)
    assert made.told("BackupOSError") == [f"{host.home}/large: read: [Errno 5] a broken disk"], made.log
    assert "small" in host.listed() and "large" not in host.listed()


def test_what_was_read_of_it_is_taken_back() -> None:
    with temporary_host() as host:
        create_with_a_broken_disk(host, 0)
        done = host.borg("check")
        assert done.returncode == 0, done.stderr


def test_what_parts_of_it_need_stays() -> None:
    """After a checkpoint in the middle of the file, its first part is an item of the archive."""
    with temporary_host() as host:
        create_with_a_broken_disk(host, 0.4, "--checkpoint-interval", "1")
        done = host.borg("check")
        assert done.returncode == 0, done.stderr
        assert host.borg("list", "--consider-part-files", "::it").stdout.count("large.borg_part_") > 0
        assert host.borg("extract", "--dry-run", "--consider-part-files", "::it").returncode == 0
