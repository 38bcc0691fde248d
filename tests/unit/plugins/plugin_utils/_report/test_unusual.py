# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mail says of anomalies and of a clock in doubt, whatever stands in a result."""

from __future__ import annotations

from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    Run,
    State,
    Work,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult, UnusualResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page, make_page
from hypothesis import given
from report_samples import ANYTHING, HOSTILE, session

NEW_BYTES = {"name": "new_bytes", "value": 1.91, "low": 0.0, "high": 0.27, "alone": False}
COMPRESSION = {"name": "compression", "value": 0.55, "low": 0.0, "high": 0.1, "alone": False}
NOTHING: dict[str, Any] = {
    "signals": [],
    "anomaly": False,
    "expected": "",
    "since": "",
    "normal": 0,
    "needed": 5,
}
LEDGER = {"host": "vault", "head": f"7:{'a' * 64}"}


def page(**sessions: SessionResult) -> Page:
    clients = tuple(Client(name, State.OK, told) for name, told in sessions.items())
    when, mail = ("2026-11-26T03:00:00Z", "2026-11-26T03:10:00Z"), Mail(MailState.NONE)
    return make_page(
        Run("20261126T030000Z-1a2b3c4d", "b", "c", "root", "backup.yml", False, *when, mail, clients), "/r"
    )


def entries(shown: Page, heading: str) -> dict[str, tuple[str, ...]]:
    return {name: lines for note in shown.notes if note.heading == heading for name, lines in note.entries}


def test_an_anomaly_is_named_with_its_numbers_and_the_usual_band() -> None:
    odd = session(unusual={**NOTHING, "signals": [NEW_BYTES, COMPRESSION], "anomaly": True})
    shown = page(web1=odd, web2=session(unusual=NOTHING))
    assert entries(shown, "Unusual") == {
        "web1": ("replaced data 191 % (usual: at most 27 %), worse compression 55 % (usual: at most 10 %)",)
    }
    assert "Unusual: web1." in shown.headline and shown.status == "SUCCESS"


def test_one_that_still_waits_is_named_each_night_and_a_lone_signal_never() -> None:
    waiting = session(unusual={**NOTHING, "since": "2026-11-21T03:00:00+00:00", "normal": 2})
    shown = page(web1=waiting, web2=session(unusual={**NOTHING, "signals": [NEW_BYTES]}))
    assert entries(shown, "Unusual") == {"web1": ("unusual since 2026-11-21 03:00 UTC, 2 of 5 usual backups since",)}
    forever = session(unusual={**NOTHING, "since": "2026-11-21T03:00:00+00:00", "needed": 0})
    assert entries(page(web1=forever), "Unusual")["web1"][0].endswith("waits for a person")


def test_an_announced_change_is_told_so_that_nobody_forgets_it() -> None:
    shown = page(web1=session(unusual={**NOTHING, "expected": "2026-12-01"}))
    assert entries(shown, "A change is expected") == {"web1": ("until 2026-12-01",)}
    assert "Unusual" not in shown.headline


def test_a_clock_in_doubt_is_named_once_for_its_server() -> None:
    doubted = {"clock": {"doubt": "it is 365.0 days ahead of the controller's"}, "ledger": LEDGER}
    shown = page(web1=session(**doubted), web2=session(**doubted))
    assert entries(shown, "The server's clock cannot be believed") == {
        "vault": ("it is 365.0 days ahead of the controller's",)
    }
    assert "The server's clock cannot be believed." in shown.headline


def test_hostile_text_is_one_printable_line() -> None:
    signal = {"name": HOSTILE, "value": float("inf"), "low": float("nan"), "high": "9" * 999}
    noticed = UnusualResult.from_dict({"signals": [signal] * 1000, "anomaly": True, "expected": HOSTILE})
    assert noticed and len(noticed.signals) == 20
    assert all(line.isprintable() and len(line) < 100 for line in (*noticed.signals, noticed.expected))


@given(ANYTHING)
def test_anything_can_be_read(raw: Any) -> None:
    UnusualResult.from_dict(raw)
    UnusualResult.from_dict({"signals": [raw, {"name": raw, "value": raw}], "since": raw, "normal": raw})
    SessionResult.from_dict({"clock": raw, "unusual": raw})


def test_of_several_works_the_one_with_an_anomaly_counts() -> None:
    odd = session(unusual={**NOTHING, "signals": [NEW_BYTES], "anomaly": True})
    usual = session(unusual=NOTHING)
    for several in ((odd, usual), (usual, odd), (usual, odd, usual)):
        clients = tuple(Client("web1", State.OK, told, work) for told, work in zip(several, Work, strict=False))
        when, mail = ("2026-11-26T03:00:00Z", "2026-11-26T03:10:00Z"), Mail(MailState.NONE)
        run = Run("20261126T030000Z-1a2b3c4d", "b", "c", "root", "backup.yml", False, *when, mail, clients)
        shown = make_page(run, "/r")
        assert list(entries(shown, "Unusual")) == ["web1"] and "Unusual: web1." in shown.headline
