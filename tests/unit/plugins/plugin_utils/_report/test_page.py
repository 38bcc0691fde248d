# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reader of a mail is promised: which alarm comes first, what is urgent, what is counted and what is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Pool
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import UNKNOWN_LIMIT
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History, add_run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import Nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.alerts import is_told_by_alerts, list_alerts
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.failures import (
    CAUSES_FROM,
    CAUSES_SHOWN,
    WHOLE,
    choose_failures,
    list_causes,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.headline import format_headline
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas import describe_nas, summarize_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import NAMES_SHOWN, Page, make_page
from report_samples import compacted, maintained, session

RECORD = "/r/record.json"
GONE = {"verdict": "alarm", "findings": ["gone"]}
FROZEN = {"kind": "repository", "client": "x", "findings": ["gone"], "since": "2026-11-20T03:00:12+00:00"}


def client(name: str, *, state: State = State.OK, work: Work = Work.BACKUP, **told: Any) -> Client:
    return Client(name, state, session(**told), work)


def run_of(run: Run, *clients: Client, **changes: Any) -> Run:
    return replace(run, clients=clients, **changes)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def notes(page: Page) -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    return {note.heading: note.entries for note in page.notes}


# Alarms.


def alerts_of(run: Run, *clients: Client, **limits: int) -> list[tuple[str, str, tuple[str, ...], str]]:
    found = list_alerts(run_of(run, *clients), replace(WHOLE, **limits))
    return [(one.kind, plain(one.sentence), one.findings, one.client) for one in found]


def test_alarms_come_before_the_frozen_and_each_client_once(run: Run) -> None:
    frozen, both = client("a", frozen=FROZEN), client("b", frozen=FROZEN, audit=GONE, state=State.FAILED)
    again = client("b", work=Work.MAINTAIN, code="frozen", reason="b is frozen", alarm=FROZEN, state=State.FAILED)
    told = alerts_of(run, frozen, both, again)
    assert [(kind, name) for kind, _sentence, _findings, name in told] == [("ALARM", "b"), ("FROZEN", "a")]
    assert told[0][1:3] == ("b's repository is not as it was left", ("gone",))
    assert told[1][1] == "a's repository is not as it was left, it is frozen: gone", "the name of the client's own"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"code": "alarm", "reason": "ALARM: the ledger was tampered with"}, "the ledger was tampered with"),
        ({"code": "alarm", "reason": "x", "alarm": {**FROZEN, "kind": "history"}}, "the history of b was touched"),
        ({"audit": {"verdict": "alarm", "findings": []}, "reason": "why"}, "why"),
        ({"audit": {"verdict": "fine"}}, "b's repository is not as it was left"),
        ({"audit": "clean"}, "b's repository is not as it was left"),
    ],
)
def test_whatever_says_alarm_is_one(run: Run, told: dict[str, Any], sentence: str) -> None:
    """What cannot be read is an alarm as well: what is not known is not green."""
    ((kind, said, _findings, name),) = alerts_of(run, client("b", state=State.FAILED, **told))
    assert (kind, name) == ("ALARM", "b") and said.startswith(sentence)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"code": "frozen", "reason": "b is frozen since long"}, "b is frozen since long"),
        ({"code": "frozen", "reason": "x", "alarm": FROZEN}, "b is frozen since 2026-11-20 03:00 UTC"),
        ({"frozen": FROZEN}, "b's repository is not as it was left, it is frozen: gone"),
    ],
)
def test_a_frozen_client_says_why(run: Run, told: dict[str, Any], sentence: str) -> None:
    ((kind, said, _findings, _name),) = alerts_of(run, client("b", **told))
    assert kind == "FROZEN" and said.startswith(sentence)


def test_alarms_beyond_the_limit_are_counted_and_named(run: Run) -> None:
    many = [client(f"c{place}", state=State.FAILED, audit={**GONE, "findings": list("abc")}) for place in range(5)]
    assert alerts_of(run, *many, alerts=2, lines=2) == [
        *[("ALARM", f"c{place}'s repository is not as it was left", ("a", "b"), f"c{place}") for place in range(2)],
        ("ALARM", "3 more clients: c2, c3 and c4", (), "3 more clients"),
    ]
    assert len(alerts_of(run, *many, alerts=5)) == 5


@pytest.mark.parametrize(
    ("told", "is_told"),
    [
        ({"code": "frozen"}, True),
        ({"code": "alarm"}, True),
        ({"code": "alarm", "gate": {"refused": ["delete"]}}, False),
        ({"code": "alarm", "log": "/var/log/x"}, False),
        ({"code": "quota"}, False),
        ({"frozen": FROZEN}, False),
    ],
)
def test_a_failure_is_left_out_only_where_the_alarm_has_said_all_of_it(told: dict[str, Any], is_told: bool) -> None:
    assert is_told_by_alerts(client("b", state=State.FAILED, **told)) is is_told
    assert not is_told_by_alerts(Client("b", State.RUNNING))


def test_the_advice_stands_with_the_alarms_alone(run: Run) -> None:
    assert make_page(run, RECORD).advice == ""
    assert "unfreeze.yml" in make_page(run_of(run, client("a", frozen=FROZEN)), RECORD).advice


# What somebody wants to hear of who wants to hear of failures alone.

HEAD = {"host": "vault", "head": f"7:{'a' * 64}"}
UNUSUAL = {"signals": [], "anomaly": True, "expected": "", "since": "", "normal": 0, "needed": 5}
LATE = {"name": "tower", "seq": 3, "time": "2026-11-01T00:00:00Z"}
URGENT: dict[str, dict[str, Any]] = {
    "Nobody has heard of": {"unheard": ("run r1 of 2026-11-20T03:00:00Z: it never ended",)},
    "Not delivered yet": {"waiting": ("r1: its mail to ana@example.org: refused",)},
    "NAS": {"nas": (Nas("nas1", ("a pool is degraded",)),)},
    "The server's clock cannot be believed": {"clock": {"doubt": "it went back"}, "ledger": HEAD},
    "Unusual": {"unusual": UNUSUAL},
    "The server was made again": {"rebuilt": ["the ledger begins anew"]},
    "Not saved beside the repositories": {"ledger": {**HEAD, "spare": "no space left"}},
    "Not witnessed": {"ledger": {**HEAD, "witnesses": [LATE]}},
}
QUIET: dict[str, dict[str, Any]] = {
    "Remarks": {"remarks": {"changed": {"count": 2, "accepted": 1, "paths": ["/a"]}}},
    "A change is expected": {"unusual": {**UNUSUAL, "anomaly": False, "expected": "2026-12-01"}},
    "Smaller on purpose": {"content": {"shrunk": "5 files instead of 50", "meant": True}},
    "Borg with known weaknesses": {"versions": {"borg": "1.4.4"}},
    "Escrow": {"escrow": {"state": "none"}},
    "Not rehearsed": {"rehearsals": {"escrow": "", "restore": "", "overdue": ["escrow"]}},
    "Asked for a tunnel": {"owner": {"request": {"why": "lost pictures", "made": "2026-11-20T03:00:00Z"}}},
    "Of the owners": {"owner": {"hooks": ["10-a"]}},
}


@pytest.mark.parametrize(
    ("heading", "told", "is_urgent"),
    [
        *((heading, told, True) for heading, told in URGENT.items()),
        *((heading, told, False) for heading, told in QUIET.items()),
    ],
)
def test_a_good_run_tells_of_this_and_it_is_worth_a_mail_or_not(
    run: Run, heading: str, told: dict[str, Any], is_urgent: bool
) -> None:
    of_run = {key: value for key, value in told.items() if key in ("unheard", "waiting", "nas")}
    of_client = {key: value for key, value in told.items() if key not in of_run}
    page = make_page(run_of(run, client("web01", **of_client), **of_run), RECORD)
    assert page.status == "SUCCESS" and not page.alerts and not page.changes
    assert {note.heading: note.urgent for note in page.notes} == {heading: is_urgent}
    assert page.is_urgent is is_urgent


def test_good_alone_is_not_urgent_and_each_kind_of_bad_is(run: Run) -> None:
    assert not make_page(run, RECORD).is_urgent
    history = add_run(History(), run_of(run, client("a"), client("b", state=State.FAILED), version="1"))
    for bad in (
        make_page(run_of(run, client("a", state=State.FAILED)), RECORD),
        make_page(run_of(run, client("a", frozen=FROZEN)), RECORD),
        make_page(replace(run, problems=("x",)), RECORD),
        make_page(run_of(run, client("a"), client("b")), RECORD, history),  # well again
    ):
        assert bad.is_urgent
    newer = make_page(run_of(run, client("a"), version="2"), RECORD, history)
    assert [one.kind for one in newer.changes] == ["Versions"] and not newer.is_urgent


def test_what_is_urgent_comes_first(run: Run) -> None:
    of_client = {key: value for told in (*URGENT.values(), *QUIET.values()) for key, value in told.items()}
    of_run = {key: of_client.pop(key) for key in ("unheard", "waiting", "nas")}
    of_client["ledger"] = {**HEAD, "spare": "no space left", "witnesses": [LATE]}
    of_client["unusual"] = {**UNUSUAL, "expected": "2026-12-01"}
    of_client["owner"] = {"request": {"why": "x"}, "hooks": ["10-a"]}
    absent = Roll((Absent("c3", "vault", Absence.LEFT_OUT),), ("attic: no route",))
    waiting = Client("c9", State.OK, maintained(waiting="held", missing=["9" * 64], unknown=[{"id": "8" * 64}]))
    page = make_page(
        run_of(run, client("a", **of_client), waiting, Client("off", State.SKIPPED), roll=absent, **of_run), RECORD
    )
    assert [note.heading for note in page.notes] == [
        "Nobody has heard of", "Not delivered yet", "The server's clock cannot be believed", "Unusual", "NAS",
        "Left out of this run", "Could not say who is missing", "The server was made again",
        "Not saved beside the repositories", "Not witnessed", "Missing archives", "Unknown archives", "Remarks",
        "A change is expected", "Smaller on purpose", "Borg with known weaknesses", "Escrow", "Not rehearsed",
        "Asked for a tunnel", "Of the owners", "Waiting", "Skipped",
    ]  # fmt: skip
    told = notes(page)
    assert told["Nobody has heard of"] == (("run r1 of 2026-11-20 03:00 UTC", ("it never ended",)),)
    assert told["Could not say who is missing"] == (("attic", ("no route",)),)
    assert told["Remarks"] == (("a", ("2 changed while they were read (1 of them accepted): /a, …",)),)
    assert told["Skipped"] == (("off", ("no reason given",)),)
    assert told["Asked for a tunnel"] == (("a", ("since an unknown time: x",)),)


def test_who_is_absent_stands_under_why(run: Run) -> None:
    absent = tuple(Absent(f"c-{why}", "vault", why, "", 7200.0, "1.2.3.4", "host") for why in Absence)
    told = notes(make_page(replace(run, roll=Roll(absent)), RECORD))
    assert {heading: [name for name, _lines in entries] for heading, entries in told.items()} == {
        "Not in the inventory": ["c-unlisted"],
        "At another address": ["c-moved"],
        "Changed in the inventory": ["c-changed"],
        "Left out of this run": ["c-left_out"],
    }
    assert told["Not in the inventory"] == (("c-unlisted", ("last success 2 h 00 min ago, on vault",)),)


# The headline says it all, for whoever reads no further.


def test_the_headline_tells_of_who_is_absent_the_nas_and_earlier_runs(run: Run) -> None:
    absent = Roll((Absent("a", "v", Absence.UNLISTED), Absent("b", "v", Absence.LEFT_OUT)))
    bad = Nas("nas1", ("a pool is degraded", "no copy")), Nas("nas2", ("no copy",)), Nas("nas3")
    said = format_headline(replace(run, roll=absent, nas=bad, unheard=("r1: x", "r2: x"), problems=("x",)))
    assert plain(said) == (
        "All 2 clients backed up. 1 client is not in the inventory, 1 is left out of this run. Somebody should look "
        "at nas1 and nas2: 3 problems. Nobody has heard of 2 earlier runs. The run itself had a problem."
    )
    late = format_headline(replace(run, waiting=("r1: its mail to a: x", "r1: its notice to b: x", "r2: y")))
    assert late.endswith("Not everybody could be told of 2 earlier runs yet.")
    one = format_headline(replace(run, unheard=("r1: x",), nas=bad[1:]))
    assert one.endswith("Somebody should look at nas2: 1 problem. Nobody has heard of 1 earlier run.")
    assert summarize_nas(bad[2:]) == ""


def test_a_compaction_counts_what_is_not_due_apart_from_what_was_done(run: Run) -> None:
    def said(*states: Client) -> str:
        return plain(format_headline(run_of(run, *states)))

    done = Client("a", State.OK, compacted(), Work.COMPACT)
    waits = Client("b", State.OK, compacted(size_after=None, waiting="held"), Work.COMPACT)
    off = Client("c", State.SKIPPED, None, Work.COMPACT)
    assert said(done) == "1 client compacted, 3.0 GiB freed."
    assert said(done, off) == "1 of 2 clients compacted, 3.0 GiB freed, 1 skipped."
    assert said(done, waits, off) == "1 of 3 clients compacted, 3.0 GiB freed, 1 not due, 1 skipped."
    unknown = Client("d", State.OK, compacted(size_after=None), Work.COMPACT)
    assert said(unknown) == "1 client compacted."


# Few failures are told one by one, many by their causes.


def failed(count: int, code: str = "quota", first: int = 0) -> list[Client]:
    return [client(f"c{place:02}", state=State.FAILED, code=code) for place in range(first, first + count)]


def test_causes_are_told_from_eight_on_the_most_frequent_first() -> None:
    assert list_causes(failed(CAUSES_FROM - 1), False) == ()
    told = list_causes([*failed(2), *failed(CAUSES_FROM - 2, "locked", 10)], False)
    assert [(one.code, one.count) for one in told] == [("locked", "6"), ("quota", "2")]
    kinds = ("alarm", "refused", "quota", "locked", "frozen", "no_archive", "bad_result", "unreachable", "disk_full",
             "server_error", "client_failed", "check_failed", "incomplete", "shrunk")  # fmt: skip
    many = [one for place, kind in enumerate(kinds) for one in failed(1 if place > 11 else 3, kind, 5 * place)]
    told = list_causes(many, True)
    assert len(told) == CAUSES_SHOWN + 1 and (told[-1].code, told[-1].count) == ("others", "2")
    assert told[0].names == "c00, backup, c01, backup and c02, backup"


def test_of_each_cause_the_first_are_shown_before_more_of_the_same() -> None:
    many = [*failed(4), *failed(3, "locked", 10)]
    for shown, names in (
        (1, ["c00"]),
        (2, ["c00", "c10"]),
        (3, ["c00", "c01", "c10"]),
        (4, ["c00", "c01", "c10", "c11"]),
    ):
        limits = replace(WHOLE, failures=shown, per_cause=2)
        assert [one.name for one in choose_failures(many, limits)] == names
    assert len(choose_failures(many, replace(WHOLE, failures=9, per_cause=2))) == 4


def test_a_failure_says_what_it_is_once(run: Run) -> None:
    told = [
        client("a", state=State.FAILED, code="quota", reason="full", gate={"refused": list("xyz")}),
        client("b", state=State.UNREACHABLE, code="unreachable", reason="no answer"),
        Client("c", State.RUNNING),
        client("d", state=State.FAILED, code="alarm", reason="ALARM: x", log="/l", log_tail=["1", "2", "3"]),
    ]
    shown = make_page(run_of(run, *told), RECORD, limits=replace(WHOLE, lines=2, logs=4)).failures
    assert [(one.client, one.label, one.code, one.reason, one.refused, one.log_tail) for one in shown] == [
        ("a", "failed", "quota", "full", ("x", "y"), ()),
        ("b", "unreachable", "", "no answer", (), ()),
        ("c", "no result", "", "the work started, but no result came", (), ()),
        ("d", "alarm", "", "see the alarm above", (), ("2", "3")),
    ]
    for logs in (3, 4):
        limits = replace(WHOLE, lines=2, logs=logs)
        assert bool(make_page(run_of(run, *told), RECORD, limits=limits).failures[3].log_tail) is (logs == 4)


# What is cut says how much of it is missing.


@pytest.mark.parametrize(
    ("entries", "shown", "more"), [(2, 2, ""), (3, 3, ""), (4, 3, "and 1 more"), (9, 3, "and 6 more")]
)
def test_a_note_that_is_cut_says_how_many_are_missing(run: Run, entries: int, shown: int, more: str) -> None:
    told = [client(f"c{place}", owner={"hooks": ["h"]}) for place in range(entries)]
    (note,) = make_page(run_of(run, *told), RECORD, limits=replace(WHOLE, entries=3)).notes
    *_listed, last = note.entries
    assert len(note.entries) == shown + bool(more)
    assert (last == (more, ("see the record",))) is bool(more)


@pytest.mark.parametrize(
    ("lines", "shown"), [(3, 3), (4, 4), (5, 4), (9, 4)], ids=["fits", "one over says itself", "cut", "cut far"]
)
def test_an_entry_that_is_cut_says_how_many_lines_are_missing(run: Run, lines: int, shown: int) -> None:
    told = client("a", rebuilt=[f"line {place}" for place in range(lines)])
    (note,) = make_page(run_of(run, told), RECORD, limits=replace(WHOLE, lines=3)).notes
    ((_name, listed),) = note.entries
    assert len(listed) == shown and listed[:3] == ("line 0", "line 1", "line 2")
    assert listed[3:] == (
        () if lines == 3 else ("line 3",) if lines == 4 else (f"and {lines - 3} more lines, see the record",)
    )


@pytest.mark.parametrize(("count", "more"), [(NAMES_SHOWN, 0), (NAMES_SHOWN + 1, 1), (NAMES_SHOWN + 2, 2)])
def test_missing_archives_are_named_by_id_and_counted(run: Run, count: int, more: int) -> None:
    lost = [{"id": f"{place:064x}"[::-1], "name": f"n{place}"} for place in range(count)]
    shown = make_page(
        run_of(run, Client("a", State.FAILED, maintained("archives_missing", missing=lost), Work.MAINTAIN)), RECORD
    )
    ((_name, listed),) = notes(shown)["Missing archives"]
    assert listed[0] == "000000000000  n0" and len(listed) == NAMES_SHOWN + bool(more)
    assert not more or listed[-1] == f"and {more} more, see the record"
    assert f"{count} missing archives on a." in shown.headline


def test_what_one_thing_is_called_when_there_is_one_of_it(run: Run) -> None:
    one = maintained("archives_missing", missing=["9" * 64], unknown=[{"id": "8" * 64}])
    said = format_headline(run_of(run, Client("a", State.FAILED, one, Work.MAINTAIN)))
    assert said == "1 of 1 client failed: a. 1 missing archive on a. 1 unknown archive on a."


# The table.


def test_a_table_shows_as_many_rows_as_it_may_and_counts_the_rest(run: Run) -> None:
    states = (State.OK, State.FAILED, State.SKIPPED, State.PLANNED, State.RUNNING, State.OK)
    told = [Client(f"c{place}", state, session()) for place, state in enumerate(states)]
    (table,) = make_page(run_of(run, *told), RECORD, limits=replace(WHOLE, rows=2)).tables
    assert [(row.client, row.label, row.tone) for row in table.rows] == [
        ("c1", "failed", "bad"),
        ("c4", "no result", "bad"),
    ]
    assert table.more == "4 more: 1 skipped, 1 not run, 2 ok"
    assert (table.total.client, table.total.label) == ("total 6", "2 ok")
    (whole,) = make_page(run_of(run, *told), RECORD).tables
    assert [(row.label, row.tone) for row in whole.rows[2:]] == [
        ("skipped", "quiet"), ("not run", "quiet"), ("ok", "good"), ("ok", "good"),
    ]  # fmt: skip
    assert whole.more == "" and whole.spare == ("files", "compr.")


@pytest.mark.parametrize(
    ("told", "label", "tone"),
    [
        (client("a", state=State.FAILED, audit=GONE), "alarm", "bad"),
        (client("a", state=State.FAILED, code="frozen"), "frozen", "bad"),
        (client("a", state=State.FAILED, code="switched_off"), "off", "bad"),
        (client("a", state=State.UNREACHABLE), "unreachable", "bad"),
        (client("a", audit={"verdict": "expected"}), "ok", "good"),
        (Client("a", State.OK, compacted(size_after=None, waiting="held"), Work.COMPACT), "waiting", "quiet"),
        (Client("a", State.FAILED, compacted(size_after=None, waiting="held"), Work.COMPACT), "failed", "bad"),
        (Client("a", State.RUNNING), "no result", "bad"),
    ],
)
def test_how_a_client_ended_is_one_word_and_red_is_red(run: Run, told: Client, label: str, tone: str) -> None:
    (row,) = make_page(run_of(run, told), RECORD).tables[0].rows
    assert (row.label, row.tone) == (label, tone)


def test_what_is_not_known_is_a_dash_and_no_zero(run: Run) -> None:
    def cells(one: SessionResult | None, work: Work) -> tuple[str, ...]:
        (table,) = make_page(run_of(run, Client("a", State.OK, one, work)), RECORD).tables
        assert table.total.cells[1:] == table.rows[0].cells[1:], "of one client the total is its own"
        return tuple(map(plain, table.rows[0].cells))

    nothing = SessionResult.from_dict({})
    for one in (None, nothing):
        assert cells(one, Work.BACKUP) == ("–",) * 6
        assert cells(one, Work.COMPACT) == ("–",) * 5
        assert cells(one, Work.AUDIT) == ("–",) * 2
        assert cells(one, Work.DRILL) == ("–",) * 2
    empty = {"original_size": 0, "compressed_size": 0, "deduplicated_size": 0, "nfiles": 0}
    assert cells(session(duration=0.0, bytes_received=0, archive=empty), Work.BACKUP) == (
        "0.0 s", "0", "0 B", "0 B", "0 B", "0 B",
    )  # fmt: skip
    assert cells(compacted(size=0, freeable=0, size_after=0), Work.COMPACT) == ("41 s", "0 B", "0 B", "0 B", "0 B")
    assert cells(compacted(size=None), Work.COMPACT) == ("41 s", "–", "3.0 GiB", "–", "47.0 GiB")
    assert cells(session(audit={"verdict": "clean"}), Work.AUDIT)[1] == "0"
    tried = session(duration=3.5, drill={"archive_name": "web1-2026", "files": 1200})
    assert cells(tried, Work.DRILL) == ("3.5 s", "1 200")


@pytest.mark.parametrize(
    ("count", "shown"), [(UNKNOWN_LIMIT - 1, f"{UNKNOWN_LIMIT - 1}"), (UNKNOWN_LIMIT, f"{UNKNOWN_LIMIT}+")]
)
def test_as_many_unknown_archives_as_a_client_may_tell_of_may_be_more(run: Run, count: int, shown: str) -> None:
    many = maintained(unknown=[{"id": f"{place:064}"} for place in range(count)])
    (table,) = make_page(run_of(run, Client("a", State.OK, many, Work.MAINTAIN)), RECORD).tables
    assert table.rows[0].cells[3] == shown


# What stands below: how each server, NAS and watch is.


def test_the_facts_of_a_run(run: Run) -> None:
    history = History()
    for day in range(1, 6):
        history = add_run(history, replace(run, finished=f"2026-11-{day:02}T03:00:00Z"))
    told: dict[str, Any] = {"ledger": {**HEAD, "witnesses": [{**LATE, "time": "2026-11-21T05:32:10Z"}]}}
    clients = (client("web01", **told), client("b", state=State.FAILED), Client("c", State.SKIPPED))
    facts = make_page(run_of(run, *clients, check=True, nas=()), RECORD, history).facts
    assert [(name, plain(what)) for name, what in facts] == [
        ("Clients", "1 ok, 1 failed, 1 skipped of 3"),
        ("Started", "2026-11-21 06:30:00 UTC, took 2 min 10 s"),
        ("Playbook", "backup.yml (check run), by root on ctl"),
        ("Received", "310 MiB, usually 310 MiB"),
        ("Run", "20261121T063000Z-1a2b3c4d"),
        ("Record", RECORD),
        ("Ledger", f"{HEAD['head']} on vault"),
        ("Witness", "by tower up to entry 3, 1 h 00 min ago, on vault"),
        ("NAS", facts[-1][1]),
    ]
    assert facts[-1][1].startswith("none in the inventory") and describe_nas(None) == []
    assert "Record" not in dict(make_page(run, "").facts) and "NAS" not in dict(make_page(run, "").facts)


def test_how_a_nas_is() -> None:
    pools = (
        Pool("tank", 81, 30.4),
        Pool("slow", 5, 400.0),
        Pool("never", 5, 401.0),
        Pool("new"),
        Pool("full", 0, None),
    )
    told = describe_nas([Nas("nas1", (), tuple("abcde"), 60.0, None, 0.0, pools), Nas("nas2", (), tuple("abc"))])
    assert told == [
        "nas1: snapshot 1 min 00 s ago, scrub 0.0 s ago, tank 81 % full (wholly in 30 days), "
        "slow 5 % full (wholly in 400 days), never 5 % full, full 0 % full",
        *("nas1: a", "nas1: b", "nas1: c", "nas1: and 2 more remarks, see the record"),
        *("nas2: a", "nas2: b", "nas2: c"),
    ]
