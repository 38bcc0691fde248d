# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in Chromium: what nobody may run does not run, and the script finds and sorts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.document import make_page
from browser import FOUND, browse
from hostile_page import HOSTILE, make_hostile_fleet

pytestmark = pytest.mark.skipif(
    FOUND is None, reason="NOT TRIED IN A BROWSER: Debian's package chromium is not installed"
)


class Attributes(HTMLParser):
    """The names of all attributes in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names |= {name for name, _value in attrs}


def test_hostile_text_runs_nothing_and_our_script_runs(tmp_path: Path) -> None:
    fleet = make_hostile_fleet()
    page = tmp_path / "page.html"
    page.write_bytes(make_page(fleet, lambda _client: list(fleet.clients[0].days)))
    shown = browse(page, "--dump-dom")
    (title,) = re.findall(r"<title>(.*?)</title>", shown)
    assert "owned" not in title.replace("document.title='owned'", "")
    assert title.startswith("Backups on &lt;script&gt;")
    assert shown.count("<script>") == 1
    attributes = Attributes()
    attributes.feed(shown)
    assert len(attributes.names) > 20
    assert not [name for name in attributes.names if name.startswith("on") or name in ("src", "style")]
    assert len(re.findall(r'<tr><th scope="row">', shown)) == len(HOSTILE)
    assert '<button type="button">Client</button>' in shown, "the policy lets our own script run"
    assert '<p id="tools">' in shown, "and it shows what it needs"
