# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Special files beside a streamed dump, where borgmatic makes Borg read them: the dump is read, the others never."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
from contextlib import closing

import pytest
from client_borg import USER, temporary_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be another user")

PIPES = ("pipe", "a\nb", "[x]", "*", b"\xe4".decode("utf-8", "surrogateescape"), "- sh:**", "fm:x", "{now}")
FAKE = "borgmatic-x/borgmatic/sqlite_databases/localhost"  # like borgmatic's own, elsewhere


def test_a_dump_is_read_and_nothing_else_that_is_special() -> None:
    with temporary_host() as host:
        for name in (*PIPES, f"{FAKE}/pipe"):
            (host.home / name).parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(host.home / name)
            os.chown(host.home / name, USER, USER)
        host.as_user("ln -s pipe link; ln -s /dev/zero '[zero]'; ln -s /dev/tty tty")
        os.mknod(host.home / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(host.home / "socket"))
        (host.path / "database").touch()
        database = {"name": "it", "path": str(host.path / "database"), "sqlite_command": "sh -c 'echo dumped' --"}
        done = host.borgmatic({"sqlite_databases": [database], "read_special": True})
        assert done.returncode == 0, done.stderr
        listed = host.listed()
        kinds = {name.encode("utf-8", "replace").decode(): listed.get(name) for name in listed}
        assert host.content("borgmatic/sqlite_databases/localhost/it") == b"dumped\n"
        assert sum(kind == "p" for kind in kinds.values()) == len(PIPES) + 1, kinds
        assert [kinds[name] for name in ("link", "[zero]", "tty", "zero")] == ["l", "l", "l", "c"]
        assert "socket" not in kinds
        locked = {**database, "path": str(host.path / "locked"), "sqlite_command": "sqlite3"}
        with closing(sqlite3.connect(locked["path"], isolation_level=None)) as writer:
            writer.execute("CREATE TABLE orders (what)")
            writer.execute("BEGIN EXCLUSIVE")
            for other, words in ((locked, "locked or damaged"), ({**database, "sqlite_command": "true"}, "is empty")):
                host.borg("delete", "::", "it", "it.checkpoint")
                done = host.borgmatic({"sqlite_databases": [other]})
                assert words in done.stderr and "borgmatic/sqlite_databases/localhost/it" not in host.listed()
