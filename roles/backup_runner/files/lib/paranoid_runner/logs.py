# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs print, kept for a while."""

from __future__ import annotations

from contextlib import suppress

from paranoid_runner.config import Config

MOST_LOGS = 200
MOST_BYTES = 512 * 1024 * 1024
QUOTED_BYTES = 64 * 1024


def read_log(config: Config, run_id: str) -> list[str]:
    """Return the last lines of a run's output, nothing where there is none."""
    with suppress(OSError), (config.state / "logs" / f"{run_id}.log").open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - QUOTED_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()
    return []


def keep_logs(config: Config) -> None:
    """Remove the oldest logs beyond a number and a size."""
    newest_first = sorted((config.state / "logs").glob("*.log"), reverse=True)
    total = 0
    for place, path in enumerate(newest_first):
        with suppress(OSError):
            total += path.stat().st_size
            if place >= MOST_LOGS or total > MOST_BYTES:
                path.unlink()
