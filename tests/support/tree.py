# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a client: make a tree with everything that restores get wrong, or describe one, a line of JSON per entry.

python3 tree.py make DIR
python3 tree.py describe DIR
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import stat
import subprocess
import sys

SMALL_FILES = 10_000
ODD_NAMES = (
    b"with space",
    b"-leading-dash",
    b"new\nline",
    b"tab\there",
    b"quote'\"back\\slash",
    b"not-utf8-\xff\xfe",
    "snow-☃-😀".encode(),
    b"\x1b[31mred",
    b"*glob?[x]",
    b"x" * 255,
)


def make(root: str) -> None:
    """Fill ``root``, which must not exist yet; the same content each time."""
    os.makedirs(root)
    _many(os.path.join(root, "many"))
    _names(os.path.join(root, "names"))
    _links(os.path.join(root, "links"))
    _special(os.path.join(root, "special"))
    _attributes(os.path.join(root, "attributes"))


def describe(root: str) -> None:
    """Print what can be known about each entry below ``root``, sockets left out: Borg does not keep those."""
    first_of: dict[tuple[int, int], str] = {}
    base = os.fsencode(root)
    for directory, names, files in os.walk(base):
        names.sort()
        for name in [b"", *sorted(files), *(name for name in names if os.path.islink(os.path.join(directory, name)))]:
            path = os.path.join(directory, name).rstrip(b"/")
            found = os.lstat(path)
            if not stat.S_ISSOCK(found.st_mode):
                print(json.dumps(_describe(base, path, found, first_of), sort_keys=True))


def _describe(
    base: bytes, path: bytes, found: os.stat_result, first_of: dict[tuple[int, int], str]
) -> dict[str, object]:
    name = os.path.relpath(path, base).decode("utf-8", "backslashreplace")
    entry: dict[str, object] = {
        "name": name,
        "mode": oct(found.st_mode),
        "owner": [found.st_uid, found.st_gid],
        "mtime": found.st_mtime_ns,
        "xattrs": {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in _attribute_names(path)},
    }
    if stat.S_ISREG(found.st_mode):
        entry["size"] = found.st_size
        entry["sha256"] = _digest(path)
        entry["link_of"] = first_of.setdefault((found.st_dev, found.st_ino), name)
        entry["sparse"] = found.st_size > 1024**2 and found.st_blocks * 512 < found.st_size // 2
    if stat.S_ISLNK(found.st_mode):
        entry["target"] = os.readlink(path).decode("utf-8", "backslashreplace")
    return entry


def _attribute_names(path: bytes) -> list[str]:
    return sorted(os.listxattr(path, follow_symlinks=False))


def _digest(path: bytes) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _many(directory: str) -> None:
    chance = random.Random(1)
    for number in range(SMALL_FILES):
        folder = os.path.join(directory, f"{number % 100:02d}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{number:05d}.txt"), "wb") as handle:
            handle.write(chance.randbytes(chance.randrange(0, 400)))


def _names(directory: str) -> None:
    os.makedirs(directory)
    for name in ODD_NAMES:
        with open(os.path.join(os.fsencode(directory), name), "wb") as handle:
            handle.write(name)
    os.makedirs(os.path.join(os.fsencode(directory), b"dir\n\xff", b"inner"))


def _links(directory: str) -> None:
    os.makedirs(os.path.join(directory, "other"))
    with open(os.path.join(directory, "original"), "wb") as handle:
        handle.write(b"shared" * 5000)
    os.link(os.path.join(directory, "original"), os.path.join(directory, "hard"))
    os.link(os.path.join(directory, "original"), os.path.join(directory, "other", "harder"))
    os.symlink("original", os.path.join(directory, "soft"))
    os.symlink("/nowhere/at/all", os.path.join(directory, "dangling"))
    os.symlink("other", os.path.join(directory, "to-directory"))


def _special(directory: str) -> None:
    os.makedirs(os.path.join(directory, "empty"))
    os.mkfifo(os.path.join(directory, "fifo"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.join(directory, "socket"))
    with open(os.path.join(directory, "sparse"), "wb") as handle:
        handle.write(b"begin")
        handle.seek(64 * 1024**2)
        handle.write(b"end")
    with open(os.path.join(directory, "empty-file"), "wb"):
        pass


def _attributes(directory: str) -> None:
    os.makedirs(directory)
    for name, mode in (("setuid", 0o4755), ("none", 0o000), ("sticky", 0o1777)):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(name)
        os.chown(path, 1234, 4321)
        os.chmod(path, mode)
    os.utime(os.path.join(directory, "none"), ns=(1, 1_234_567_890_123_456_789))
    path = os.path.join(directory, "acl")
    with open(path, "w", encoding="utf-8") as handle:
        handle.write("acl")
    subprocess.run(["setfacl", "-m", "u:daemon:rw,g:www-data:r", path], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:daemon:rx", directory], check=True)
    os.setxattr(path, "user.colour", b"blue\x00\xff")


if __name__ == "__main__":
    {"make": make, "describe": describe}[sys.argv[1]](sys.argv[2])
