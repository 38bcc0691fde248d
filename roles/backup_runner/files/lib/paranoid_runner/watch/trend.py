# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the disk fills, by the watch's own samples of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from paranoid_runner.watch.memory import Sample

MOST_SAMPLES = 400
APART = timedelta(hours=2)
WITHIN = timedelta(days=30)
ENOUGH = timedelta(days=3)  # a shorter past says nothing about weeks


def add_sample(samples: Sequence[Sample], sample: Sample) -> tuple[Sample, ...]:
    """Return the samples with one more, unless the last is too young; a disk of another size begins a new past."""
    kept = [one for one in samples if one.total == sample.total and one.time <= sample.time]
    if kept and sample.time - kept[-1].time < APART:
        return tuple(kept)
    return (*kept, sample)[-MOST_SAMPLES:]


def find_days_left(samples: Sequence[Sample], now: datetime) -> float | None:
    """Return in how many days the disk is full, by the line that fits the last month best; None where none can be told.

    Compactions are steps down in between: the line goes through what they leave as well.
    """
    near = [one for one in samples if now - one.time <= WITHIN]
    if len(near) < 3 or near[-1].time - near[0].time < ENOUGH:
        return None
    days = [(one.time - near[0].time).total_seconds() / 86400 for one in near]
    used = [float(one.total - one.free) for one in near]
    middle, level = sum(days) / len(days), sum(used) / len(used)
    spread = sum((day - middle) ** 2 for day in days)
    growth = sum((day - middle) * (size - level) for day, size in zip(days, used, strict=True)) / spread
    return near[-1].free / growth if growth > 0 else None
