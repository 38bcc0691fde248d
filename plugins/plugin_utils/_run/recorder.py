# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the record of a run on disk up to date while it goes on, in a small part of its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import take_text

_GRACE = 0.5  # seconds
_SHARE = 0.05  # of the run's time


class Recorder:
    """Collects events into a Run and saves it after each.

    The time of a save grows with the number of clients. Once saves have taken more than half a second and five percent
    of the run's time, some are left out: until the end, the record on disk may then miss the last events.
    """

    def __init__(self, run: Run, save: Callable[[Run], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clients: dict[tuple[Work, str], Client] = {}
        self._problems: list[str] = []
        self._save = save
        self._clock = clock
        self._began = clock()
        self._spent = 0.0

    @property
    def run(self) -> Run:
        """The run as it is now."""
        return replace(self._run, clients=tuple(self._clients.values()), problems=tuple(self._problems))

    def plan(self, names: Iterable[str], work: Work) -> None:
        """Add the clients whose turn will come; known ones stay as they are."""
        for name in names:
            self._clients.setdefault((work, name), Client(name, work=work))
        self._save_if_cheap()

    def note_start(self, name: str, work: Work) -> None:
        """Note that the work on a client has begun."""
        self.note_result(Client(name, State.RUNNING, work=work, began=stamp()))

    def note_result(self, client: Client) -> None:
        """Note how a client ended; the last result counts."""
        before = self._clients.get((client.work, client.name))
        began = client.began or (before.began if before else "")
        self._clients[client.work, client.name] = replace(client, began=began)
        self._save_if_cheap()

    def note_problem(self, text: str) -> None:
        """Note, once, a problem of the run itself and not of one client."""
        line = take_text(text, 500)
        if line not in self._problems:
            self._problems.append(line)

    def find_unfinished(self, name: str) -> Work | None:
        """Return the first work on this client that has not ended."""
        waiting = (client for client in self._clients.values() if client.state in (State.PLANNED, State.RUNNING))
        return next((client.work for client in waiting if client.name == name), None)

    def _save_if_cheap(self) -> None:
        begin = self._clock()
        if self._spent > _GRACE + _SHARE * (begin - self._began):
            return
        try:
            self._save(self.run)
        except OSError as error:
            self.note_problem(f"the record could not be kept up to date: {error}")
        self._spent += self._clock() - begin
