# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers' pages (docs/page.md): made after each run, and when they grow old, for a client turns late by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_runner.config import Config
from paranoid_runner.judgement import Ended, describe_end

OLD_SECONDS = 6 * 3600
_NOTE = "page"  # Its time is when pages were last made, or tried.

_STATUS = "status.json"
_LARGEST = 64 * 1024 * 1024

Player = tuple[Callable[..., Ended], Callable[..., Any]]


@dataclass(frozen=True)
class Wanted:
    """Pages with the years of these clients, fetched to a directory; empty: of none in particular, to nowhere."""

    clients: Sequence[str] = ()
    fetch: str = ""


def is_old(config: Config) -> bool:
    """Whether it is time for new pages although nothing was done."""
    if not config.page:
        return False
    try:
        age = time.time() - (config.state / _NOTE).stat().st_mtime
    except FileNotFoundError:
        return True
    return not 0 <= age < OLD_SECONDS


def write_pages(config: Config, wanted: Wanted, run_id: str, player: Player) -> str:
    """Have each server write its page; return what is wrong in a clause, or ""."""
    perform, play = player
    (config.state / _NOTE).touch()
    variables = {"backup_page_clients": list(wanted.clients), "backup_page_fetch": wanted.fetch}
    told = {name: value for name, value in variables.items() if value}
    words = ["-e", json.dumps(told)] if told else []
    ended = perform(config, play(run_id, config.page, words, {}), lambda: None)
    if ended.code == 0:
        (config.state / "logs" / f"{run_id}.log").unlink(missing_ok=True)  # Only what went wrong is worth a log.
        return ""
    return describe_end(ended)


def read_pages(place: Path) -> dict[str, Any]:
    """Return the status.json of each server below a directory, None for one that cannot be read."""
    return {path.name: _read(path / _STATUS) for path in sorted(place.iterdir())}


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
