# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe a run, record it, and mail a report of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: notification
short_description: Records a run and mails a report of it
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Follows every playbook run that contains a M(paranoid.backup.session) task with C(verb=backup) or C(verb=maintain),
    a M(paranoid.backup.compact) or a M(paranoid.backup.audit) task. It keeps a JSON record of it up to date, and when
    the run ends writes a report as text and HTML and sends it as one mail, also when everything went well.
  - Sets the environment variable E(PARANOID_BACKUP_RUN_ID) for the run, unless it is already set, and
    E(PARANOID_BACKUP_REPORTED) to the same in any case, so that a playbook can refuse to run without this plugin.
  - Ends C(ansible-playbook) with exit code 7 when the report could not be written or mailed, and with exit code 2 when
    no client matched or when the run is a failure that Ansible itself did not notice.
  - A run that is stopped by SIGTERM, SIGHUP or Ctrl-C, or that Ansible itself gives up, is reported all the same.
  - Other playbooks are left alone, among them those that a person starts and watches, for a rollback or an unfreeze.
  - Afterwards it removes the directories of old runs, see O(keep_days). Where that fails it says so in one line, and
    the run is none the worse.
requirements:
  - Enable it with C(callbacks_enabled = paranoid.backup.report) in the section C([defaults]) of C(ansible.cfg).
options:
  report_dir:
    description: Directory for the records; each run gets a directory of its own in it.
    type: path
    default: ~/.local/share/paranoid-backup/reports
    env: [{name: PARANOID_REPORT_DIR}]
    ini: [{section: callback_paranoid_backup_report, key: report_dir}]
  keep_days:
    description:
      - Days for which the directories of runs are kept, counted from the last change of their record; V(0) keeps them
        for ever.
      - Only directories that this plugin made, and in which nobody put anything else, are ever removed; those of the
        last two days stay in any case, for another run may still be at work in them. Check mode removes nothing.
    type: int
    default: 400
    env: [{name: PARANOID_REPORT_KEEP_DAYS}]
    ini: [{section: callback_paranoid_backup_report, key: keep_days}]
  keep_runs:
    description: How many runs are kept at most, whatever their age; V(0) is no limit.
    type: int
    default: 0
    env: [{name: PARANOID_REPORT_KEEP_RUNS}]
    ini: [{section: callback_paranoid_backup_report, key: keep_runs}]
  title:
    description: What the report calls this installation.
    type: str
    default: backup
    env: [{name: PARANOID_REPORT_TITLE}]
    ini: [{section: callback_paranoid_backup_report, key: title}]
  method:
    description: How the mail is handed in; V(none) only writes the record and the report.
    type: str
    choices: [smtp, sendmail, none]
    default: sendmail
    env: [{name: PARANOID_REPORT_METHOD}]
    ini: [{section: callback_paranoid_backup_report, key: method}]
  mail_from:
    description:
      - Address of the sender, also with a name, as in V(Acme backup <backup@example.org>). Needed unless
        O(method=none).
    type: str
    env: [{name: PARANOID_REPORT_MAIL_FROM}]
    ini: [{section: callback_paranoid_backup_report, key: mail_from}]
  mail_to:
    description:
      - Addresses of the recipients, separated by commas, also with names; a name with a comma stands in quotes. Needed
        unless O(method=none).
    type: list
    elements: str
    default: []
    env: [{name: PARANOID_REPORT_MAIL_TO}]
    ini: [{section: callback_paranoid_backup_report, key: mail_to}]
  owners_file:
    description:
      - A YAML file that maps groups and hosts of the inventory to the addresses of those who own them, one or a list.
        Each of them gets a mail of the own hosts in a run and of nothing else, while O(mail_to) get everything.
      - Whoever is among O(mail_to) as well gets the mail of everything. It may not be writable for everybody.
    type: path
    env: [{name: PARANOID_REPORT_OWNERS_FILE}]
    ini: [{section: callback_paranoid_backup_report, key: owners_file}]
  notify_file:
    description:
      - A YAML file that nobody else can read (0600) with a list of places that get a notice beside the mail. Each has a
        C(name), either C(webhook), a URL that gets a JSON object, or C(apprise), a URL of the library Apprise, and
        perhaps C(when), C(always) or C(failure) as of O(mail_when). A webhook may have a C(secret) to sign with and a
        C(ca_file).
      - The page C(docs/report.md) of the collection has the JSON object and how it is signed.
    type: path
    env: [{name: PARANOID_REPORT_NOTIFY_FILE}]
    ini: [{section: callback_paranoid_backup_report, key: notify_file}]
  mail_when:
    description:
      - With V(failure) a run sends a mail when it failed, when there is an alarm or a frozen client, when
        somebody should look at a NAS, when what had failed is well again, when clients came or went, and when no mail
        went out for O(mail_days).
    type: str
    choices: [always, failure]
    default: always
    env: [{name: PARANOID_REPORT_MAIL_WHEN}]
    ini: [{section: callback_paranoid_backup_report, key: mail_when}]
  mail_days:
    description: After how many days without a mail O(mail_when=failure) sends one all the same, at the next run.
    type: int
    default: 7
    env: [{name: PARANOID_REPORT_MAIL_DAYS}]
    ini: [{section: callback_paranoid_backup_report, key: mail_days}]
  mail_in_check:
    description: Whether a run in check mode sends a mail as well.
    type: bool
    default: false
    env: [{name: PARANOID_REPORT_MAIL_IN_CHECK}]
    ini: [{section: callback_paranoid_backup_report, key: mail_in_check}]
  later:
    description:
      - Leave the mail to the playbook C(paranoid.backup.report), which sends one for all runs that did, such as the
        slices of a job. A run of which it does not tell is told of by the next one without this option.
    type: bool
    default: false
    env: [{name: PARANOID_REPORT_LATER}]
    ini: [{section: callback_paranoid_backup_report, key: later}]
  subject:
    description:
      - Subject of the mail. C($STATUS) is SUCCESS or FAILURE. C($WHAT) is ALARM when there is one, else the status, and
        before it stands what was done unless that was a backup, as in C(maintain SUCCESS). C($SUCCEEDED), C($FAILED),
        C($SKIPPED) and C($TOTAL) are numbers of clients; further C($RUNTIME), C($RUN_ID), C($TITLE), and C($$) for a
        dollar sign.
    type: str
    default: "[$TITLE] $WHAT: $SUCCEEDED ok, $FAILED failed, $SKIPPED skipped of $TOTAL in $RUNTIME"
    env: [{name: PARANOID_REPORT_SUBJECT}]
    ini: [{section: callback_paranoid_backup_report, key: subject}]
  timeout:
    description:
      - Seconds that the mail server may take for one answer, or the sendmail program altogether. The whole conversation
        with a mail server is cut after eight times as long.
    type: int
    default: 30
    env: [{name: PARANOID_REPORT_TIMEOUT}]
    ini: [{section: callback_paranoid_backup_report, key: timeout}]
  sendmail_path:
    description: The program for O(method=sendmail).
    type: path
    default: /usr/sbin/sendmail
    env: [{name: PARANOID_REPORT_SENDMAIL_PATH}]
    ini: [{section: callback_paranoid_backup_report, key: sendmail_path}]
  smtp_host:
    description: The server for O(method=smtp); its certificate must be valid for this name.
    type: str
    env: [{name: PARANOID_REPORT_SMTP_HOST}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_host}]
  smtp_port:
    description: Its port. The default is 587, 465 for O(smtp_security=tls) and 25 for O(smtp_security=none).
    type: int
    env: [{name: PARANOID_REPORT_SMTP_PORT}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_port}]
  smtp_security:
    description: V(none) sends everything in the clear, the password too.
    type: str
    choices: [none, starttls, tls]
    default: starttls
    env: [{name: PARANOID_REPORT_SMTP_SECURITY}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_security}]
  smtp_ca_file:
    description: Certificates to trust instead of the system's, as a PEM file.
    type: path
    env: [{name: PARANOID_REPORT_SMTP_CA_FILE}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_ca_file}]
  smtp_greeting:
    description:
      - The name by which this machine introduces itself to the mail server (EHLO), where that one demands another than
        the machine's own full name.
    type: str
    env: [{name: PARANOID_REPORT_SMTP_GREETING}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_greeting}]
  smtp_user:
    description: Name to log in with; without it there is no login.
    type: str
    env: [{name: PARANOID_REPORT_SMTP_USER}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_user}]
  smtp_password:
    description: Password to log in with. Better is O(smtp_password_file).
    type: str
    env: [{name: PARANOID_REPORT_SMTP_PASSWORD}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_password}]
  smtp_password_file:
    description: File with the password as its first line, not readable by everybody.
    type: path
    env: [{name: PARANOID_REPORT_SMTP_PASSWORD_FILE}]
    ini: [{section: callback_paranoid_backup_report, key: smtp_password_file}]
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import yaml
from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import take_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.observer import CannotBeginError, claim_run_id
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.reporter import Reporter
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import (
    Settings,
    SettingsError,
    explain_error,
    load_settings,
)


def _guarded(method: Callable[..., None]) -> Callable[..., None]:
    """Note an exception of ours: Ansible would only warn of it, and exit with 0."""

    @functools.wraps(method)
    def call(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.reporter.note_defect(method.__name__, error)

    return call


class CallbackModule(CallbackBase):
    """Forwards the events of each playbook to a Reporter."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "paranoid.backup.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._settings: Settings | CannotBeginError = CannotBeginError("")
        self._own_run_id = ""
        self.reporter = self._make_reporter("")

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Read the options; a wrong one ends a run with work before it begins, and does not disturb other playbooks."""
        try:
            super().set_options(  # type: ignore[no-untyped-call]
                task_keys=task_keys, var_options=var_options, direct=direct
            )
            self._settings = load_settings(self.get_option)
        except (SettingsError, AnsibleError) as error:
            why = explain_error(error, yaml.safe_load(DOCUMENTATION)["options"])
            self._settings = CannotBeginError(take_text(why, 800))
        # Tasks on this host would inherit it.
        os.environ.pop("PARANOID_REPORT_SMTP_PASSWORD", None)

    @_guarded
    def v2_playbook_on_start(self, playbook: Any) -> None:
        self.reporter = self._make_reporter(playbook._file_name)
        self._own_run_id = claim_run_id(self._own_run_id)
        self.reporter.begin(playbook.get_plays())

    @_guarded
    def v2_playbook_on_play_start(self, play: Any) -> None:
        self.reporter.begin_play(play)

    @_guarded
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.reporter.begin_task(task)

    @_guarded
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self.reporter.note_start(host, task)

    @_guarded
    def v2_runner_on_ok(self, result: Any) -> None:
        self.reporter.note_result(State.OK, result)

    @_guarded
    def v2_runner_on_skipped(self, result: Any) -> None:
        self.reporter.note_result(State.SKIPPED, result)

    @_guarded
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool | None = False) -> None:
        self.reporter.note_result(State.FAILED, result, bool(ignore_errors))

    @_guarded
    def v2_runner_on_unreachable(self, result: Any) -> None:
        self.reporter.note_result(State.UNREACHABLE, result, bool(result.task.ignore_unreachable))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._finish(stats)
        if self.reporter.exit_code:
            # The one way in which a callback can make ansible-playbook fail; later callbacks are not called.
            raise SystemExit(self.reporter.exit_code)

    @_guarded
    def _finish(self, stats: Any) -> None:
        self.reporter.finish(stats)

    def _make_reporter(self, playbook: str) -> Reporter:
        return Reporter(self._settings, playbook, bool(context.CLIARGS.get("check")), self._show)

    def _show(self, line: str, bad: bool) -> None:
        if bad:
            self._display.error(line, wrap_text=False)
        else:
            self._display.display(line)
