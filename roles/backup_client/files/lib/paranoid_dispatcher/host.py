# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host: its lock, left-over sockets, and the installed versions."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed


@contextlib.contextmanager
def host_lock(base_dir: Path) -> Iterator[None]:
    """Hold this host's lock, so that only one session works at a time; the kernel releases it with the process."""
    descriptor = os.open(base_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Failed("another session is at work on this host") from exc
        yield
    finally:
        os.close(descriptor)


def remove_stale_sockets(directory: Path) -> None:
    """Remove sockets without a listener; the kernel lists those that have one."""
    listening = {line.split(" ")[-1] for line in Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()}
    for path in directory.glob("*.sock"):
        if path.is_socket() and str(path) not in listening:
            path.unlink(missing_ok=True)


def versions(config: Config) -> dict[str, str]:
    """Return the versions of Borg and borgmatic that their virtual environment records."""
    found = {"borg": "", "borgmatic": ""}
    for name, package in (("borg", "borgbackup"), ("borgmatic", "borgmatic")):
        for path in (Path(config.borg).parent.parent / "lib").glob(f"python3*/site-packages/{package}-*.dist-info"):
            found[name] = path.name.split("-")[1].removesuffix(".dist")
    return found
