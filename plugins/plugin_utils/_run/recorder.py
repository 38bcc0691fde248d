# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows a run as it goes and keeps its record on disk up to date, for little time of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ansible_collections.paranoid.backup.plugins.plugin_utils._record import sanitize as untrusted
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work

_GRACE = 0.5
_SHARE = 0.05


class Recorder:
    """Collects events into a Run and saves it after each.

    Saving costs time in proportion to the number of clients. When it has taken more than half a second and five
    percent of the run's time, saves are left out: then the record on disk is behind by some events, until the end.
    """

    def __init__(self, run: Run, save: Callable[[Run], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clients: dict[tuple[Work, str], Client] = {}
        self._problems: list[str] = []
        self._save = save
        self._clock = clock
        self._begun = clock()
        self._spent = 0.0

    @property
    def run(self) -> Run:
        """The run as known now."""
        return replace(self._run, clients=tuple(self._clients.values()), problems=tuple(self._problems))

    def plan(self, names: Iterable[str], work: Work) -> None:
        """Note clients whose turn will come; those already known stay as they are."""
        for name in names:
            self._clients.setdefault((work, name), Client(name, work=work))
        self._saved()

    def started(self, name: str, work: Work) -> None:
        """Note that the work on a client has been started."""
        self.ended(Client(name, State.RUNNING, work=work))

    def ended(self, client: Client) -> None:
        """Note what became of a client; the last word counts."""
        self._clients[client.work, client.name] = client
        self._saved()

    def waits_for(self, name: str) -> Work | None:
        """Return the first work on this client that has not ended."""
        waiting = (client for client in self._clients.values() if client.state in (State.PLANNED, State.RUNNING))
        return next((client.work for client in waiting if client.name == name), None)

    def problem(self, text: str) -> None:
        """Note, once, something that went wrong in the run itself and not with one client."""
        line = untrusted.text(text, 500)
        if line not in self._problems:
            self._problems.append(line)

    def _saved(self) -> None:
        begin = self._clock()
        if self._spent > _GRACE + _SHARE * (begin - self._begun):
            return
        try:
            self._save(self.run)
        except OSError as error:
            self.problem(f"the record could not be kept up to date: {error}")
        self._spent += self._clock() - begin
