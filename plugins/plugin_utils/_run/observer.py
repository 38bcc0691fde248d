# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run with work, seen from the callback: what begins, what ends, and at the end the report."""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp, utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import is_run_id
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import Owner, find_owners
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import list_recipients
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RecordExistsError, RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import load_history, note_digest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    NoticeState,
    Run,
    State,
    Work,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import Nas, mark_servers, read_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.pruning import prune
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import list_shared, read_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import take_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.unheard import find_unheard, hold, mark_told
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.ansible_events import (
    find_work,
    format_host,
    list_answers,
    read_result,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.following import end_following, follow
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.own_version import find_version
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import Published, publish
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.recorder import Recorder
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings, explain_setting

RUN_ID = "PARANOID_BACKUP_RUN_ID"
REPORTED = "PARANOID_BACKUP_REPORTED"  # Only the callback sets it, so playbooks can tell that it is active.


DIGEST = "PARANOID_BACKUP_DIGEST"  # When the runner's last digest went out.
SCHEDULED = "PARANOID_BACKUP_SCHEDULED"  # The runner's list, one host on a line.


class CannotBeginError(Exception):
    """The run must not start, because nobody would hear of it; the message is one line."""


class Observer:
    """One run, from its first play to its mail."""

    def __init__(self, settings: Settings, run_id: str, playbook: str, check: bool) -> None:
        if not is_run_id(run_id):
            form = "must be at most 64 letters, digits, - and _, or not set"
            raise CannotBeginError(f"{RUN_ID} in the environment is not a run id: it {form}")
        self._settings = settings
        self._elsewhere: dict[str, str] = {}
        self._scheduled = _load_scheduled()
        self._servers: list[Mapping[str, Any]] = []
        self._nas: dict[str, Nas] = {}
        self._groups: Mapping[str, Sequence[str]] = {}
        try:
            self._unheard = () if settings.later else find_unheard(settings.report_dir)
            self._directory = RunDir.create(settings.report_dir, run_id)
            run = make_run(settings, run_id, playbook, check)
            run = replace(run, unheard=tuple(one.sentence for one in self._unheard))
            self._directory.begin(run)
            self._hold = hold(self._directory.path)
        except RecordExistsError as error:
            raise CannotBeginError(f"{error}: {RUN_ID} in the environment must be new for each run") from error
        except OSError as error:
            what = f"the record cannot be written below report_dir {settings.report_dir}: {error.strerror or error}"
            raise CannotBeginError(take_text(f"{what}; {explain_setting('report_dir')}", 800)) from error
        self._recorder = Recorder(run, self._directory.save)
        end_following()

    def plan(self, names: Iterable[str], work: Work, failed_before: dict[str, Client]) -> None:
        """Add the clients of a play; those in ``failed_before`` have already failed, in another task."""
        hosts = list(map(format_host, names))
        self._recorder.plan(hosts, work)
        follow(work, hosts)
        for client in filter(None, map(failed_before.get, hosts)):
            self._elsewhere.pop(client.name, None)
            self._recorder.note_result(replace(client, work=work))

    def note_start(self, host: Any, task: Any) -> None:
        """Note that a host begins a task."""
        work = find_work(task)
        if work:
            self._recorder.note_start(format_host(host.get_name()), work)

    def note_result(self, state: State, result: Any) -> None:
        """Note the result of a task with work."""
        self._recorder.note_result(read_result(state, result))

    def note_failure(self, client: Client) -> None:
        """Note a failure in another task: the client's if its work has not ended, else the run's."""
        work = self._recorder.find_unfinished(client.name)
        if work:
            self._recorder.note_result(replace(client, work=work))
        else:
            self._elsewhere[client.name] = f"{client.name}: {client.session.reason if client.session else client.state}"

    def note_roll_call(self, result: Any) -> None:
        """Note which clients the servers have; who is absent is found out at the end."""
        self._servers += list_answers(result)

    def note_nas(self, result: Any) -> None:
        """Note how each NAS is; what it told last counts."""
        self._nas |= {one.name: one for one in (read_nas(said, time.time()) for said in list_answers(result))}

    def note_groups(self, groups: Mapping[str, Sequence[str]]) -> None:
        """Note which hosts each group of the inventory has: an owner gets a mail of them."""
        self._groups = groups

    def note_problem(self, line: str) -> None:
        """Note a problem of the run itself."""
        self._recorder.note_problem(line)

    def finish(self, lost: Iterable[str]) -> Published:
        """Write the report and send the mail. ``lost`` are the hosts that Ansible counts as failed at the end.

        A host that failed elsewhere and is not among them was rescued by its playbook: that is no problem of the run.
        """
        end_following()
        for name in map(format_host, lost):
            if name in self._elsewhere:
                self._recorder.note_problem(self._elsewhere[name])
        for line in list_shared(self._servers, [client.name for client in self._recorder.run.clients]):
            self._recorder.note_problem(line)
        owners = self._find_owners()
        history = note_digest(load_history(self._settings.report_dir), os.environ.get(DIGEST, ""))
        run = self._recorder.run
        present = {client.name for client in run.clients} | self._scheduled
        roll = read_roll(self._servers, present, history.names) if self._servers else None
        run = replace(run, finished=stamp(), roll=roll, nas=self._list_nas())
        published = publish(run, self._directory, self._settings, history, owners)
        self._note_told(published.run)
        return published

    def _list_nas(self) -> tuple[Nas, ...] | None:
        """Return how each NAS is, empty where the inventory has none, None where none was asked."""
        has_none = bool(self._groups) and not self._groups.get("backup_nas")
        servers = map(format_host, self._groups.get("backup_servers", ()))
        return mark_servers(self._nas.values(), servers) if self._nas or has_none else None

    def _find_owners(self) -> list[Owner]:
        if self._settings.later:
            return []
        groups = {name: list(map(format_host, hosts)) for name, hosts in self._groups.items()}
        owners, unknown = find_owners(self._settings.owners, groups)
        for line in unknown:
            self._recorder.note_problem(line)
        return owners

    def _note_told(self, run: Run) -> None:
        """Note which runs somebody has heard of now; one that sends no mail, being in check mode, tells nothing."""
        told = [run.run_id] if run.is_told else []
        if told and (run.mail.is_away or self._settings.transport is None):
            told += [one.run_id for one in self._unheard]
        mark_told(self._settings.report_dir, told)
        os.close(self._hold)

    def prune(self) -> str:
        """Remove old runs, but not in check mode; return what could not be removed, in one line."""
        settings = self._settings
        if self._recorder.run.check:
            return ""
        return prune(settings.report_dir, time.time(), settings.keep_runs, settings.keep_days)

    def format_summary(self, run: Run) -> str:
        """Return the line for the terminal: where the report is, whether the mail was sent, the last problem."""
        not_sent = f"THE MAIL WAS NOT SENT{' TO EVERYBODY' if run.mail.accepted else ''}: {run.mail.error}"
        mail = {
            MailState.SENT: f"mail sent to {', '.join(run.mail.to)}",
            MailState.QUEUED: f"mail for {', '.join(run.mail.to)} is in this machine's own queue",
            MailState.LATER: "its mail is left to the playbook report",
            MailState.WAITING: f"{not_sent}; the runner tries again",
            MailState.FAILED: f"{not_sent}; it is kept as {self._directory.path}/mail.eml",
        }.get(run.mail.state, "no mail in check mode" if run.check and self._settings.transport else "no mail wanted")
        silent = [f"{one.name} WAS NOT TOLD: {one.error}" for one in run.notices if one.state is not NoticeState.SENT]
        parts = (f"Report: {self._directory.path}/report.html", mail, *silent, *run.problems[-1:])
        return f"Backup run {run.run_id}: {run.status}. {'; '.join(parts)}"


def _load_scheduled() -> set[str]:
    """Return the hosts that the runner says have a turn of their own by the schedule, so that nobody left them out."""
    try:
        names = Path(os.environ[SCHEDULED]).read_text(encoding="utf-8").splitlines()
    except (KeyError, OSError, UnicodeDecodeError):
        return set()
    return set(map(format_host, names))


def claim_run_id(own: str) -> str:
    """Put the id of a new run into the environment unless a person set one; return ours, if any, for the next time.

    ``own`` is what this returned for the playbook before: that one is ours to replace.
    """
    if os.environ.get(RUN_ID, "") in ("", own):
        own = os.environ[RUN_ID] = make_run_id()
    os.environ[REPORTED] = os.environ[RUN_ID]
    return own


def make_run_id() -> str:
    """Return an id that sorts by time, such as 20261121T063000Z-1a2b3c4d."""
    return f"{utc_now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def make_run(settings: Settings, run_id: str, playbook: str, check: bool) -> Run:
    """Return the record of a run that begins now."""
    waiting = MailState.LATER if settings.later else MailState.PENDING
    wanted = settings.transport is not None and (settings.mail_in_check or not check)
    return Run(
        run_id=run_id,
        title=take_text(settings.title, 80),
        controller=take_text(platform.node(), 255),
        user=take_text(_find_user(), 64),
        playbook=take_text(os.path.basename(playbook), 255),
        check=check,
        started=stamp(),
        finished="",
        mail=Mail(waiting, list_recipients(settings)) if wanted else Mail(MailState.NONE),
        version=find_version(),
    )


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
