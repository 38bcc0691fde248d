# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook: whether it is a run with work, what becomes of it, and with which code ansible-playbook exits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import read_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import take_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.absence import describe_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.ansible_events import (
    find_work,
    find_works,
    is_nas_status,
    is_roll_call,
    list_answers,
    read_failure,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.early_exit import EarlyExit
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.observer import RUN_ID, CannotBeginError, Observer
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings

EXIT_FAILURE = 2
EXIT_NOT_REPORTED = 7


class Reporter:
    """Follows one playbook; its first work begins a run with an Observer, and without work nothing is written.

    ``settings`` are an error when they could not be read: that ends a run with work, and disturbs no other playbook.
    ``show`` prints one line for a person, as an error when its second argument is true.
    """

    def __init__(
        self, settings: Settings | CannotBeginError, playbook: str, check: bool, show: Callable[[str, bool], None]
    ) -> None:
        self._settings = settings
        self._playbook = playbook
        self._check = check
        self._show = show
        self._play: Any = None
        self._observer: Observer | None = None
        self._early_exit: EarlyExit | None = None
        self._failed: dict[str, Client] = {}
        self.exit_code = 0

    def begin(self, plays: list[Any]) -> None:
        """Begin a run at once if one of the plays has work that can be seen before they run."""
        if any(map(find_works, plays)):
            self._observe()

    def begin_play(self, play: Any) -> None:
        """Plan the works of a play that can be seen before it runs."""
        self._play = play
        for work in find_works(play) if self._observer else ():
            self._plan(work)

    def begin_task(self, task: Any) -> None:
        """Plan the work of a task that comes from an include."""
        work = find_work(task)
        if work:
            self._plan(work)

    def note_start(self, host: Any, task: Any) -> None:
        """Note that a host begins a task."""
        if self._observer:
            self._observer.note_start(host, task)

    def note_result(self, state: State, result: Any, ignored: bool = False) -> None:
        """Note how a task ended on a host; a failure before the work is kept until the work is planned."""
        if is_roll_call(result.task):
            self._note_roll_call(result)
        elif is_nas_status(result.task):
            if self._observer:
                self._observer.note_nas(result)
        elif find_work(result.task):
            if self._observer:
                self._observer.note_result(state, result)
        elif state in (State.FAILED, State.UNREACHABLE) and not ignored:
            client = read_failure(state, result)
            self._failed[client.name] = client
            if self._observer:
                self._observer.note_failure(client)

    def finish(self, stats: Any) -> None:
        """Report the run that Ansible has finished, then remove old ones."""
        if not self._observer or not self._early_exit:
            return
        self._early_exit.disarm()
        published = self._observer.finish([*stats.failures, *stats.dark])
        if not published.complete:
            self.exit_code = EXIT_NOT_REPORTED
        elif not self.exit_code and published.run.status == "FAILURE" and not stats.failures and not stats.dark:
            self.exit_code = EXIT_FAILURE
        self._print(self._observer.format_summary(published.run), bad=not published.complete)
        not_pruned = self._observer.prune()
        if not_pruned:
            self._print(f"paranoid.backup.report: {not_pruned}")

    def note_defect(self, where: str, error: Exception) -> None:
        """Print and note that the callback itself failed: Ansible would only warn of it, and exit with 0."""
        self.exit_code = EXIT_NOT_REPORTED
        line = take_text(f"paranoid.backup.report failed in {where}: {type(error).__name__}: {error}", 500)
        if self._observer:
            self._observer.note_problem(line)
        self._print(line, bad=True)

    def _observe(self) -> Observer:
        try:
            if isinstance(self._settings, CannotBeginError):
                raise self._settings
            self._observer = Observer(self._settings, os.environ[RUN_ID], self._playbook, self._check)
            self._early_exit = EarlyExit(self._end_early)
            return self._observer
        except CannotBeginError as error:
            self._print(f"paranoid.backup.report: {error}. Nothing was started.", bad=True)
            raise SystemExit(EXIT_NOT_REPORTED) from None

    def _plan(self, work: Work) -> None:
        """Plan a work for all hosts of the play."""
        observer = self._observer or self._observe()
        observer.note_groups(self._find_variable("groups"))
        observer.plan(self._list_hosts(), work, self._failed)

    def _note_roll_call(self, result: Any) -> None:
        """Keep for the report who is missing; provisioning has none, so it is said at once."""
        if self._observer:
            self._observer.note_roll_call(result)
            return
        for line in describe_roll(read_roll(list_answers(result), self._list_hosts())):
            self._print(line)

    def _list_hosts(self) -> list[str]:
        """Return the hosts of the play, also those of later batches and those that have already failed."""
        names: list[str] = self._find_variable("ansible_play_hosts_all")
        return names

    def _find_variable(self, name: str) -> Any:
        """Return a variable that Ansible itself gives each play."""
        return self._play.get_variable_manager().get_vars(play=self._play)[name]

    def _end_early(self, why: str) -> None:
        """Report a run that Ansible does not finish; the exit code is Ansible's own, and is not 0."""
        if not self._observer:
            return
        try:
            self._observer.note_problem(why)
            self._print(self._observer.format_summary(self._observer.finish(()).run), bad=True)
        except Exception as error:
            self.note_defect("_end_early", error)

    def _print(self, line: str, bad: bool = False) -> None:
        try:
            self._show(line, bad)
        except OSError:
            # Nobody reads our output any more; the exit code and the mail remain.
            self.exit_code = self.exit_code or EXIT_NOT_REPORTED
