# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host: its lock, left-over sockets, and the installed versions."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from paranoid_dispatcher.activity import LOOK_SECONDS
from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.server_link import TICK_SECONDS, ServerLink

# Sshd notices within 50 s that the server is gone (ClientAliveInterval in its drop-in); what runs then has 10 s to end.
LOCK_SECONDS = 75.0

Note = Callable[[str, float], None]


@contextlib.contextmanager
def host_lock(base_dir: Path, link: ServerLink, what: str) -> Iterator[Note]:
    """Hold this host's lock, so that only one session works at a time; the kernel releases it with the process.

    Wait for LOCK_SECONDS for a session that is about to end, and say so; Failed if it has not ended then. What is
    yielded notes, for who waits, what is going on and how many seconds it may take (0: nobody knows); first, WHAT.
    """
    descriptor = os.open(base_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    began = datetime.now(timezone.utc).isoformat(timespec="seconds")

    def note(doing: str, seconds: float) -> None:
        until = time.time() + seconds if seconds else 0
        content = json.dumps({"what": doing or f"{what} since {began}", "until": until}).encode()
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, os.pwrite(descriptor, content, 0))

    try:
        _acquire(descriptor, link)
        note("", 0)
        yield note
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, link: ServerLink) -> None:
    began = beaten = time.monotonic()
    said: Optional[str] = None
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        what, seconds = _holder(descriptor)
        told = f"another session is at work on this host{what}"
        until = f"; it ends within {seconds} s" if seconds else ""
        if link.stop_reason or time.monotonic() - began > LOCK_SECONDS:
            raise Failed(f"{told}{until}" + (f"; {link.stop_reason}" if link.stop_reason else ""))
        if what != said or time.monotonic() - beaten >= LOOK_SECONDS:
            line = f"dispatch: {told}{until}: waiting for it, at most {LOCK_SECONDS:.0f} s\n" if what != said else "\n"
            said, beaten = what, time.monotonic()
            with contextlib.suppress(OSError):
                os.write(2, line.encode("utf-8", "replace"))
        link.wait(TICK_SECONDS)


def _holder(descriptor: int) -> tuple[str, int]:
    """Return what the lock's holder noted, as the end of a sentence, and how many seconds that may still take."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        noted = json.loads(os.pread(descriptor, 4096, 0))
        return f" ({printable(noted['what'], 300)})", max(0, round(noted["until"] - time.time()))
    return "", 0


def remove_stale_sockets(directory: Path) -> None:
    """Remove sockets without a listener; Linux lists those that have one, and where nothing does, all of them stay."""
    try:
        table = Path("/proc/net/unix").read_text("utf-8", "replace")
    except FileNotFoundError:
        return
    listening = {line.split(" ")[-1] for line in table.splitlines()}
    for path in directory.glob("*.sock"):
        if path.is_socket() and str(path) not in listening:
            path.unlink(missing_ok=True)


def place_to_unpack(borg: str) -> Optional[Path]:
    """Return where a Borg that is a program by itself unpacks itself at each start, None for any other.

    The role backup_borg makes it beside such a program (install_binary.py): what is in /tmp may not run.
    """
    place = Path(borg).parent.parent / "tmp"
    return place if place.is_dir() else None


def remove_unpacked(borg: str) -> None:
    """Remove what Borgs have left that were killed."""
    place = place_to_unpack(borg)
    for path in place.iterdir() if place else ():
        shutil.rmtree(path, ignore_errors=True)


def versions(config: Config) -> dict[str, str]:
    """Return the versions of Borg and borgmatic that their directory records, or that a Borg by itself tells."""
    found = {"borg": "", "borgmatic": ""}
    for name, package in (("borg", "borgbackup"), ("borgmatic", "borgmatic")):
        for path in (Path(config.borg).parent.parent / "lib").glob(f"python3*/site-packages/{package}-*.dist-info"):
            found[name] = path.name.split("-")[1].removesuffix(".dist")
    if not found["borg"]:
        found["borg"] = _told_version(config.borg)
    return found


def _told_version(borg: str) -> str:
    place = place_to_unpack(borg)
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **({"TMPDIR": str(place)} if place else {})}
    try:
        done = subprocess.run([borg, "--version"], env=clean, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.decode("utf-8", "replace").split()
    return words[1][:40] if len(words) == 2 and words[0] == "borg" else ""
