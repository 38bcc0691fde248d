# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard output and error, wherever they lead: to a reader who has gone, a full disk, or nowhere at all.

What is said must not end who says it: a run whose words nobody reads goes on, and its mail goes out.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any

NOT_SAID = 1  # the exit code of a command that is well, but could not say so


def take_streams() -> None:
    """Take the place of Python's own streams, whose errors would come up wherever somebody writes."""
    open_missing()
    encoding = sys.stdout.encoding if sys.stdout else None
    sys.stdout = _wrap(Stream(1), encoding, "replace")  # A terminal that knows few letters is no reason either.
    sys.stderr = _wrap(Stream(2), encoding, "backslashreplace")


def open_missing() -> None:
    """Open /dev/null for those that are closed: the next file would take their number, and what others say."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free, which is this one.


def close_streams(code: int) -> int:
    """Write what is left; return the exit code, which is not 0 where something was not written to who still reads."""
    sys.stdout.flush()
    lost = _get_stream(sys.stdout).lost
    if lost is None or lost.errno == errno.EPIPE:
        return code
    sys.stderr.write(f"paranoid-backup: not all could be said: {lost.strerror}\n")
    return code or NOT_SAID


class Stream(io.FileIO):
    """A descriptor that takes everything. ``lost`` is the first error; after it nothing more is written."""

    lost: OSError | None = None

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)

    def write(self, data: Any, /) -> int:
        """Write, and wait where somebody else has made it one that does not wait."""
        try:
            while not self.lost:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])
        except OSError as error:
            self.lost = error
        return memoryview(data).nbytes


def _wrap(stream: Stream, encoding: str | None, errors: str) -> io.TextIOWrapper:
    is_prompt = stream.isatty() or stream.fileno() == 2
    return io.TextIOWrapper(io.BufferedWriter(stream), encoding, errors, line_buffering=is_prompt)


def _get_stream(wrapped: object) -> Stream:
    assert isinstance(wrapped, io.TextIOWrapper) and isinstance(wrapped.buffer, io.BufferedWriter)
    assert isinstance(wrapped.buffer.raw, Stream)
    return wrapped.buffer.raw
