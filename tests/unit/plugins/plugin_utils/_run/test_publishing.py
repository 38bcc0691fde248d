# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: what cannot be written or sent makes it incomplete, and keeps nothing else from being tried."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from email.headerregistry import Address
from pathlib import Path
from string import Template

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Mail, MailState, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import publish
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Sendmail, Settings

FULL = "the report could not be written: [Errno 28] No space left on device"


@pytest.fixture
def directory(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "reports", "r1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Mail goes to a program that keeps it."""
    program = tmp_path / "sendmail"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/mail\n")
    program.chmod(0o755)
    transport = Sendmail(str(program), 5)
    return Settings(
        tmp_path,
        "t",
        Template("$STATUS"),
        Address(addr_spec="a@example.org"),
        (Address(addr_spec="b@example.org"),),
        False,
        transport,
    )


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)


def test_a_good_run_is_complete(run: Run, directory: RunDir, settings: Settings) -> None:
    done = publish(run, directory, settings)
    assert (done.complete, done.run.status, done.run.mail.state) == (True, "SUCCESS", MailState.QUEUED)
    assert json.loads(directory.record.read_text()) == json.loads(json.dumps(done.run.to_dict()))


def test_on_a_full_disk_the_mail_is_sent_and_the_run_is_not_reported(
    tmp_path: Path, run: Run, directory: RunDir, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    done = publish(run, directory, settings)
    assert (done.complete, done.run.status, done.run.problems) == (False, "FAILURE", (FULL,))
    assert done.run.mail.state is MailState.QUEUED
    assert "Subject: FAILURE" in (tmp_path / "mail").read_text()


def test_without_a_mail_a_full_disk_is_no_report_either(
    run: Run, directory: RunDir, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    done = publish(replace(run, mail=Mail(MailState.NONE)), directory, settings)
    assert (done.complete, done.run.problems) == (False, (FULL,))


def test_a_problem_of_the_run_itself_is_reported_like_any_other(
    run: Run, directory: RunDir, settings: Settings
) -> None:
    done = publish(replace(run, problems=("localhost: no disk",)), directory, settings)
    assert (done.complete, done.run.status, done.run.problems) == (True, "FAILURE", ("localhost: no disk",))


def test_a_mail_that_is_not_sent_is_recorded(run: Run, directory: RunDir, settings: Settings) -> None:
    done = publish(run, directory, replace(settings, transport=Sendmail("/no/such/program", 5)))
    kept = json.loads(directory.record.read_text())
    assert (done.complete, kept["status"], kept["mail"]["state"]) == (False, "SUCCESS", "failed")
    assert kept["mail"]["error"] == "/no/such/program: No such file or directory"
    assert (directory.path / "mail.eml").stat().st_size > 1000
