# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns Ansible's events into the record of one run, and into its exit code."""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp, utc_now
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import sanitize as untrusted
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RecordExistsError, RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    Run,
    State,
    Work,
    valid_run_id,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.pruning import prune
from ansible_collections.paranoid.backup.plugins.plugin_utils._run import ansible_events as event
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import Published, publish
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.recorder import Recorder
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings, where

RUN_ID = "PARANOID_BACKUP_RUN_ID"
REPORTED = "PARANOID_BACKUP_REPORTED"  # Only this plugin sets it, so playbooks can tell that somebody listens.


class CannotBeginError(Exception):
    """The run must not start, for nobody would hear of it; the message is one line."""


class Observer:
    """One run, from its first play to its mail."""

    def __init__(self, settings: Settings, run_id: str, playbook: str, check: bool) -> None:
        if not valid_run_id(run_id):
            words = "must be at most 64 letters, digits, - and _, or not set"
            raise CannotBeginError(f"{RUN_ID} in the environment is not a run id: it {words}")
        self._settings = settings
        self._elsewhere: dict[str, str] = {}
        try:
            self._directory = RunDir.create(settings.report_dir, run_id)
            run = _new_run(settings, run_id, playbook, check)
            self._directory.begin(run)
        except RecordExistsError as error:
            raise CannotBeginError(f"{error}: {RUN_ID} in the environment must be new for each run") from error
        except OSError as error:
            what = f"the record cannot be written below report_dir {settings.report_dir}: {error.strerror or error}"
            raise CannotBeginError(untrusted.text(f"{what}; {where('report_dir')}", 800)) from error
        self._recorder = Recorder(run, self._directory.save)

    def plan(self, names: Iterable[str], work: Work, failed_before: dict[str, Client]) -> None:
        """Note the clients of a play, and those among them that an earlier play has lost."""
        listed = list(map(event.called, names))
        self._recorder.plan(listed, work)
        for client in filter(None, map(failed_before.get, listed)):
            self._elsewhere.pop(client.name, None)
            self._recorder.ended(replace(client, work=work))

    def started(self, host: Any, task: Any) -> None:
        """Note that a host begins a task."""
        work = event.work_of(task)
        if work:
            self._recorder.started(event.called(host.get_name()), work)

    def ended(self, state: State, result: Any) -> None:
        """Note the result of a task with work."""
        self._recorder.ended(event.client_from(state, result))

    def failed(self, client: Client) -> None:
        """Note a failure in another task: the client's, when work on it has not ended, else the run's."""
        work = self._recorder.waits_for(client.name)
        if work:
            self._recorder.ended(replace(client, work=work))
        else:
            self._elsewhere[client.name] = f"{client.name}: {client.session.reason if client.session else client.state}"

    def problem(self, line: str) -> None:
        """Note something that went wrong with the run itself."""
        self._recorder.problem(line)

    def finish(self, lost: Iterable[str]) -> Published:
        """Write the report and send the mail. ``lost`` are the hosts that Ansible counts as failed at the end."""
        for name in map(event.called, lost):
            if name in self._elsewhere:
                self._recorder.problem(self._elsewhere[name])
        return publish(replace(self._recorder.run, finished=stamp()), self._directory, self._settings)

    def prune(self) -> str:
        """Remove old runs, but not in check mode; return what went wrong in one line, else an empty string."""
        settings = self._settings
        if self._recorder.run.check:
            return ""
        return prune(settings.report_dir, time.time(), settings.keep_runs, settings.keep_days)

    def told(self, run: Run) -> str:
        """Return the line for the terminal: where the report is, what became of the mail, what went wrong last."""
        mail = {
            MailState.SENT: f"mail sent to {', '.join(run.mail.to)}",
            MailState.FAILED: f"THE MAIL WAS NOT SENT: {run.mail.error}; it is kept as {self._directory.path}/mail.eml",
        }.get(run.mail.state, "no mail in check mode" if run.check and self._settings.transport else "no mail wanted")
        parts = (f"Report: {self._directory.path}/report.html", mail, *run.problems[-1:])
        return f"Backup run {run.run_id}: {run.status}. {'; '.join(parts)}"


def new_run_id() -> str:
    """Return an id that sorts by time, such as 20261121T063000Z-1a2b3c4d."""
    return f"{utc_now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _new_run(settings: Settings, run_id: str, playbook: str, check: bool) -> Run:
    wanted = settings.transport is not None and (settings.mail_in_check or not check)
    return Run(
        run_id=run_id,
        title=untrusted.text(settings.title, 80),
        controller=untrusted.text(platform.node(), 255),
        user=untrusted.text(_user(), 64),
        playbook=untrusted.text(os.path.basename(playbook), 255),
        check=check,
        started=stamp(),
        finished="",
        mail=Mail(MailState.PENDING, settings.mail_to) if wanted else Mail(MailState.NONE),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
