# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from ansible_collections.paranoid.backup.plugins.plugin_utils import _render as render
from ansible_collections.paranoid.backup.plugins.plugin_utils._page import LOGS_SHOWN, headline, page
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import Client, State
from report_samples import HOSTILE, session

RECORD = "/var/lib/reports/20261121T063000Z-1a2b3c4d/record.json"

GOOD = """\
backup: SUCCESS
All 2 clients backed up.

client  status           time    files  original    compr.   dedup.  received
─────────────────────────────────────────────────────────────────────────────
web01   ok         1 min 03 s  184 223  48.0 GiB  31.0 GiB  212 MiB   310 MiB
db01    ok               12 s  184 223  48.0 GiB  31.0 GiB  212 MiB   310 MiB
─────────────────────────────────────────────────────────────────────────────
total   2 of 2 ok  2 min 10 s  368 446  96.0 GiB  62.0 GiB  424 MiB   620 MiB

Clients   2 ok, 0 failed, 0 skipped of 2
Started   2026-11-21 06:30:00 UTC, took 2 min 10 s
Playbook  backup.yml, by root on ctl
Run       20261121T063000Z-1a2b3c4d
Record    /var/lib/reports/20261121T063000Z-1a2b3c4d/record.json
"""


class Elements(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(name for name, _value in attrs)

    def handle_data(self, data):
        self.words += data


def test_text_of_a_good_run(run):
    assert render.text(page(run, RECORD)).replace("\u00a0", " ") == GOOD


def test_text_is_printable_and_fits_whatever_a_client_sends(bad_run):
    text = render.text(page(bad_run, RECORD))
    for line in text.splitlines():
        assert len(line) <= render.WIDTH, line
        assert line.replace("\u00a0", " ").isprintable(), ascii(line)
    assert "{{ 7*7 }}" in text
    assert "\\x1b[2J" in text
    assert "\\u202e" in text
    text.encode()


def test_alarms_come_first_then_problems_then_failures(bad_run):
    text = render.text(page(bad_run, RECORD))
    html = render.html(page(bad_run, RECORD))
    for places in (
        [text.index(word) for word in ("ALARM", "PROBLEMS OF THE RUN", "FAILED", "SKIPPED", "client  ")],
        [html.index(word) for word in ("AUDIT ALARM", ">Problems of the run<", ">Failed<", ">Skipped<", ">Clients<")],
    ):
        assert places == sorted(places)


def test_failed_clients_lead_the_table(bad_run):
    assert [row.label for row in page(bad_run, RECORD).rows] == [
        "failed", "unreachable", "alarm", "no result", "skipped", "not run", "ok", "ok",
    ]  # fmt: skip


def test_html_holds_nothing_of_a_client_but_text(run, bad_run):
    good, bad = Elements(render.html(page(run, RECORD))), Elements(render.html(page(bad_run, RECORD)))
    assert set(bad.tags) - set(good.tags) <= {"div", "p", "pre", "strong"}
    assert "script" not in bad.tags
    assert bad.attributes <= good.attributes
    assert "<script>alert(1)</script>&\"'{{ 7*7 }} Bcc: victim@example.org\\x1b[2J" in bad.words


def test_html_needs_nothing_from_elsewhere(bad_run):
    html = render.html(page(bad_run, RECORD))
    assert not re.search(r"(?i)\b(src|href|action|background)\s*=|url\(|@import|//", re.sub(r"<!--.*?-->", "", html))


def test_a_hostile_title_is_text_too(run):
    assert "script" not in Elements(render.html(page(replace(run, title=HOSTILE[:25]), RECORD))).tags


def test_a_thousand_failures_make_a_mail_that_can_be_sent(run):
    lost = session(reason="x" * 500, log_tail=["y" * 300] * 20, archive=None)
    many = replace(run, clients=tuple(Client(f"c{place:04}", State.FAILED, lost) for place in range(1000)))
    shown = page(many, RECORD)
    assert sum(bool(item.log_tail) for item in shown.failures) == LOGS_SHOWN
    assert len(render.html(shown)) < 5_000_000
    assert len(render.text(shown)) < 2_000_000


def test_headlines(run, bad_run):
    web, _db = run.clients
    off, lost, never = Client("off", State.SKIPPED), Client("lost", State.FAILED), Client("never")
    assert headline(run) == "All 2 clients backed up."
    assert headline(replace(run, clients=(web,))) == "1 client backed up."
    assert headline(replace(run, check=True)) == "All 2 clients can be backed up (check run, no archive was made)."
    assert headline(replace(run, clients=(web, off))) == "1 of 2 clients backed up, 1 skipped."
    assert headline(replace(run, clients=(off,))) == "Nothing was backed up: 1 client skipped."
    assert headline(replace(run, clients=(web, lost))) == "1 of 2 clients failed: lost."
    assert headline(replace(run, clients=(web, never))) == "1 of 2 clients did not get a turn."
    assert headline(replace(run, clients=())).startswith("Nothing was backed up: no client matched")
    assert headline(replace(run, problems=("x",))) == "All 2 clients backed up. The run itself had a problem."
    assert headline(bad_run).startswith("The audit raised an alarm on mail01. 4 of 8 clients failed: ")


def test_wide_names_stay_aligned(run):
    wide = Client("サーバー", State.OK, session())
    lines = render.table(page(replace(run, clients=(*run.clients, wide)), RECORD))
    assert lines[4].index("ok") + 4 == lines[2].index("ok")


def test_quote_loses_nothing():
    parts = render.quote("x" * 250, 4).splitlines()
    assert [len(part) for part in parts] == [100, 100, 68]
    assert render.quote("", 4) == "    │ "
