# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody was told, what counts as a success, and what waits: decided from records alone."""

from __future__ import annotations

import email
from datetime import UTC, datetime, timedelta
from email import policy
from pathlib import Path
from typing import Any

import pytest
from paranoid_runner.config import load_config
from paranoid_runner.errors import UsageError
from paranoid_runner.judgement import Ended, find_silence, find_waiting, is_good
from paranoid_runner.pasts import ALL, add_record, gather_pasts, note_run
from paranoid_runner.plan import find_fresh, list_scheduled, plan
from paranoid_runner.records import Record, Result, list_runs, load_record
from paranoid_runner.schedule.rules import Schedule
from paranoid_runner.schedule.turns import Past
from paranoid_runner.telling import Notice, make_mail
from runner_files import write_config, write_record

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def record(*results: Result, **changes: Any) -> Record:
    found = {"status": "SUCCESS", "check": False, "finished": NOON, "mail": "sent", "mail_error": "", **changes}
    return Record("20261126T110000Z-00000000", started=NOON, results=results, **found)


@pytest.mark.parametrize(
    ("ended", "found", "said"),
    [
        (Ended(0), record(), ""),
        (Ended(2), record(status="FAILURE"), ""),
        (Ended(0), record(mail="none"), ""),
        (Ended(0), None, "it left no record: ansible-playbook ended with exit code 0"),
        (Ended(0), record(finished=None), "it died: ansible-playbook ended with exit code 0; 0 of 0"),
        (Ended(None), record(Result("a", "backup", "running"), finished=None), "was killed; 1 of 1 clients had no"),
        (Ended(None, "time is over"), None, "ansible-playbook was ended: time is over"),
        (Ended(0), record(mail="pending"), "its mail (SUCCESS) was not delivered: pending"),
        (Ended(7), record(mail="failed", mail_error="refused"), "was not delivered: refused"),
        (Ended(7), record(unnoticed="ops: it answered 503"), ""),
        (Ended(7), record(mail="none", unnoticed="ops: it answered 503"), "was not delivered: ops: it answered 503"),
    ],
)
def test_silence_is_found_by_the_record_and_never_by_the_code_alone(
    ended: Ended, found: Record | None, said: str
) -> None:
    silence = find_silence(ended, found)
    assert silence == "" if not said else said in silence


@pytest.mark.parametrize(
    ("ended", "found", "good"),
    [
        (Ended(0), record(), True),
        (Ended(0), record(status="FAILURE"), False),
        (Ended(2), record(), False),
        (Ended(None), record(), False),
        (Ended(0), record(mail="failed"), False),
        (Ended(0), record(mail="waiting"), False),  # somebody has not heard of it yet
        (Ended(0), record(mail="queued"), True),
        (Ended(0), record(finished=None), False),
        (Ended(0), None, False),
    ],
)
def test_what_is_good(ended: Ended, found: Record | None, good: bool) -> None:
    assert is_good(ended, found) is good


@pytest.mark.parametrize("mail", ["none", "sent", "queued", "failed", "waiting"])
def test_what_waits_in_the_spool_is_said_and_is_no_silence(mail: str) -> None:
    found = record(mail=mail, mail_error="boss@example.org is away")
    waiting = "its mail (SUCCESS) waits in the spool for those who do not have it: boss@example.org is away"
    assert find_waiting(found) == (waiting if mail == "waiting" else "") and find_waiting(None) == ""
    assert bool(find_silence(Ended(0), found)) is (mail == "failed")


def test_a_past_is_counted_from_results() -> None:
    results = [Result("a", "backup", "ok"), Result("b", "backup", "failed"), Result("c", "backup", "skipped")]
    pasts = add_record({}, record(*results), ["a", "b", "c"])
    assert pasts["backup", "a"] == Past(NOON) and pasts["backup", "b"] == Past(None, (NOON,))
    assert pasts["backup", "c"] == Past() and pasts["backup", ALL] == Past(None, (NOON,))
    later = add_record(pasts, record(Result("b", "backup", "ok"), finished=NOON + timedelta(hours=1)), ["a", "b", "c"])
    assert later["backup", "b"] == Past(NOON + timedelta(hours=1)), "a success ends the failures before it"
    assert later["backup", ALL] == pasts["backup", ALL], "one client is not all"


def test_what_was_only_tried_does_not_count() -> None:
    assert add_record({}, record(Result("a", "backup", "ok"), check=True), ["a"]) == {}


def test_a_work_counts_for_all_only_when_everybody_was_there() -> None:
    assert ("maintain", ALL) not in add_record({}, record(Result("a", "maintain", "ok")), ["a", "b"])
    both = record(Result("a", "maintain", "ok"), Result("b", "maintain", "skipped"))
    assert add_record({}, both, ["a", "b"])["maintain", ALL] == Past(NOON)


def test_records_are_read_once_and_an_open_one_again(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path))
    write_record(tmp_path, "run-1", "running", "")
    assert gather_pasts(config) == {}
    write_record(tmp_path, "run-1", "ok", "2026-11-26T12:00:00Z")
    assert gather_pasts(config)["backup", "a"] == Past(NOON)
    assert not (tmp_path / "state/pasts.json").exists(), "who only looks writes nothing"
    assert gather_pasts(config, remember=True)["backup", "a"] == Past(NOON)
    write_record(tmp_path, "run-1", "failed", "2026-11-26T12:00:00Z")
    assert gather_pasts(config)["backup", "a"] == Past(NOON), "it was read before"
    (tmp_path / "state/pasts.json").write_text("{")
    assert gather_pasts(config)["backup", "a"] == Past(None, (NOON,)), "a damaged file is made anew"


@pytest.mark.parametrize(("told", "known"), [(3, 3), (2.5, 2.5), (0, 0), (True, None), ("3", None), (None, None)])
def test_what_a_session_took_is_a_number_or_unknown(tmp_path: Path, told: object, known: float | None) -> None:
    session = {"reason": "", "duration": told, "bytes_received": told}
    clients = [{"name": "a", "work": "backup", "state": "ok", "session": session}]
    write_record(tmp_path, "run-1", "ok", "2026-11-26T12:00:00Z", clients=clients)
    found = load_record(tmp_path / "reports", "run-1")
    assert found is not None and (found.results[0].seconds, found.results[0].received) == (known, known)


def test_a_configuration_of_an_earlier_release_has_no_drill(tmp_path: Path) -> None:
    books = dict.fromkeys(("backup", "maintain", "compact", "audit"), "p")
    config = load_config(write_config(tmp_path, playbooks=books))
    assert config.playbooks["drill"] == "paranoid.backup.drill" and config.playbooks["audit"] == "p"


def test_a_run_that_died_counts_as_a_failure_of_all_that_it_did_not_end(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path))
    write_record(tmp_path, "run-1", "ok", "")
    note_run(config, "run-1", [("backup", "a"), ("backup", "b")], NOON)
    pasts = gather_pasts(config)
    assert pasts["backup", "a"] == Past(NOON) and pasts["backup", "b"] == Past(None, (NOON,))
    note_run(config, "run-2", [("maintain", ALL)], NOON)
    assert gather_pasts(config)["maintain", ALL] == Past(None, (NOON,)), "counted once"


@pytest.mark.parametrize(
    ("states", "counted"), [("ok ok", Past(NOON)), ("ok skipped", Past(NOON)), ("ok failed", None)]
)
def test_upkeep_for_all_that_ended_well_is_not_due_again(tmp_path: Path, states: str, counted: Past | None) -> None:
    config = load_config(write_config(tmp_path, clients={"a": {}, "b": {}}))
    ended = [{"name": name, "work": "audit", "state": state} for name, state in zip("ab", states.split(), strict=True)]
    write_record(tmp_path, "run-1", "ok", "2026-11-26T12:00:00Z", clients=ended)
    note_run(config, "run-1", [("audit", ALL)], NOON)
    assert gather_pasts(config)["audit", ALL] == (counted or Past(None, (NOON,)))


def test_who_has_a_turn_in_time_is_not_called_left_out(tmp_path: Path) -> None:
    never = {"blackout": ["2020-01-01..2099-12-31"]}
    rules = {"in_time": {}, "too_long_ago": {}, "new": {}, "never": never, "yet_to_come": {}}
    config = load_config(write_config(tmp_path, clients=rules))
    ages = {"in_time": 2.9, "too_long_ago": 3.1, "never": 0.5, "yet_to_come": -1.1}
    pasts = {("backup", name): Past(NOON - timedelta(days=age)) for name, age in ages.items()}
    assert list_scheduled(config, plan(config, pasts, NOON), NOON) == ["in_time"]


def test_a_run_of_a_clock_that_was_ahead_is_not_the_last(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    runs = [f"{now + timedelta(days=days):%Y%m%dT%H%M%SZ}-00000000" for days in (-1, 0, 0.9, 1.1, 366)]
    for run in (*runs, "by-hand"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "record.json").touch()
    assert list_runs(tmp_path) == [*runs[3:], *runs[:3], "by-hand"]


def test_the_plan_is_in_the_order_of_turns_and_who_has_none_comes_last(tmp_path: Path) -> None:
    rules = {"a": {"blackout": ["2020-01-01..2099-12-31"]}, "later": {}, "now": {}, "b": {"window": "13:00-14:00"}}
    config = load_config(write_config(tmp_path, clients=rules, upkeep={}))
    planned = plan(config, {("backup", "later"): Past(NOON)}, NOON)
    assert [one.client for one in planned] == ["now", "b", "later", "a"] and planned[-1].turn.at is None


def test_the_configuration_has_rules_only_where_there_are_some(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path))
    assert set(config.upkeep) == {"maintain"} and config.clients["a"] == Schedule()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clients": {"web1": {"every": "never"}}}, 'web1: backup_client_schedule_every is "never"'),
        ({"clients": ["web1"]}, "run the role again"),
        ({"hours": "long"}, "run the role again"),
        ({"playbooks": {}}, "run the role again"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_config(write_config(tmp_path, **changes))
    with pytest.raises(UsageError, match="is not there"):
        load_config(tmp_path / "nothing")


def test_a_mail_is_plain_whatever_a_run_printed() -> None:
    notice = Notice("run-1", "a\nBcc: x@example.org", ["\x1b[31mred\u202e", "y" * 9000])
    mail = email.message_from_bytes(make_mail(notice), policy=policy.default)
    assert mail["Bcc"] is None and "\n" not in mail["Subject"]
    text = mail.get_content()
    assert "\x1b" not in text and "\u202e" not in text and max(map(len, text.splitlines())) < 600


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        ("2026-11-16 08:00", "2026-11-22 23:00", False),
        ("2026-11-16 08:00", "2026-11-23 06:59", False),
        ("2026-11-16 08:00", "2026-11-23 07:01", True),
        ("2026-11-23 07:02", "2026-11-23 11:00", False),
        ("2026-11-16 08:00", "2026-11-25 03:00", True),  # the machine was off on Monday
        ("2026-11-02 08:00", "2026-11-25 03:00", True),
        ("", "2026-11-25 03:00", False),  # a first one waits for its window
        ("", "2026-11-23 07:01", True),
    ],
)
def test_a_digest_has_its_day_and_one_that_was_missed_is_made_up_for(
    tmp_path: Path, last: str, now: str, due: bool
) -> None:
    rules = {"every": "1w", "days": ["mon"], "window": "07:00-12:00"}
    config = load_config(write_config(tmp_path, digest=rules, clients={}, upkeep={}))
    pasts = {("digest", ALL): Past(datetime.fromisoformat(f"{last}+00:00"))} if last else {}
    moment = datetime.fromisoformat(f"{now}+00:00")
    (planned,) = plan(config, pasts, moment)
    assert planned.turn.is_due(moment) is due


@pytest.mark.parametrize(
    ("every", "succeeded", "is_fresh"),
    [
        ("1w", "2026-11-20T01:00", True),  # NOON is on the 26th
        ("1w", "2026-11-17T01:00", False),
        ("1d", "2026-11-25T01:00", True),
        ("1d", "2026-11-23T01:00", False),
        ("1w", "2027-11-20T01:00", False),  # of a clock that was ahead
        ("1w", "", False),
    ],
)
def test_who_is_fresh_waits_for_a_turn_that_is_not_over(
    tmp_path: Path, every: str, succeeded: str, is_fresh: bool
) -> None:
    config = load_config(write_config(tmp_path, clients={"a": {"every": every}}, upkeep={}))
    last = datetime.fromisoformat(f"{succeeded}+00:00") if succeeded else None
    assert find_fresh(config, plan(config, {("backup", "a"): Past(last)}, NOON), NOON) == {"a": is_fresh}
