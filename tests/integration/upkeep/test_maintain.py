# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verb maintain through real sshd, dispatcher, Borg and gate: exactly what the server named goes, and is recorded."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, TrimEntry
from ansible_collections.paranoid.backup.plugins.module_utils._retention import trim_plan as _maintain
from keeper import Keeper
from session_world import CLIENT, OK, came_to


def test_exactly_the_named_archives_go(keeper: Keeper) -> None:
    oldest, older, newest = keeper.contents
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail, outcome.gate)
    assert outcome.changed and outcome.maintain
    assert outcome.maintain["named"] == [oldest, older]
    assert outcome.maintain["deleted"] == sorted([oldest, older])
    assert (outcome.maintain["kept"], outcome.maintain["check"]) == (1, "ok")
    assert outcome.maintain["unknown"] == outcome.maintain["missing"] == []
    assert outcome.audit and outcome.audit["verdict"] == "expected"
    (finding,) = outcome.audit["findings"]
    assert "objects were deleted, of at most" in finding
    assert set(keeper.listed()) == keeper.known() == {newest}
    assert keeper.restored(newest) == keeper.contents[newest]
    (trim,) = keeper.entries("trim")
    assert isinstance(trim, TrimEntry) and trim.transaction == outcome.gate.transaction
    assert (set(trim.requested), set(trim.deleted)) == ({oldest, older}, {oldest, older})


def test_check_mode_tells_the_plan_and_connects_to_nobody(keeper: Keeper) -> None:
    keeper.world.sshd.stop()
    outcome = keeper.maintain(check=True)
    assert came_to(outcome) == OK
    assert outcome.changed and outcome.maintain and not outcome.log
    plan = outcome.maintain["plan"]
    assert [archive["id"] for archive in plan["drop"]] == list(keeper.contents)[:2]
    assert plan["keep"][0]["reasons"] == ["daily 1", "newest 1 of at least 1"]
    assert len(keeper.listed()) == 3 and keeper.entries("trim") == []


def test_a_second_trim_waits_for_the_compaction(keeper: Keeper) -> None:
    assert came_to(keeper.maintain()) == OK
    added = keeper.backup(4)
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, outcome.log_tail
    assert outcome.maintain and outcome.maintain["named"] == [] and not outcome.changed
    assert "waits for its compaction, so 1 archives stay" in outcome.maintain["waiting"]
    assert added in keeper.listed() and len(keeper.listed()) == 2 and len(keeper.entries("trim")) == 1


def test_what_the_ledger_does_not_know_is_shown_and_stays(keeper: Keeper) -> None:
    """An archive whose session the server never recorded, as after a crash of the server."""
    keeper.borg("create", "::stray{{x}}", str(keeper.world.own / "source"))
    keeper.world.session("backup")
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    assert outcome.maintain
    assert [archive["name"] for archive in outcome.maintain["unknown"]] == ["stray{x}"]
    assert "stray{x}" in keeper.listed().values()


FAILING_AFTER = """\
backup = verbs.backup
def failing(tools):
    backup(tools)
    raise toolbox.Failed("a command after the backup failed")
verbs.VERBS["backup"] = failing
"""


def test_what_the_ledger_does_not_know_goes_when_a_person_names_it(keeper: Keeper) -> None:
    keeper.serve(FAILING_AFTER)
    assert keeper.world.session("backup").conclusion.code == "client_failed"
    keeper.serve()
    newest = keeper.backup(4)
    (stray,) = set(keeper.listed()) - keeper.known()
    keeper.world.write(retention={"daily": -1, "minimum": 4})
    for wrong, words in ((newest, f"the ledger knows archive {newest}"), ("../x", "64 hex digits each, not '../x'")):
        refused = keeper.maintain(delete_unknown=[stray, wrong]).conclusion
        assert refused.code == "refused" and words in refused.reason
    plan = keeper.maintain(delete_unknown=[stray], check=True)
    assert plan.changed and plan.maintain and plan.maintain["named"] == [stray] and stray in keeper.listed()
    outcome = keeper.maintain(delete_unknown=[stray, "0" * 64])
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    assert outcome.maintain and outcome.maintain["deleted"] == [stray] and outcome.maintain["unknown"] == []
    assert outcome.audit and outcome.audit["verdict"] == "expected"
    assert set(keeper.listed()) == keeper.known() and newest in keeper.known()
    (trim,) = keeper.entries("trim")
    assert isinstance(trim, TrimEntry) and trim.deleted == (stray,)
    assert "so 1 archives stay" in (keeper.maintain(delete_unknown=[stray]).maintain or {})["waiting"]


def test_an_archive_that_nobody_deleted_is_missed(keeper: Keeper) -> None:
    lost = keeper.listed()[next(iter(keeper.contents))]
    keeper.borg("delete", f"::{lost}")
    (keeper.world.path / "state" / CLIENT / "baseline.json").unlink()
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "alarm" and next(iter(keeper.contents))[:12] in outcome.conclusion.reason
    assert keeper.module("unfreeze", reason="it comes back", by="a test")["changed"]
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "archives_missing", (outcome.conclusion, outcome.log_tail)


def test_an_archive_may_take_along_what_came_with_it(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of a database shares nothing with others: that much more than its share of all archives goes with it."""
    monkeypatch.setattr(_maintain, "_LEAST_OBJECTS", 0)
    monkeypatch.setattr(_maintain, "_LEAST_BYTES", 0)
    keeper.backup(3, size=20_000_000)
    keeper.backup(4)
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, outcome.conclusion
    assert outcome.maintain and len(outcome.maintain["deleted"]) == 4
    assert outcome.audit and outcome.audit["verdict"] == "expected"


def test_more_than_the_budget_is_refused_and_everything_stays(keeper: Keeper) -> None:
    keeper.world.write(trim_max_objects=3)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "refused", outcome.conclusion
    assert "deleting more than 3 objects" in outcome.conclusion.reason
    assert outcome.conclusion.reason.endswith("; see 'refused' in docs/retention.md")
    assert outcome.audit and outcome.audit["verdict"] == "clean"
    assert set(keeper.listed()) == keeper.known() == set(keeper.contents)
    keeper.world.write(trim_max_objects=None)
    outcome = keeper.maintain()
    assert came_to(outcome) == OK and len(keeper.listed()) == 1, "nothing has to wait for what never went"


def test_a_frozen_client_is_not_maintained(keeper: Keeper) -> None:
    with keeper.ledger() as ledger:
        ledger.append(FreezeEntry(CLIENT, "somebody was here"))
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "frozen" and "somebody was here" in outcome.conclusion.reason
    assert set(keeper.listed()) == set(keeper.contents)


def test_a_record_without_retention_deletes_nothing(keeper: Keeper) -> None:
    keeper.world.write(retention=None)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "not_provisioned" and "no retention" in outcome.conclusion.reason


def test_rules_that_make_no_sense_are_named(keeper: Keeper) -> None:
    keeper.world.write(retention={"dayly": 3})
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "server_error" and "dayly" in outcome.conclusion.reason


ONE_BY_ONE = """
borg = toolbox.Toolbox.borg
def split(tools, *words):
    if words[0] != "delete":
        return borg(tools, *words)
    done = [borg(tools, *words[:3], name) for name in words[3:]]
    return max(done, key=lambda one: one.returncode)
toolbox.Toolbox.borg = split
"""


def test_the_budget_is_for_one_connection(keeper: Keeper) -> None:
    keeper.serve(ONE_BY_ONE)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "refused" and "deleting what is already stored" in outcome.conclusion.reason
    assert len(keeper.listed()) == 2


MORE_THAN_NAMED = """\
maintain = verbs.maintain
def everything(tools):
    told = maintain(tools)
    told["maintain"]["deleted"] = [*tools.request.delete, *tools.request.known]
    return told
verbs.VERBS["maintain"] = everything
"""


def test_a_client_that_boasts_of_more_than_was_named_is_not_believed(keeper: Keeper) -> None:
    newest = list(keeper.contents)[-1]
    keeper.serve(MORE_THAN_NAMED)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "bad_result" and "1 archives that nobody named" in outcome.conclusion.reason
    assert keeper.known() == {newest} == set(keeper.listed())
