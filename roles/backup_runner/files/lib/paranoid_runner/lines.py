# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in plain lines: one for each client that begins or ends. For pipes, logs and terminals without a cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from paranoid_runner.errors import printable
from paranoid_runner.records import FAILED_STATES, Record, Result
from paranoid_runner.standing import Standing
from paranoid_runner.wording import format_bytes, format_seconds, summarize


class Lines:
    """Writes what has changed since it was shown last."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._begun: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()

    def show(self, standing: Standing | None) -> None:
        """Write a line for each client that has begun or ended."""
        if standing is None:
            return
        for one in standing.working:
            if (one.work, one.client) not in self._begun:
                self._begun.add((one.work, one.client))
                self._say(f"{one.client}: {one.work} begins")
        self._say_ends(standing.ended)

    def close(self, record: Record | None) -> None:
        """Write what is left, and how the run ended."""
        if record and record.finished:
            self._say_ends(one for one in record.results if one.state not in ("planned", "running"))
            self._say(summarize(record))

    def _say_ends(self, ended: Iterable[Result]) -> None:
        for one in ended:
            if (one.work, one.client) not in self._ended:
                self._ended.add((one.work, one.client))
                self._say(f"{one.client}: {describe_end(one)}")

    def _say(self, line: str) -> None:
        self._write(f"{printable(line)}\n")


def describe_end(one: Result) -> str:
    """Return how a client ended, as a phrase."""
    if one.state in FAILED_STATES:
        return f"{one.work} failed: {one.reason or one.state}"
    took = f" after {format_seconds(one.seconds)}" if one.seconds else ""
    brought = f", {format_bytes(one.received)}" if one.received else ""
    return f"{one.work} {one.state}{took}{brought}" + (f": {one.reason}" if one.reason else "")
