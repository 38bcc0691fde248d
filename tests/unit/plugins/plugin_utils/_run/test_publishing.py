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
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import Owner
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    TEAM,
    History,
    Trail,
    add_run,
    load_history,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Mail, MailState, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._run import publishing
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import Published
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import publish as publish_all
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.spooling import list_waiting
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Sendmail, Settings
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Target
from web_server import served_web

OWNERS = [Owner(Address(addr_spec="ana@example.org"), frozenset({"web01", "spare"}))]
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


def publish(run: Run, directory: RunDir, settings: Settings) -> Published:
    return publish_all(run, directory, settings, History(), ())


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


def test_an_owner_gets_a_mail_of_the_own_hosts_alone_and_the_team_of_all(
    tmp_path: Path, run: Run, directory: RunDir, settings: Settings
) -> None:
    """One of three is refused: the others have theirs, and it is told."""
    (tmp_path / "sendmail").write_text(
        f"#!/bin/sh\nfor to; do :; done\n[ $to != cy@example.org ] || exit 77\ncat > {tmp_path}/$to\n"
    )
    cy = Owner(Address(addr_spec="cy@example.org"), frozenset({"db01"}))
    done = publish_all(run, directory, settings, History(), [*OWNERS, cy])
    assert done.run.mail.to == ("b@example.org", "ana@example.org", "cy@example.org")
    assert (done.complete, done.run.mail.state) == (False, MailState.FAILED)
    assert load_history(tmp_path / "reports").told == dict.fromkeys((TEAM, "ana@example.org"), run.finished)
    assert done.run.mail.accepted == ("b@example.org", "ana@example.org")
    assert "exited with 77" in done.run.mail.error
    own, team = (tmp_path / "ana@example.org").read_text(), (tmp_path / "b@example.org").read_text()
    assert "web01" in own and "db01" not in own and "record.json" not in own
    assert "web01" in team and "db01" in team
    assert (directory.path / "owner-2.eml").exists(), "it is kept, to be sent again by hand"


@pytest.mark.parametrize(
    ("queued", "state"), [("", "sent"), ("ana@", "queued"), ("b@", "queued"), ("ana@ b@", "queued")]
)
def test_a_mail_is_sent_when_none_of_its_letters_waits_on_this_machine(
    run: Run,
    directory: RunDir,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    queued: str,
    state: str,
) -> None:
    def send(_mail: Any, _transport: Any, _sender: str, recipients: tuple[str, ...]) -> bool:
        return not any(recipients[0].startswith(one) for one in queued.split())

    monkeypatch.setattr(publishing, "send", send)
    done = publish_all(run, directory, settings, History(), OWNERS)
    assert (done.complete, done.run.mail.state.value) == (True, state) and len(done.run.mail.to) == 2


@pytest.mark.parametrize(
    ("refused", "state", "kept"),
    [
        ("cy@", "waiting", [["cy@example.org"]]),
        ("ana@ cy@", "waiting", [["ana@example.org"], ["cy@example.org"]]),
        ("b@", "failed", []),  # None of the team has it: the runner tells them itself.
        ("b@ cy@", "failed", [["cy@example.org"]]),
    ],
)
def test_what_did_not_reach_somebody_is_kept_for_the_runner_and_named_until_it_is_out(
    tmp_path: Path,
    run: Run,
    directory: RunDir,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    refused: str,
    state: str,
    kept: list[list[str]],
) -> None:
    program = tmp_path / "sendmail"
    program.write_text(
        f"#!/bin/sh\nfor to; do :; done\ncase '{refused}' in *${{to%%@*}}@*) exit 77;; esac\ncat >>{tmp_path}/$to\n"
    )
    monkeypatch.setenv("PARANOID_BACKUP_SPOOL", str(tmp_path / "spool"))
    cy = Owner(Address(addr_spec="cy@example.org"), frozenset({"db01"}))
    done = publish_all(run, directory, settings, History(), [*OWNERS, cy])
    assert (done.complete, done.run.mail.state, done.run.waiting) == (False, state, ())
    letters = sorted(
        (json.loads(path.read_text()) for path in tmp_path.glob("spool/*")), key=lambda one: one["recipients"]
    )
    assert [letter["recipients"] for letter in letters] == kept
    assert all("exited with 77" in letter["error"] and "To: " in letter["mail"] for letter in letters)
    for path in tmp_path.glob("*@*"):
        path.unlink()
    program.write_text(f"#!/bin/sh\nfor to; do :; done\ncat >>{tmp_path}/$to\n")
    later = publish_all(replace(run, run_id="later"), directory, settings, History(), OWNERS)
    said = [f"{run.run_id}: its mail to {whom}: {program} exited with 77: it said nothing" for (whom,) in kept]
    assert sorted(later.run.waiting) == said and later.complete, "it goes on to be named until the runner has sent it"
    assert ("Not delivered yet" in (tmp_path / "b@example.org").read_text()) is bool(kept)
    assert "Not delivered yet" not in (tmp_path / "ana@example.org").read_text(), "it names others"


def test_what_cannot_be_kept_is_no_waiting(
    tmp_path: Path, run: Run, directory: RunDir, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sendmail").write_text("#!/bin/sh\nfor to; do :; done\n[ $to != ana@example.org ]\n")
    (tmp_path / "spool").touch()
    monkeypatch.setenv("PARANOID_BACKUP_SPOOL", str(tmp_path / "spool"))
    assert publish_all(run, directory, settings, History(), OWNERS).run.mail.state is MailState.FAILED


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r1.0a.letter", '{"recipients": ["a@x", "b@x"], "error": "no\\nway"}', "r1: its mail to a@x, b@x: no way"),
        ("r1.2.notice", '{"target": "ops", "error": "503"}', "r1: its notice to ops: 503"),
        ("r1.2.notice", '{"target": "ops"}', "r1: its notice to ops"),  # as versions before this one kept it
        ("r1.eml", "Subject: x", "r1: what the runner itself told of it"),
        ("r1.0a.letter", "[", "r1: its mail to somebody"),
        (".r1.0a.letter.ff.new", "{}", ""),
    ],
)
def test_what_waits_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, said: str
) -> None:
    monkeypatch.setenv("PARANOID_BACKUP_SPOOL", str(tmp_path))
    (tmp_path / name).write_text(content)
    assert list_waiting() == ((said,) if said else ())


@pytest.mark.parametrize(
    ("past", "told", "changes", "mailed"),
    [
        (True, "2026-11-20T00:00:00Z", {}, False),
        (True, "2026-11-14T23:59:00Z", {}, True),  # a week ago by the calendar
        (True, "2027-11-20T00:00:00Z", {}, True),  # by a clock that was wrong
        (True, "", {}, True),  # never yet
        (False, "2026-11-20T00:00:00Z", {}, True),  # what had failed is well again
        (True, "2026-11-20T00:00:00Z", {"problems": ("x",)}, True),
        (True, "2026-11-20T00:00:00Z", {"unheard": ("r1: it died",)}, True),
    ],
)
def test_who_wants_failures_alone_hears_of_them_and_once_a_week(
    run: Run,
    directory: RunDir,
    settings: Settings,
    past: bool,
    told: str,
    changes: dict[str, Any],
    mailed: bool,
) -> None:
    trail = Trail(past, "2026-11-20T00:00:00Z", 1, "", "2026-11-20T00:00:00Z")
    history = History({("backup", name): trail for name in ("web01", "db01")}, told={TEAM: told} if told else {})
    done = publish_all(replace(run, **changes), directory, replace(settings, failures_only=True), history, ())
    assert done.complete
    assert done.run.mail.state is (MailState.QUEUED if mailed else MailState.NONE)
    assert load_history(directory.path.parent).told.get(TEAM, "") == (run.finished if mailed else told)


def test_places_beside_mail_are_told_what_became_of_it(
    tmp_path: Path, run: Run, directory: RunDir, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_web() as web:
        url = f"http://localhost:{web.port}"
        places = (
            Target("all", "webhook", url),
            Target("bad", "webhook", f"{url}/500"),
            Target("failures", "webhook", url, failures_only=True),
        )
        wanted = replace(settings, targets=places)
        history = add_run(History(), run)
        done = publish_all(run, directory, wanted, history, ())
        assert [(one.name, one.state) for one in done.run.notices] == [("all", "sent"), ("bad", "failed")]
        assert not done.complete
        monkeypatch.setenv("PARANOID_BACKUP_SPOOL", str(tmp_path / "spool"))
        broken = replace(wanted, transport=Sendmail("/no/such/program", 5))
        done = publish_all(run, directory, broken, history, ())
        states = [(one.name, one.state) for one in done.run.notices]
        assert states == [("all", "sent"), ("bad", "waiting"), ("failures", "sent")], "no mail is a failure"
        (kept,) = (tmp_path / "spool").iterdir()
        assert url not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
        told = [json.loads(body)["mail"] for _path, _headers, body in web.requests]
    assert told[0]["state"] == "queued" and told[-1] == {
        "state": "failed",
        "error": "/no/such/program: No such file or directory",
    }
    assert publish_all(replace(run, check=True), directory, wanted, history, ()).run.notices == ()
