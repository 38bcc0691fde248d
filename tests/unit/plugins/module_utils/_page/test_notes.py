# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client lacks although its backups arrive: the page is not green where the mail has a note."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_server
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    Entry,
    RehearsalEntry,
    RepositoryEntry,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import describe_state
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import describe_rehearsals
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import Fleet, Health
from ansible_collections.paranoid.backup.plugins.module_utils._page.gathering import source
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import read_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from page_world import NOW, Host, make_server

WEB1 = Host("web1", 3, 1)
Told = tuple[float, Entry]  # days ago, and what came then
SIGNAL = {"name": "lost_files", "value": 0.5, "low": 0.9, "high": 1.1}
ODD: dict[str, Any] = {"signals": [SIGNAL], "anomaly": True, "expected": "", "since": "", "normal": 0, "needed": 5}
USUAL: dict[str, Any] = {**ODD, "signals": [], "anomaly": False}
SINCE: dict[str, Any] = {**USUAL, "since": "2026-11-26T07:00:00+00:00"}


def end(verb: str, status: str, number: int = 5, **more: Any) -> SessionEntry:
    return SessionEntry("web1", verb, f"{number:032x}", "r9", status, **more)


def gather(place: Path, *later: Told, host: Host = WEB1) -> Fleet:
    """Return the fleet of one client with good nights, after something more was entered."""
    make_server(place, (host,), days=3)
    moments = iter([NOW - timedelta(days=ago) for ago, _entry in later])
    with Ledger.open(str(place / "state" / NAME), lambda: next(moments)) as ledger:
        for _ago, entry in later:
            ledger.append(entry)
    return look(place)


def look(place: Path) -> Fleet:
    with source(str(place), load_server(str(place)), NOW) as facts:
        return facts.fleet()


MADE = RepositoryEntry("web1", "a" * 64)
OPENED = RehearsalEntry("web1", "escrow", "ana", "ana", "web1")
TRIED = RehearsalEntry("web1", "restore", "ana", archive_name="a", files=3)
OLD = "a restore was tried too long ago: drill.yml"
FAILED = "the last maintenance failed"


BOB, NOBODY = replace(WEB1, escrow="age1bob"), replace(WEB1, escrow="")
UNTRIED = "a restore was never tried: drill.yml"
UNOPENED = "the escrow was opened by a holder too long ago: escrow.yml --tags prove"


@pytest.mark.parametrize(
    ("host", "later", "note"),
    [
        (WEB1, [], ""),
        (NOBODY, [], "no escrow: set backup_client_escrow_recipients, run site.yml, then escrow.yml"),
        (BOB, [], "escrowed for others than it should be: run site.yml, then escrow.yml"),
        (WEB1, [(89, MADE)], ""),
        (WEB1, [(91, MADE)], UNTRIED),
        (WEB1, [(300, MADE), (91, TRIED)], OLD),
        (WEB1, [(300, MADE), (89, TRIED)], ""),
        (WEB1, [(91, TRIED)], OLD),
        (WEB1, [(200, TRIED), (100, replace(MADE, repository_id="b" * 64))], UNTRIED),
        (WEB1, [(91, OPENED)], UNOPENED),
        (WEB1, [(0, end("maintain", "failed", reason="no keyholder"))], "the last maintenance failed: no keyholder"),
        (WEB1, [(0, end("maintain", "failed")), (0, end("maintain", "ok"))], ""),
        (WEB1, [(0, end("maintain", "failed")), (0, end("maintain", "skipped"))], f"{FAILED}: it failed"),
        (WEB1, [(0, end("maintain", "failed", code="busy")), (0, end("info", "ok"))], f"{FAILED}: busy"),
        (WEB1, [(0, end("info", "ok", unusual=USUAL, versions={"borg": "1.4.5"}))], ""),
        (WEB1, [(0, replace(MADE, client="db1")), (0, replace(TRIED, client="db1"))], ""),
    ],
)
def test_notes(tmp_path: Path, host: Host, later: list[Told], note: str) -> None:
    (found,) = gather(tmp_path, *later, host=host).clients
    assert found.notes == ((note,) if note else ())
    assert (found.health, found.reason) == (Health.NOTED if note else Health.GOOD, note)


def test_what_cannot_be_read_is_noted(tmp_path: Path) -> None:
    gather(tmp_path)
    (tmp_path / "repositories/web1/escrow/0001-made.json").write_text("{")
    (found,) = look(tmp_path).clients
    assert found.notes == ("what is escrowed cannot be read on the server: bring it back from a copy",)
    assert (found.escrow.state, found.escrow.kept) == ("unreadable", None)


def test_a_weak_borg_is_noted_by_what_the_client_told_last(tmp_path: Path) -> None:
    weak = end("backup", "failed", versions={"borg": "1.2.3"})
    (found,) = gather(tmp_path, (0, weak), (0, end("info", "failed", 6))).clients
    assert [note[:11] for note in found.notes] == ["Borg 1.2.3 "]
    assert found.health is Health.FAILED, "what is worse comes first"


@pytest.mark.parametrize("last", [ODD, SINCE])
def test_what_waits_for_a_person_is_noted_until_he_said_so(tmp_path: Path, last: dict[str, Any]) -> None:
    odd = [(0, end("info", "ok", 7, unusual=ODD)), (0, end("info", "ok", 8, unusual=last))]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (found,) = gather(tmp_path / "one", *odd).clients
    (note,) = found.notes
    assert note.startswith("unusual since 2026-11-26: ")
    assert note.endswith("look why, then run accept.yml")
    accepted = AcceptEntry("web1", "we deleted it", "ana", sessions=(f"{7:032x}", f"{8:032x}"))
    (found,) = gather(tmp_path / "two", *odd, (0, accepted)).clients
    assert found.health is Health.GOOD


def test_a_session_that_told_nothing_hides_no_anomaly(tmp_path: Path) -> None:
    (found,) = gather(tmp_path, (0, end("info", "ok", 7, unusual=ODD)), (0, end("info", "failed", 8))).clients
    assert found.health is Health.NOTED


def test_a_clock_in_doubt_is_above_all_clients(tmp_path: Path) -> None:
    doubted = {"trusted": None, "doubt": "it is 3.0 days ahead of the controller's or the watch's", "told": True}
    fleet = gather(tmp_path, (0, end("info", "ok", clock=doubted)))
    (trouble,) = fleet.troubles
    assert trouble.lines[0].startswith("it is 3.0 days ahead of")
    assert "accept.yml with backup_accept=clock" in trouble.lines[0]


def test_a_client_is_as_good_as_its_snapshots_and_copies(tmp_path: Path) -> None:
    make_server(tmp_path, (WEB1, replace(WEB1, name="web2")), days=3)
    raw = {
        "name": "nas1",
        "problems": ["pool tank is DEGRADED"],
        "places": {"web1": {"snapshot": 60, "copy": 7200, "late": ["nas1: its newest copy is late"]}, "web2": {}},
        "pools": [{"name": "tank", "percent": 42}],
    }
    with source(str(tmp_path), load_server(str(tmp_path)), NOW) as facts:
        fleet = facts.fleet(read_nas([raw], NOW))
        assert (facts.fleet().nas, facts.fleet(()).nas) == (None, ())
    one, two = fleet.clients
    assert (one.health, one.notes) == (Health.NOTED, ("nas1: its newest copy is late",))
    assert (one.place.snapshot, one.place.copied) == (NOW - timedelta(minutes=1), NOW - timedelta(hours=2))
    assert (two.health, two.place.copied) == (Health.GOOD, None)
    assert [(trouble.name, trouble.lines) for trouble in fleet.troubles] == [("nas1", ("pool tank is DEGRADED",))]


@pytest.mark.parametrize("escrow", ["", "age1bob", "age1ana"])
def test_the_mail_says_the_same(tmp_path: Path, escrow: str) -> None:
    """What the page notes of escrow and rehearsals is word for word a note of the mail about the same client."""
    (found,) = gather(tmp_path, (300, MADE), (200, OPENED), (100, TRIED), host=replace(WEB1, escrow=escrow)).clients
    site = load_site(str(tmp_path), "web1")
    state = describe_state(site)
    told = SessionResult.from_dict({"escrow": state, "rehearsals": describe_rehearsals(site, state, NOW)})
    site.close()
    mail, moment = Mail(MailState.PENDING), f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    clients = (Client("web1", State.OK, told),)
    run = Run("r", "t", "c", "root", "backup.yml", False, moment, moment, mail, clients)
    said = {line for note in make_page(run, "").notes for _name, lines in note.entries for line in lines}
    assert set(found.notes) == said
    assert len(said) == 2
