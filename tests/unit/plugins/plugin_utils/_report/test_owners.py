# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of the owners of clients: all of it is said by clients, and may be anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.filter.owners import FilterModule
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import OwnerResult, SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.owners import describe_additions, describe_request
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from hypothesis import given
from hypothesis import strategies as st
from report_samples import HOSTILE

ASKED = {"why": "lost pictures", "made": "2026-11-20T03:00:00+00:00"}
tunnel_request = FilterModule().filters()["tunnel_request"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(ASKED)), inner),
)


def take(**said: Any) -> OwnerResult:
    owner = OwnerResult.from_dict(said)
    assert owner
    return owner


def test_what_was_added_is_counted_and_named() -> None:
    owner = take(sources=["/a", "/b"], excludes=1, hooks=["10-a"], skipped=["hooks.d/x.sh is not run"])
    assert describe_additions(owner) == (
        "2 sources of the owner: /a, /b",
        "1 exclude of the owner",
        "1 hook of the owner: 10-a",
        "hooks.d/x.sh is not run",
    )
    many = take(sources=["/a"] * 20, skipped=["x"] * 12)
    first, *_skipped, last = describe_additions(many)
    assert first == "20+ sources of the owner: /a, /a, /a, /a, /a, …" and last == "and 2 more, see the record"
    assert describe_additions(take(sources=["/a"] * 5)) == ("5 sources of the owner: /a, /a, /a, /a, /a",)
    assert describe_additions(take(hooks=["h"] * 6)) == ("6 hooks of the owner: h, h, h, h, h, …",)
    assert [len(describe_additions(take(skipped=["x"] * count))) for count in (10, 11)] == [10, 11]
    assert describe_additions(take(skipped=["x"] * 11))[-1] == "and 1 more, see the record"
    assert describe_additions(take()) == ()


def test_a_request_says_since_when_and_why() -> None:
    assert describe_request(take(request=ASKED)) == "since 2026-11-20 03:00 UTC: lost pictures"
    assert tunnel_request(json.dumps({"schema": 1, **ASKED})) == "since 2026-11-20 03:00 UTC: lost pictures"


@given(JSON)
def test_whatever_a_client_says_is_one_printable_line(said: Any) -> None:
    line = tunnel_request(json.dumps(said))
    assert line.isprintable() and len(line) < 400
    owner = OwnerResult.from_dict(said) or OwnerResult.from_dict({"request": said, "sources": said, "excludes": said})
    assert owner and all(line.isprintable() for line in (*describe_additions(owner), describe_request(owner)))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x1b[2J", "{{ 7 * 7 }}"])
def test_what_is_no_json_is_a_request_all_the_same(text: str) -> None:
    assert tunnel_request(text) == "since an unknown time: no reason given"


def run(**result: Any) -> Run:
    client = Client("web1", State.FAILED if result.get("code") else State.OK, SessionResult.from_dict(result))
    when, mail = ("2026-11-21T06:30:00Z", "2026-11-21T06:31:00Z"), Mail(MailState.NONE)
    return Run("20261121T063000Z-1a2b3c4d", "backup", "ctl", "root", "backup.yml", False, *when, mail, (client,))


def test_a_switch_is_a_state_of_its_own_and_no_success() -> None:
    off = run(code="switched_off", reason="web1 is off (moving)", owner={"off": "moving"})
    text = render_text(make_page(off, "record.json"))
    assert off.status == "FAILURE" and "\nweb1     off " in text and "(moving)" in text


def test_a_page_tells_who_asks_and_what_was_added() -> None:
    said = {"request": {**ASKED, "why": HOSTILE}, "sources": ["/srv/photos"], "excludes": 2}
    text = render_text(make_page(run(owner=said), "record.json"))
    assert "ASKED FOR A TUNNEL" in text and "since 2026-11-20 03:00 UTC: " in text and "\x1b" not in text
    assert "1 source of the owner: /srv/photos" in text and "2 excludes of the owner" in text
    assert "OF THE OWNERS" not in render_text(make_page(run(), "record.json"))
