# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a run: read its record and the notes of its sessions again and again, and have them shown."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from paranoid_runner.config import Config
from paranoid_runner.errors import UsageError
from paranoid_runner.lines import Lines
from paranoid_runner.locking import is_busy, now
from paranoid_runner.pasts import find_usual, gather_pasts
from paranoid_runner.records import Record, load_record
from paranoid_runner.standing import Received, Standing, find_standing

CURRENT = "current.json"  # in the runner's directory: the run at work
TURN = 0.5  # seconds between two looks
LARGEST_NOTE = 4096
SHARE = 0.05  # of the time that looking may take: a record of thousands of clients has megabytes


class Display(Protocol):
    """Where a run is shown, until it is closed."""

    def show(self, standing: Standing | None) -> None:
        """Show how the run stands; None before it has a record."""

    def close(self, record: Record | None) -> None:
        """Show how it ended, if it has; None where it left no record."""


@contextmanager
def following(config: Config, run_id: str, display: Display | None) -> Iterator[Callable[[], None]]:
    """Yield what is to be called again and again while a run goes on; without a display nothing is shown."""
    if display is None:
        yield lambda: None
        return
    follower = Follower(config, run_id, display)
    try:
        yield follower.look
    finally:
        follower.close()


def follow_current(config: Config) -> bool:
    """Show whatever run is at work until none is; return whether there was one."""
    was_any = False
    while is_busy(config):
        was_any, run_id = True, load_current(config)
        with following(config, run_id, make_display(is_silent=False) if run_id else None) as look:
            while load_current(config) == run_id and is_busy(config):
                look()
                time.sleep(TURN)
    return was_any


def load_current(config: Config) -> str:
    """Return the id of the run at work, empty where none has begun."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((config.state / CURRENT).read_bytes())["run_id"])
    return ""


class Follower:
    """Looks at one run, and has a display show it."""

    def __init__(
        self, config: Config, run_id: str, display: Display, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._run_id = run_id
        self._display = display
        self._clock = clock
        self._usual = find_usual(gather_pasts(config))
        self._next = clock()

    def look(self) -> None:
        """Look and show, unless the last look was only now. A terminal that is gone ends no run."""
        begin = self._clock()
        if begin < self._next:
            return
        record = load_record(self._config.reports, self._run_id)
        with suppress(OSError):
            self._display.show(self._find_standing(record, now()) if record else None)
        self._next = begin + (self._clock() - begin) / SHARE

    def close(self) -> None:
        """Show how the run ended."""
        with suppress(OSError):
            self._display.close(load_record(self._config.reports, self._run_id))

    def _find_standing(self, record: Record, moment: datetime) -> Standing:
        running = [one.client for one in record.results if one.state == "running"]
        return find_standing(record, read_notes(self._config.progress, self._run_id, running), self._usual, moment)


def make_display(is_silent: bool) -> Display | None:
    """Return what shows a run: a screen on a terminal, else lines, or nothing for who wants only what is wrong."""
    if sys.stdout.isatty() and (console := make_console()):
        from paranoid_runner.screen import Screen

        return Screen(console)
    return None if is_silent else Lines(lambda text: print(text, end="", flush=True))


def make_console() -> Any:
    """Return rich's console of this terminal, None where the terminal can only print lines."""
    try:
        from rich.console import Console
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: run the role backup_runner") from None
    console = Console(highlight=False)
    return None if console.is_dumb_terminal else console


def read_notes(directory: Path, run_id: str, clients: list[str]) -> Received:
    """Return what the sessions of this run have brought, as the engine notes it on a server that is this machine."""
    found = {}
    for name in clients:
        with (
            suppress(OSError, ValueError, KeyError, TypeError, RecursionError),
            (directory / Path(name).name).open("rb") as file,
        ):
            note = json.loads(file.read(LARGEST_NOTE))
            if note["run_id"] == run_id:
                found[name] = int(note["received"])
    return found
