# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long something takes, for benchmarks on a machine that has other things to do."""

from __future__ import annotations

import time
from collections.abc import Callable


def best(work: Callable[[], object]) -> float:
    """Return the least processor time of five measurements: the machine may have other things to do."""
    results = []
    for _ in range(5):
        started = time.process_time()
        work()
        results.append(time.process_time() - started)
    return min(results)
