# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as text and HTML: what it says, in which order, and that nothing in it can do harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.failures import BRIEF, WHOLE
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.headline import format_headline, format_status
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import (
    WIDTH,
    align,
    quote,
    render_html,
    render_text,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import (
    NAMES_SHOWN,
    SERVERS_SHOWN,
    Page,
    make_page,
)
from report_samples import HOSTILE, audit_run, compact_run, compacted, maintain_run, maintained, session

RECORD = "/var/lib/reports/20261121T063000Z-1a2b3c4d/record.json"

GOOD = """\
backup: SUCCESS
All 2 clients backed up.

client   status        time    files  original    compr.   dedup.  received
───────────────────────────────────────────────────────────────────────────
web01    ok      1 min 03 s  184 223  48.0 GiB  31.0 GiB  212 MiB   310 MiB
db01     ok            12 s  184 223  48.0 GiB  31.0 GiB  212 MiB   310 MiB
───────────────────────────────────────────────────────────────────────────
total 2  2 ok    2 min 10 s  368 446  96.0 GiB  62.0 GiB  424 MiB   620 MiB

Clients   2 ok, 0 failed, 0 skipped of 2
Started   2026-11-21 06:30:00 UTC, took 2 min 10 s
Playbook  backup.yml, by root on ctl
Run       20261121T063000Z-1a2b3c4d
Record    /var/lib/reports/20261121T063000Z-1a2b3c4d/record.json
"""


MAINTAIN = """\
client   status        time  deleted  kept  unknown  missing    check
─────────────────────────────────────────────────────────────────────
db02     failed  1 min 34 s        0    28        0        2  skipped
app01    failed  1 min 34 s        3    28        0        0   failed
mail01   frozen           –        –     –        –        –        –
web01    ok      1 min 34 s        3    28        0        0       ok
web02    ok      1 min 34 s        0    28        0        0       ok
db01     ok      1 min 34 s        3    28        2        0       ok
─────────────────────────────────────────────────────────────────────
total 6  3 ok    2 min 10 s        9   140        2        2        –
"""

COMPACT = """\
client   status         time    before  freeable    freed     after
───────────────────────────────────────────────────────────────────
db01     alarm             –         –         –        –         –
web01    ok             41 s  50.0 GiB   3.0 GiB  3.0 GiB  47.0 GiB
web02    waiting        41 s  50.0 GiB   3.0 GiB        –  50.0 GiB
app01    waiting        41 s  50.0 GiB   3.0 GiB        –  50.0 GiB
───────────────────────────────────────────────────────────────────
total 4  3 ok     2 min 10 s   150 GiB   9.0 GiB  3.0 GiB   147 GiB
"""


class Elements(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _value in attrs)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_text_of_a_good_run(run: Run) -> None:
    assert render_text(make_page(run, RECORD)).replace("\u00a0", " ") == GOOD


def test_text_is_printable_and_fits_whatever_a_client_sends(bad_run: Run) -> None:
    text = render_text(make_page(bad_run, RECORD))
    for line in text.splitlines():
        assert len(line) <= WIDTH or line.startswith("    from the end of "), line
        assert line.replace("\u00a0", " ").isprintable(), ascii(line)
    assert "{{ 7*7 }}" in text
    assert "\\x1b[2J" in text
    assert "\\u202e" in text
    text.encode()


@pytest.mark.parametrize("render", [render_text, render_html])
def test_what_a_client_says_is_read_as_it_was_written(run: Run, render: Callable[[Page], str]) -> None:
    """Neither turned around, as "backup of 12 :\u05d0 archives kept", nor blank, struck through or piled up."""
    lie = "backup of \u05d0: 12 archives kept, 90000 lost"
    tail = [lie, "disk\u3164\u2800full", "ok" + "\u0300" * 40, "\u0336".join("failed"), "0 files\U000e0031"]
    texts = {
        "reason": lie,
        "log_tail": tail,
        "gate": {"refused": [lie]},
        "audit": {"verdict": "alarm", "findings": tail},
    }
    client = Client("db02", State.FAILED, session(**texts, code="client_failed", archive={"name": lie}))
    shown = render(make_page(replace(run, clients=(client,)), RECORD))
    assert not set("\u05d0\u3164\u2800\u0336\U000e0031") & set(shown)
    assert "\u0300" * 4 not in shown
    assert "backup of \\u05d0: 12 archives kept, 90000 lost" in shown
    assert "disk\\u3164\\u2800full" in shown and "f\\u0336a" in shown


def test_alarms_come_first_then_problems_then_failures(bad_run: Run) -> None:
    text = render_text(make_page(bad_run, RECORD))
    html = render_html(make_page(bad_run, RECORD))
    assert text.startswith("ALARM: mail01's repository is not as it was left\n  12 objects are gone\n")
    for places in (
        [text.index(word) for word in ("ALARM", "backup: ", "PROBLEMS OF THE RUN", "FAILED", "SKIPPED", "client  ")],
        [
            html.index(word)
            for word in (">ALARM<", "<h1", ">Problems of the run<", ">Failed<", ">Skipped<", ">Clients<")
        ],
    ):
        assert places == sorted(places)


def test_failed_clients_lead_the_table(bad_run: Run) -> None:
    assert [row.label for row in make_page(bad_run, RECORD).tables[0].rows] == [
        "failed", "unreachable", "alarm", "no result", "skipped", "not run", "ok", "ok",
    ]  # fmt: skip


def test_html_holds_nothing_of_a_client_but_text(run: Run, bad_run: Run) -> None:
    good, bad = Elements(render_html(make_page(run, RECORD))), Elements(render_html(make_page(bad_run, RECORD)))
    assert set(bad.tags) - set(good.tags) <= {"div", "p", "pre", "strong"}
    assert "script" not in bad.tags
    assert bad.attributes <= good.attributes
    assert "<script>alert(1)</script>&\"'{{ 7*7 }} Bcc: victim@example.org\\x1b[2J" in bad.words


def test_html_needs_nothing_from_elsewhere(bad_run: Run) -> None:
    html = render_html(make_page(bad_run, RECORD))
    assert not re.search(r"(?i)\b(src|href|action|background)\s*=|url\(|@import|//", re.sub(r"<!--.*?-->", "", html))


def test_a_hostile_title_is_text_too(run: Run) -> None:
    assert "script" not in Elements(render_html(make_page(replace(run, title=HOSTILE[:25]), RECORD))).tags


def test_a_thousand_failures_make_a_mail_that_can_be_sent(run: Run) -> None:
    lost = session(reason="x" * 500, log_tail=["y" * 300] * 20, archive=None)
    many = replace(run, clients=tuple(Client(f"c{place:04}", State.FAILED, lost) for place in range(1000)))
    shown = make_page(many, RECORD)
    assert sum(bool(item.log_tail) for item in shown.failures) == WHOLE.logs
    assert len(render_html(shown)) < 5_000_000
    assert len(render_text(shown)) < 2_000_000


def test_headlines(run: Run, bad_run: Run) -> None:
    web, _db = run.clients
    off, lost, never = Client("off", State.SKIPPED), Client("lost", State.FAILED), Client("never")
    assert format_headline(run) == "All 2 clients backed up."
    assert format_headline(replace(run, clients=(web,))) == "1 client backed up."
    assert (
        format_headline(replace(run, check=True)) == "All 2 clients can be backed up (check run, no archive was made)."
    )
    assert format_headline(replace(run, clients=(web, off))) == "1 of 2 clients backed up, 1 skipped."
    assert format_headline(replace(run, clients=(off,))) == "Nothing was backed up: 1 client skipped."
    assert format_headline(replace(run, clients=(web, lost))) == "1 of 2 clients failed: lost."
    assert format_headline(replace(run, clients=(web, never))) == "1 of 2 clients did not get a turn."
    assert format_headline(replace(run, clients=())).startswith("Nothing was done: no client matched")
    assert format_headline(replace(run, problems=("x",))) == "All 2 clients backed up. The run itself had a problem."
    assert format_headline(bad_run).startswith("4 of 8 clients failed: ")
    alarmed = Client("bad", State.FAILED, session(audit={"verdict": "alarm", "findings": ["gone"]}))
    assert [format_status(replace(run, clients=one)) for one in ((web, lost), (web, alarmed), (alarmed,))] == [
        "FAILURE",
        "ALARM",
        "ALARM",
    ]


def test_a_maintenance(run: Run) -> None:
    text = render_text(make_page(maintain_run(run), RECORD))
    assert text.startswith("FROZEN: mail01 is frozen since 2026-11-20 03:00 UTC: look, roll back or not,\nthen ")
    assert (
        "\nbackup: maintain FAILURE\n3 of 6 clients failed: db02, app01 and mail01. 2 missing archives on db02." in text
    )
    assert "  db02\n    999999999999  kept\n    888888888888  (no name)\n" in text
    assert "  db01\n    cccccccccccc  by-hand\n    dddddddddddd  <script>" in text
    assert "\n  web02: the trim of 2026-11-14 waits for its compaction, so 4 archives stay\n  until then\n" in text
    assert MAINTAIN in text
    failed = text[text.index("\nFAILED\n") : text.index("\nMISSING ARCHIVES\n")]
    assert "mail01" not in failed  # the first line has said it
    assert all(len(line) <= WIDTH and line.replace("\u00a0", " ").isprintable() for line in text.splitlines())


def test_what_a_client_names_is_text_in_html_too(run: Run) -> None:
    shown = Elements(render_html(make_page(maintain_run(run), RECORD)))
    assert "script" not in shown.tags
    assert "dddddddddddd  <script>alert(1)</script>&\"'{{ 7*7 }} Bcc: victim@example.org\\x1b[2J" in shown.words


def test_many_unknown_archives_are_counted_and_the_first_are_named(run: Run) -> None:
    many = maintained(unknown=[{"id": f"{place:064}", "name": f"n{place}"} for place in range(120)])
    shown = make_page(replace(run, clients=(Client("web01", State.OK, many, Work.MAINTAIN),)), RECORD)
    ((_client, names),) = shown.notes[0].entries
    assert (len(names), names[-1]) == (NAMES_SHOWN + 1, "and 80 more, see the record")
    assert shown.tables[0].rows[0].cells[3] == "100+"
    assert "100 unknown archives on web01." in shown.headline


def test_a_backup_of_a_frozen_client_is_well_and_says_so_first(run: Run) -> None:
    alarm = {"kind": "repository", "client": "web01", "findings": ["gone"], "since": "2026-11-20T03:00:12+00:00"}
    frozen = Client("web01", State.OK, session(frozen=alarm))
    shown = make_page(replace(run, clients=(frozen,)), RECORD)
    first = "FROZEN: web01's repository is not as it was left, it is frozen: gone\nBackups of a frozen"
    assert render_text(shown).startswith(first)
    other = replace(run, clients=(replace(frozen, session=session(frozen="by hand")),))
    assert render_text(make_page(other, RECORD)).startswith("FROZEN: web01 is frozen: by hand\n")
    assert (shown.status, shown.what, shown.tables[0].rows[0].label) == ("SUCCESS", "SUCCESS", "ok")


def test_a_compaction(run: Run) -> None:
    text = render_text(make_page(compact_run(run), RECORD))
    assert text.startswith("ALARM: db01's repository is not as it was left, it is frozen: 12 stored\nobjects were")
    assert "\nFAILED\n" not in text
    assert "\n  web02 and app01: what was deleted is held until 2026-12-05 06:30 UTC\n" in text
    assert COMPACT in text
    rows = make_page(compact_run(run), RECORD).tables[0].rows
    assert [row.tone for row in rows] == ["bad", "good", "quiet", "quiet"]


def test_an_audit(run: Run) -> None:
    text = render_text(make_page(audit_run(run), RECORD))
    assert text.startswith("ALARM: db01's repository is not as it was left\n  damage: segment 17, offset 8: wrong")
    assert "client   status        time  findings\n" in text
    assert "web01    ok           0.3 s         0\n" in text


def test_an_alarm_with_a_log_stays_among_the_failures(run: Run) -> None:
    alarm = session(audit={"verdict": "alarm", "findings": ["gone"]}, reason="ALARM: gone", log="/l", log_tail=["new"])
    shown = make_page(replace(run, clients=(Client("web01", State.FAILED, alarm),)), RECORD)
    assert [(item.reason, item.log_tail) for item in shown.failures] == [("see the alarm above", ("new",))]


def test_what_the_gate_refused_is_told_beside_the_alarm(run: Run) -> None:
    audit = {"verdict": "alarm", "findings": ["gone"]}
    alarm = session(audit=audit, reason="ALARM: gone", gate={"refused": ["delete of what was there"]})
    shown = make_page(replace(run, clients=(Client("web01", State.FAILED, alarm),)), RECORD)
    assert [(item.reason, item.refused) for item in shown.failures] == [
        ("see the alarm above", ("delete of what was there",))
    ]


def test_several_works_have_a_table_each(run: Run) -> None:
    maintenance = Client("web01", State.FAILED, maintained("check_failed", "errors"), Work.MAINTAIN)
    both = replace(run, clients=(*run.clients, maintenance))
    shown = make_page(both, RECORD)
    assert [(table.heading, len(table.rows)) for table in shown.tables] == [("Backup", 2), ("Maintain", 1)]
    assert shown.tables[1].total.cells[0] == "–"  # the run's time is not that of one work
    assert [item.client for item in shown.failures] == ["web01, maintain"]
    assert "1 of 2 clients failed: web01." in shown.headline
    text = render_text(shown)
    assert text.startswith("backup: backup and maintain FAILURE\n")
    assert text.index("\nBACKUP\nclient") < text.index("\nMAINTAIN\nclient")


def test_a_check_run_shows_what_it_can_know(run: Run) -> None:
    plan = Client("web01", State.OK, maintained(deleted=[]), Work.MAINTAIN)
    (table,) = make_page(replace(run, check=True, clients=(plan,)), RECORD).tables
    assert (table.columns, table.rows[0].cells) == (("time", "to delete", "archives now"), ("1 min 34 s", "3", "28"))
    assert make_page(replace(run, check=True), RECORD).tables[0].columns == ("time", "received")
    sized = Client("web01", State.OK, compacted(size_after=None), Work.COMPACT)
    assert make_page(replace(run, check=True, clients=(sized,)), RECORD).tables[0].columns == (
        "time",
        "before",
        "freeable",
    )


def test_format_status(run: Run, bad_run: Run) -> None:
    assert (format_status(run), format_status(bad_run), format_status(replace(run, clients=()))) == (
        "SUCCESS",
        "ALARM",
        "FAILURE",
    )
    assert format_status(maintain_run(run)) == "maintain FAILURE"


def test_headlines_of_other_works(run: Run) -> None:
    def said(work: Work, *sessions: SessionResult, **changes: Any) -> str:
        clients = tuple(Client(f"c{place}", State.OK, one, work) for place, one in enumerate(sessions))
        return format_headline(replace(run, clients=clients, **changes))

    assert said(Work.MAINTAIN, maintained(), maintained()) == "All 2 clients maintained, 6 archives deleted."
    assert said(Work.MAINTAIN, maintained(deleted=[])) == "1 client maintained."
    waits = compacted(size_after=None, waiting="no trim waits for it")
    assert said(Work.COMPACT, compacted(), waits) == "1 of 2 clients compacted, 3.0 GiB freed, 1 not due."
    assert said(Work.COMPACT, waits) == "0 of 1 client compacted, 1 not due."
    clean = SessionResult.from_dict({"audit": {"verdict": "clean"}})
    assert said(Work.AUDIT, clean, clean) == "All 2 clients audited: as they were left."
    tried = SessionResult.from_dict({"drill": {"archive_name": "a", "files": 3}})
    assert said(Work.DRILL, tried, tried) == "All 2 clients drilled: what was tried came back."


def test_wide_names_stay_aligned(run: Run) -> None:
    wide = Client("サーバー", State.OK, session())
    lines = align(make_page(replace(run, clients=(*run.clients, wide)), RECORD).tables[0])
    assert lines[4].index("ok") + 4 == lines[2].index("ok")


def test_quote_loses_nothing() -> None:
    for line in ("x" * 250, "  words of a log  " * 20, " "):
        parts = quote(line, 4).splitlines()
        assert all(part.startswith("    │ ") and len(part) <= WIDTH for part in parts)
        assert "".join(part[6:] for part in parts) == line
    assert quote("", 4) == "    │ "


def test_a_path_is_never_folded(run: Run) -> None:
    path = "/var/log/paranoid-backup/web01/" + "x" * 80
    lost = Client("web01", State.FAILED, session(reason=f"look into {path}", log=path))
    text = render_text(make_page(replace(run, clients=(lost,)), f"/{'r' * 90}/record.json"))
    assert f"\n    {path}\n    log: {path}\n" in text
    assert text.endswith(f"\nRecord    /{'r' * 90}/record.json\n")


def test_each_servers_ledger_is_noted_as_it_was_last(run: Run) -> None:
    def ledgers(*told: object) -> list[str]:
        clients = tuple(Client(f"c{place}", State.OK, session(ledger=one)) for place, one in enumerate(told))
        shown = make_page(replace(run, clients=clients), RECORD)
        assert "<script" not in render_html(shown) and render_html(shown).count(">Ledger</td>") <= SERVERS_SHOWN
        return [line for line in render_text(shown).splitlines() if line.startswith("Ledger")]

    vault, spare = ({"host": host, "head": f"{seq}:{seq:064x}"} for host, seq in (("vault", 12), ("spare", 9)))
    earlier = {"host": "vault", "head": "3:" + "a" * 64}
    assert ledgers(vault, earlier, spare) == [f"Ledger    9:{9:064x} on spare", f"Ledger    12:{12:064x} on vault"]
    assert ledgers(None, {}, {"host": "vault"}, {"host": "vault", "head": "3:"}, {"head": 7}, "x", ["3:"]) == []
    (hostile,) = ledgers({"host": HOSTILE, "head": earlier["head"]})
    assert hostile.startswith(f"Ledger    {earlier['head']} on <script>") and hostile.isprintable()
    assert len(ledgers(*({"host": f"v{place}", "head": earlier["head"]} for place in range(99)))) == SERVERS_SHOWN


@pytest.mark.parametrize("render", [render_text, render_html])
def test_who_deletes_for_itself_is_named_with_what_bounds_it(run: Run, render: Callable[[Page], str]) -> None:
    by_itself, by_keeper = maintained(by="web01"), maintained(by="keeper1")
    clients = (Client("web01", State.OK, by_itself), Client("web02", State.OK, by_keeper))
    shown = " ".join(render(make_page(replace(run, clients=clients), RECORD)).split())
    assert shown.count("Maintain themselves") == 1
    assert "web01; a thief of one deletes at most what came with the archives that go" in shown
    assert "until the compaction it comes back; a keyholder instead is the stronger promise" in shown
    others = (Client("web02", State.OK, by_keeper), Client("web03", State.OK, session()))
    assert "Maintain themselves" not in render(make_page(replace(run, clients=others), RECORD))


def test_the_record_keeps_the_ledger(run: Run) -> None:
    told = {"host": "v", "head": "3:" + "a" * 64}
    kept = replace(run, clients=(Client("web01", State.OK, session(ledger=told)),)).to_dict()
    assert kept["clients"][0]["session"]["ledger"] == {**told, "seq": 3, "spare": "", "witnesses": ()}


def test_the_mail_says_up_to_where_the_ledger_is_witnessed(run: Run) -> None:
    def shown(*witnesses: object) -> str:
        told = {"host": "vault", "head": f"12:{12:064x}", "witnesses": list(witnesses)}
        finished = replace(
            run, clients=(Client("web01", State.OK, session(ledger=told)),), finished="2026-11-26T06:00:00Z"
        )
        return " ".join(render_text(make_page(finished, RECORD)).split())

    young = {"name": "tower", "seq": 4711, "time": "2026-11-26T02:58:00Z"}
    assert "Witness by tower up to entry 4 711, 3 h 02 min ago, on vault" in shown(young)
    assert "NOT WITNESSED" not in shown(young) and "WITNESS" not in shown().upper()
    old = {**young, "time": "2026-11-23T05:59:00Z"}
    assert "NOT WITNESSED" in shown(old) and "tower has signed it up to entry" in shown(old)
    for never in ({"name": "tower", "seq": 0, "time": ""}, {**young, "time": "yesterday"}, {**young, "seq": "9"}):
        assert "NOT WITNESSED" in shown(young, never)
    hostile = shown({**young, "name": HOSTILE}, 7, None, *[young] * 99)
    assert hostile.isprintable() and hostile.count("by tower") < 20


def test_what_is_not_saved_beside_the_repositories_is_told_until_it_is(run: Run) -> None:
    head = {"host": "vault", "head": "3:" + "a" * 64}
    late = {"host": "vault", "head": "4:" + "b" * 64}

    def text(*told: object) -> str:
        clients = tuple(Client(f"c{place}", State.OK, session(ledger=one)) for place, one in enumerate(told))
        return " ".join(render_text(make_page(replace(run, clients=clients), RECORD)).split())

    assert "NOT SAVED BESIDE THE REPOSITORIES" in text({**head, "spare": "no space left"})
    assert "vault no space left" in text({**head, "spare": "no space left"})
    assert "NOT SAVED" not in text({**head, "spare": "no space left"}, {**late, "spare": ""})
    assert "NOT SAVED" not in text(head)  # as of an earlier release
    many = [{"host": f"v{place}", "head": head["head"], "spare": "" if place < 98 else "late"} for place in range(99)]
    assert "v98 late" in text(*many)


def test_a_server_that_was_made_again_is_told_with_what_nobody_knows(run: Run) -> None:
    told = ["the ledger begins anew", HOSTILE]
    clients = tuple(Client(name, State.OK, session(rebuilt=told), Work.AUDIT) for name in ("web01", "db01"))
    text = " ".join(render_text(make_page(replace(run, clients=clients), RECORD)).split())
    assert "THE SERVER WAS MADE AGAIN" in text and "web01 and db01 the ledger begins anew" in text
    assert "MADE AGAIN" not in render_text(make_page(run, RECORD))
    html = render_html(make_page(replace(run, clients=clients), RECORD))
    assert "<script" not in html


def test_spare_columns_make_room_for_names(run: Run) -> None:
    def headings(*names: str) -> tuple[str, int]:
        clients = tuple(Client(name, State.OK, session()) for name in names)
        lines = align(make_page(replace(run, clients=clients), RECORD).tables[0])
        assert all(len(line) <= WIDTH for line in lines)
        return " ".join(lines[0].split()), len(lines) - 4

    assert headings("web01") == ("client status time files original compr. dedup. received", 1)
    assert headings("x" * 20) == ("client status time files original dedup. received", 1)
    assert headings("x" * 28) == ("client status time original dedup. received", 1)
    assert headings("x" * 40) == ("client status time files original compr. dedup. received", 2)
    assert headings(*(f"host{place:02}.dmz.example.org" for place in range(19)), "x" * 60) == (
        "client status time original dedup. received", 21,
    )  # fmt: skip


def test_clients_skipped_for_one_reason_are_one_entry(run: Run) -> None:
    off = [
        Client(f"c{place}", State.SKIPPED, SessionResult.from_dict({"reason": "switched off"})) for place in range(9)
    ]
    shown = make_page(replace(run, clients=(*run.clients, *off)), RECORD)
    assert [(note.heading, note.entries) for note in shown.notes] == [
        ("Skipped", (("c0, c1, c2, c3 and 5 more", ("switched off",)),))
    ]


@pytest.mark.parametrize("kind", ["ok", "failed", "alarm", "frozen", "missing", "waiting"])
def test_three_thousand_clients_make_a_mail_that_servers_take_and_people_read(run: Run, kind: str) -> None:
    """Postfix takes 10,240,000 bytes unless told otherwise; quoted-printable makes more of them."""
    long, ids = "x" * 500, [f"{place:064}" for place in range(1000)]
    sessions = {
        "ok": session(),
        "failed": session(code="client_failed", reason=long, log=long, log_tail=["y" * 300] * 20, archive=None),
        "alarm": session(audit={"verdict": "alarm", "findings": ["z" * 300] * 20}),
        "frozen": session(frozen=long),
        "missing": maintained("archives_missing", long, missing=ids),
        "waiting": maintained(waiting="held"),
    }
    state = State.FAILED if kind in ("failed", "alarm", "missing") else State.OK
    names = [f"client{place:04}.example.org" for place in range(3000)]
    clients = tuple(Client(name, state, sessions[kind]) for name in names)
    shown = make_page(replace(run, clients=clients), RECORD)
    html, text = render_html(shown), render_text(shown)
    assert len(html.encode()) < 3_000_000 and len(text.encode()) < 1_000_000
    assert html.count(f">{names[-1]}<") == 1 and text.count(f"\n{names[-1]} ") == 1
    assert html.count("<strong") < 300
    if kind in ("alarm", "frozen"):
        assert "2\u00a0950 more clients: client0050" in text.split("Backups of a")[0]
    if kind in ("failed", "missing"):
        code = "client_failed" if kind == "failed" else "archives_missing"
        assert f"3\u00a0000 {code}: client0000.example.org, " in text


def test_what_nobody_rehearsed_is_told_for_all_clients_at_once(run: Run) -> None:
    """One line for each cause, whatever their number; a server of 0.1.0 tells of no rehearsals."""
    never = {"escrow": "", "restore": "", "overdue": ["escrow", "restore", "<b>"]}
    once = {"escrow": "2026-01-01T00:00:00Z", "restore": "2026-11-20T00:00:00Z", "overdue": ["escrow"]}
    fine = {**once, "overdue": []}
    told = [never] * 40 + [once, fine, None, "rubbish"]
    clients = tuple(Client(f"web{n:02}", State.OK, session(rehearsals=one)) for n, one in enumerate(told))
    (note,) = [one for one in make_page(replace(run, clients=clients), RECORD).notes if one.heading == "Not rehearsed"]
    lines = [line for _names, (line,) in note.entries]
    assert lines == [
        "the escrow was never opened by a holder: escrow.yml --tags prove",
        "the escrow was opened by a holder too long ago: escrow.yml --tags prove",
        "a restore was never tried: drill.yml",
    ]
    assert note.entries[1][0] == "web40" and "web41" not in str(note.entries)
    assert not [one for one in make_page(run, RECORD).notes if one.heading == "Not rehearsed"]


def test_many_failures_are_told_by_their_causes_and_some_of_each(run: Run) -> None:
    kinds = ["unreachable"] * 30 + ["quota"] * 9 + ["locked"]
    clients = tuple(
        Client(f"c{place:03}", State.FAILED, session(code=kind, reason="why")) for place, kind in enumerate(kinds)
    )
    shown = make_page(replace(run, clients=clients), RECORD, limits=BRIEF[0])
    assert [(one.count, one.code) for one in shown.causes] == [("30", "unreachable"), ("9", "quota"), ("1", "locked")]
    assert [item.client for item in shown.failures] == ["c000", "c001", "c002", "c030", "c031", "c032", "c039"]
    text = render_text(shown)
    assert "FAILED\n  30 unreachable: c000, c001, c002, c003 and 26 more\n  9 quota: c030, c031, c032, c033" in text
    assert make_page(replace(run, clients=clients[:7]), RECORD).causes == ()
    many = tuple(Client(f"c{place:03}", State.FAILED, session(code="quota")) for place in range(WHOLE.failures + 3))
    assert len(make_page(replace(run, clients=many), RECORD).failures) == WHOLE.failures
