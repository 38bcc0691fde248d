# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask another program in bounded time: ZFS hangs in the kernel when a pool is gone, an ssh when the other side does."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO, Optional, cast

from paranoid_nas.storage import NasError, SilentError

PATIENCE = 3600.0  # seconds: a busy pool takes minutes to import, or to list what it has
LARGEST = 256 * 1024 * 1024  # bytes of an answer: a million snapshots, and no more of what a hostile source sends
_started: set[subprocess.Popen[bytes]] = set()  # by any thread, and not yet ended


def start(
    argv: Sequence[str], takes: int = subprocess.DEVNULL, gives: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start a command in a group of its own, so that it ends with its children; NasError if it cannot be."""
    environment, pipe = {**os.environ, "LC_ALL": "C"}, subprocess.PIPE
    try:
        process = subprocess.Popen(
            argv, stdin=takes, stdout=gives, stderr=pipe, env=environment, start_new_session=True
        )
    except FileNotFoundError:
        raise NasError(f"{argv[0]} is not installed") from None
    except OSError as error:
        raise NasError(f"{argv[0]} cannot be started: {error.strerror}") from None
    _started.add(process)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and its children; one that hangs in the kernel cannot be killed, and nobody waits for it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    _started.discard(process)


def end_all() -> None:
    """End whatever was started and has not ended."""
    for process in list(_started):
        end(process)


def ask(argv: Sequence[str], until: Optional[float] = None, prefix: Sequence[str] = ()) -> tuple[int, bytes, bytes]:
    """Return exit code, output and complaint of a command; NasError if there is no such program.

    ``until`` is a moment of ``time.monotonic``, at which SilentError comes instead. ``prefix`` is such as ssh and its
    options. An answer without an end is an error as well.
    """
    left = PATIENCE if until is None else max(until - time.monotonic(), 0.1)
    process = start([*prefix, *argv])
    try:
        out, err = _hear(process, _name(argv), time.monotonic() + left)
        process.wait(max(left, 1.0))
    except (subprocess.TimeoutExpired, TimeoutError):
        away = "" if not prefix else f" or what {prefix[0]} leads to"
        raise SilentError(f"{_name(argv)}: no answer in time, so look at the NAS itself{away}") from None
    finally:
        end(process)
    return process.returncode, out, err


def _hear(process: subprocess.Popen[bytes], name: str, until: float) -> tuple[bytes, bytes]:
    """Return what a command prints, and complains; TimeoutError if it goes on at ``until``."""
    streams = [cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr)]
    heard = {stream: bytearray() for stream in streams}
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            if not (ready := selector.select(max(until - time.monotonic(), 0.0))):
                raise TimeoutError
            for key, _events in ready:
                piece = os.read(key.fd, 1 << 20)
                heard[key.data] += piece
                if not piece:
                    selector.unregister(key.data)
                    key.data.close()
            if sum(map(len, heard.values())) > LARGEST:
                raise NasError(f"{name}: its answer has no end")
    return bytes(heard[streams[0]]), bytes(heard[streams[1]])


def read(argv: Sequence[str], until: Optional[float] = None, prefix: Sequence[str] = ()) -> str:
    """Return what a command says; NasError as ``ask``, or if it fails."""
    code, out, err = ask(argv, until, prefix)
    if code:
        raise failure(argv, err or out)
    return out.decode("utf-8", "replace")


def failure(argv: Sequence[str], said: bytes) -> NasError:
    """Return an error with what a command said, in one line."""
    return NasError(f"{_name(argv)}: {in_one_line(said) or 'it failed and said nothing'}")


def in_one_line(said: bytes) -> str:
    """Return the beginning of what a command said, with nothing in it that a terminal would obey."""
    text = " ".join(said.decode("utf-8", "replace").split())[:300]
    return "".join(one if one.isprintable() else "?" for one in text)


def _name(argv: Sequence[str]) -> str:
    return f"{' '.join(argv[:2])} {argv[-1]}"
