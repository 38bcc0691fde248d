# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What audit and ledger make of a session's conclusion: never better, and an alarm stays one."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.conclusion import overrule, overrule_content
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import ContentVerdict

OK, FAILED = Conclusion("ok"), Conclusion("failed", "unreachable", "no route")
ALARM = AuditVerdict("alarm", ("12 objects gone",))


@pytest.mark.parametrize("conclusion", [OK, FAILED])
@pytest.mark.parametrize("verdict", ["clean", "expected"])
def test_a_good_audit_changes_nothing(conclusion: Conclusion, verdict: str) -> None:
    assert overrule(conclusion, "web1", AuditVerdict(verdict, ("a note",))) == conclusion


@pytest.mark.parametrize("conclusion", [OK, FAILED])
def test_an_alarm_replaces_what_the_session_came_to(conclusion: Conclusion) -> None:
    said = "ALARM: the history of web1 was touched, it is frozen now: 12 objects gone"
    found = overrule(conclusion, "web1", ALARM)
    assert (found.status, found.code, found.reason) == ("failed", "alarm", said)
    assert found.alarm and found.alarm.findings == ALARM.findings


def test_without_a_record_there_is_no_success() -> None:
    assert overrule(OK, "web1", rejected="disk full") == Conclusion("failed", "server_error", "not recorded: disk full")
    assert overrule(FAILED, "web1", rejected="disk full").code == "unreachable"
    kept = overrule(OK, "web1", ALARM, rejected="disk full")
    assert (kept.code, kept.alarm) == ("alarm", overrule(OK, "web1", ALARM).alarm)


def test_a_ledger_that_was_tampered_with_is_an_alarm_in_front() -> None:
    found = overrule(FAILED, "web1", tampered="entry 7 is gone")
    assert (found.status, found.code, found.reason) == ("failed", "alarm", "ALARM: entry 7 is gone; no route")
    assert overrule(OK, "web1", tampered="entry 7 is gone").reason == "ALARM: entry 7 is gone"


@pytest.mark.parametrize("audit", [None, AuditVerdict("clean", ()), AuditVerdict("clean", (), presence=Presence())])
def test_an_archive_that_nobody_saw_come_is_no_success(audit: AuditVerdict | None) -> None:
    told = overrule(OK, "web1", audit, claimed=True)
    assert (told.status, told.code) == ("failed", "no_archive") and told.reason.startswith("web1 said ok, but the ar")
    assert overrule(FAILED, "web1", audit, claimed=True) == FAILED, "what failed anyway keeps its reason"
    assert overrule(OK, "web1", audit) == OK, "it says so of none"


def test_an_archive_that_came_is_one() -> None:
    assert overrule(OK, "web1", AuditVerdict("clean", (), presence=Presence(brought=True)), claimed=True) == OK


def test_what_is_to_be_done_stands_behind_any_number_of_paths() -> None:
    """A server of files that is away takes them all, and a report cuts a reason."""
    paths = tuple(f"/srv/{number:02}/{'long/' * 40}\n" for number in range(40))
    lost = {"source_unmounted": ContentVerdict(unmounted=paths), "source_emptied": ContentVerdict(emptied=paths)}
    for code, content in lost.items():
        found = overrule_content(OK, "web1", content)
        assert (found.status, found.code) == ("failed", code) and len(found.reason) <= 500
        assert found.reason.isprintable() and " and 38 more" in found.reason
        assert found.reason.endswith("if that is meant, run accept.yml")
