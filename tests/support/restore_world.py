# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose owner restores while the server holds a tunnel open."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keeper import Keeper
from session_world import run
from tool import ROOT
from waiting import wait_until

LIB = ROOT / "roles/backup_client/files/lib"
# What is small here is worth another connection, so that several are tried.
_START = (
    "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
    "from paranoid_restore import working; working.COST_PER_SECOND = 1;"
    "from paranoid_restore.main import main; sys.exit(main(sys.argv[3:], pathlib.Path(sys.argv[2])))"
)
MEGABYTES = 12
ESCAPE = "\x1b]0;x\x07\x1b[2J"  # a file's name that would speak to a terminal
ACL = "system.posix_acl_access"
# Linux, include/uapi/linux/posix_acl_xattr.h: version, then tag, permissions and id of each entry.
GAMES_READ = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 4, 5), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 4, 2**32 - 1))
)


def give_time(keeper: Keeper) -> None:
    """Let a tunnel stay open as long as a slow machine needs for all tests of a file."""
    keeper.world.server.update(idle_timeout=7200, total_timeout=7200)
    keeper.world.write()
    path = keeper.world.own / "client.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "deadline": 7200}))


def make_tree(root: Path) -> None:
    """Make files, links, pipes and names of every kind."""
    for name in ("etc", "data/deep/er", "many"):
        (root / name).mkdir(parents=True)
    (root / "etc/conf").write_text("first\n")
    (root / "etc/conf").chmod(0o640)
    os.utime(root / "etc/conf", ns=(10**18, 10**18 + 123_456_000))
    (root / "etc/empty").touch()
    (root / "etc/tagged").write_text("with an attribute\n")
    os.setxattr(root / "etc/tagged", "user.colour", b"blue")
    (root / "etc/fixed").write_text("nobody changes it\n")
    (root / "etc/shared").write_text("with an access list\n")
    os.setxattr(root / "etc/shared", ACL, GAMES_READ)
    (root / "data/big").write_bytes(os.urandom(MEGABYTES * 2**20))
    (root / "data/deep/er/file").write_text("deep\n")
    (root / "data/deep").chmod(0o711)
    (root / "data/link").symlink_to("/somewhere/else")
    os.link(root / "data/deep/er/file", root / "data/second")
    os.link(root / "data/deep/er/file", root / "etc/third")
    os.mkfifo(root / "data/pipe")
    (root / f"data/{ESCAPE}").write_text("odd\n")
    (Path(os.fsdecode(os.fsencode(root) + b"/data/gr\xfcn \n[x]*"))).write_text("odd\n")
    for number in range(200):
        (root / f"many/{number}").write_text(f"{number}\n" * 50)
    if os.geteuid() == 0:
        os.chown(root / "etc/conf", 1, 2)


@dataclass
class Restoring:
    """``saved`` is a copy of what was saved last; ``archives`` are the names of both."""

    keeper: Keeper
    saved: Path
    archives: tuple[str, str]
    within: tuple[str, ...] = ()  # what starts the command, such as unshare

    @property
    def source(self) -> Path:
        """What was backed up, in place."""
        return self.keeper.world.own / "source"

    @property
    def base_dir(self) -> Path:
        """Where the client keeps its state."""
        return self.keeper.world.own / "borg"

    @contextmanager
    def tunnel(self) -> Iterator[Restoring]:
        """Let the server hold a tunnel open meanwhile."""
        session = self.keeper.world.start_session("open")
        marker = self.base_dir / "open"
        try:
            assert wait_until(marker.exists, 60), "the tunnel is not open"
            yield self
        finally:
            session.terminate()
            session.communicate()
            assert wait_until(lambda: not marker.exists(), 60), "the tunnel stays open"
            self.keeper.world.session("info")  # It puts away what the killed one has left.

    def reset(self) -> None:
        """Bring the tree in place back to what was saved."""
        shutil.rmtree(self.base_dir / "undo", ignore_errors=True)
        shutil.rmtree(self.source, ignore_errors=True)
        run("cp", "-a", self.saved, self.source)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Type the command, and wait for it."""
        process = self.start(*words)
        out, said = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, said)

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Type the command."""
        argv: list[str | Path] = [
            *self.within,
            sys.executable,
            "-I",
            "-c",
            _START,
            LIB,
            self.keeper.world.own / "client.json",
            *words,
        ]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def relays(self) -> list[int]:
        """Return the processes that carry the restore's data into the tunnel."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if b"UNIX-CONNECT:" + os.fsencode(self.keeper.world.own) in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def path(self, name: str = "") -> str:
        """Return how an archive names something of the tree."""
        return str(self.source / name).strip("/")

    def fetched(self, done: subprocess.CompletedProcess[str]) -> str:
        """Return how much a restore says it fetched."""
        found = re.search(r"(\S+ \S+) fetched", done.stdout)
        assert found, done.stdout + done.stderr
        return found.group(1)

    def undo_id(self, done: subprocess.CompletedProcess[str]) -> str:
        """Return the id of a restore."""
        found = re.search(r"--undo (\S+)", done.stdout)
        assert found, done.stdout + done.stderr
        return found.group(1)


def chattr(how: str, path: Path) -> bool:
    """Change the flags of a file; return whether its file system knows such."""
    return subprocess.run(["chattr", how, path], capture_output=True, check=False).returncode == 0


def fresh_name(name: str) -> str:
    """Return the name under which something appears before it takes its place."""
    return ".paranoid-restore-" + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def describe(root: Path) -> dict[str, tuple[object, ...]]:
    """Return what lies below a directory: kinds, modes, owners, times, contents, and the names of the same file."""
    found = os.walk(os.fsencode(root))
    paths = sorted(os.path.join(at, name) for at, folders, files in found for name in (*folders, *files))
    names: dict[int, list[str]] = {}
    short = {path: json.dumps(os.fsdecode(path[len(os.fsencode(root)) :])) for path in paths}
    for path in paths:
        names.setdefault(os.lstat(path).st_ino, []).append(short[path])
    return {short[path]: _describe(path, names) for path in paths}


def _describe(path: bytes, names: dict[int, list[str]]) -> tuple[object, ...]:
    at = os.lstat(path)
    content: object = None
    if stat.S_ISREG(at.st_mode):
        content = Path(os.fsdecode(path)).read_bytes()
    elif stat.S_ISLNK(at.st_mode):
        content = os.readlink(path)
    return (at.st_mode, at.st_uid, at.st_gid, at.st_mtime_ns // 1000, content, *names[at.st_ino])
