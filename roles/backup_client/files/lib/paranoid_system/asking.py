# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to programs and files of this system, bounded in time and size: none of them may hang a backup."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

SECONDS_EACH, SECONDS_ALL = 20.0, 60.0
BYTES_MAX = 16 * 2**20
_TICK_SECONDS = 1.0
_CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}


class NoAnswer(Exception):
    """The message is one line: which question has no answer, and why."""


class Asker:
    """Asks one question after the other; all together have SECONDS_ALL. ``is_over`` says that nobody waits any more."""

    def __init__(self, is_over: Callable[[], bool] = lambda: False) -> None:
        self._is_over = is_over
        self._until = time.monotonic() + SECONDS_ALL

    def ask(self, argv: Sequence[str]) -> list[str]:
        """Return the lines that a program prints; NoAnswer if it fails, prints too much, or takes too long."""
        until = min(self._until, time.monotonic() + SECONDS_EACH)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_CLEAN,
                cwd="/",
                start_new_session=True,
            )
        except OSError as exc:
            raise NoAnswer(f"{argv[0]} cannot be run: {exc.strerror}") from exc
        try:
            said = self._read(process, argv[0], until)
            code = process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired as exc:
            raise NoAnswer(f"{argv[0]} did not end in its time") from exc
        finally:
            _end(process)
        if code:
            raise NoAnswer(f"{argv[0]} ended with {code}")
        return said.decode("utf-8", "replace").splitlines()

    def _read(self, process: subprocess.Popen[bytes], name: str, until: float) -> bytes:
        if process.stdout is None:
            raise NoAnswer(f"{name} has no output")
        descriptor, said = process.stdout.fileno(), b""
        while True:
            left = until - time.monotonic()
            if left <= 0 or self._is_over():
                raise NoAnswer(f"{name} did not end in its time")
            if not select.select([descriptor], [], [], min(left, _TICK_SECONDS))[0]:
                continue
            part = os.read(descriptor, 65536)
            if not part:
                return said
            said += part
            if len(said) > BYTES_MAX:
                raise NoAnswer(f"{name} prints more than {BYTES_MAX} bytes")


def read_lines(path: str) -> list[str]:
    """Return the lines of a file; NoAnswer if it cannot be read whole."""
    try:
        with open(path, "rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as exc:
        raise NoAnswer(f"{path} cannot be read: {exc.strerror}") from exc
    if len(content) > BYTES_MAX:
        raise NoAnswer(f"{path} has more than {BYTES_MAX} bytes")
    return content.decode("utf-8", "replace").splitlines()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program's group. One that waits for a disk cannot be ended, and is not waited for."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
    if process.stdout:
        process.stdout.close()
