# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine's clock, in UTC, the form of its times in results, and what it can be compared with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_HONEST = timedelta(days=1)  # by which clocks and their time zones may differ


@dataclass(frozen=True)
class Moment:
    """One moment by the clock, an aware ``time``, and by the kernel: seconds since it booted as ``boot``.

    ``boot`` is empty where the system does not name its boots (FreeBSD).
    """

    time: datetime
    boot: str
    uptime: float


def utc_now() -> datetime:
    """Return the present time as an aware datetime."""
    return datetime.now(UTC)


def stamp() -> str:
    """Return the present time in ISO 8601, such as ``2026-11-21T06:30:00Z``."""
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


def is_recent(then: datetime, now: datetime, span: timedelta) -> bool:
    """Whether a time is no longer ago than SPAN. One that is yet to come is of a wrong clock, and proves nothing."""
    return -_HONEST <= now - then <= span


def this_moment() -> Moment:
    """Return the present moment; Linux counts the seconds of a suspended machine, too."""
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
    return Moment(utc_now(), boot_name(), uptime)


def boot_name() -> str:
    """Return what Linux calls the present boot: the same in all containers of a machine, which share its clock."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""
