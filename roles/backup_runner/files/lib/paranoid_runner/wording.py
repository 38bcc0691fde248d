# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and states in words, the same on a screen and in a line."""

from __future__ import annotations

from paranoid_runner.records import FAILED_STATES, Record

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def format_bytes(count: float) -> str:
    """Return a number of bytes with three digits, such as 1.21 GiB."""
    size, unit = float(count), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    digits = 0 if unit == 0 or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{digits}f} {_UNITS[unit]}"


def format_clock(seconds: float) -> str:
    """Return a time that runs, such as 1:02:03 or 0:07."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def format_seconds(seconds: float) -> str:
    """Return a duration in words, such as 45 s, 12 min or 3 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def summarize(record: Record) -> str:
    """Return one line about a run that has ended."""
    ended, began = record.finished, record.started
    took = format_seconds((ended - began).total_seconds()) if began and ended else "?"
    parts = [
        f"{count} {word}"
        for word, count in (
            ("ok", record.count("ok")),
            ("failed", record.count(*FAILED_STATES)),
            ("skipped", record.count("skipped")),
            ("never begun", record.count("planned")),
        )
        if count or word == "ok"
    ]
    return f"{record.run_id}: {record.status}, {', '.join(parts)} in {took}; mail {record.mail}"
