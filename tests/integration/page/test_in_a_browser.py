# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in Chromium: what nobody may run does not run, and the script finds and sorts."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.document import make_page
from browser import DARK, FOUND, LIGHT, browse
from hostile_page import HOSTILE, make_hostile_fleet
from screenshots import draw_mail, draw_page, find_overflows, frame, take
from tool import ROOT

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


TRY = """<script>addEventListener("load", () => {
  const look = () => [...document.querySelector("table").tBodies].map(
    (body) => [body.hidden, body.rows.length, body.rows.length ? body.rows[0].cells[0].textContent.trim() : ""]);
  const click = () => document.querySelector("th button").click(), find = document.getElementById("find");
  const seen = [look()], type = (text) => { find.value = text; find.dispatchEvent(new Event("input")); };
  click(); click(); seen.push(look());
  type("h01"); seen.push(look(), document.getElementById("found").textContent);
  type(""); click(); seen.push(look());
  document.title = JSON.stringify(seen);
})</script></body>"""


def test_the_script_sorts_and_finds_in_all_lines(tmp_path: Path) -> None:
    """Lines stand some hundred together, so that a browser need not lay out thousands; a reader sees one list."""
    made = make_hostile_fleet()
    clients = tuple(replace(made.clients[0], name=f"h{place:03}") for place in range(250))
    content = make_page(
        replace(made, server="vault", clients=clients, troubles=(), nas=()), lambda _client: []
    ).decode()
    page = tmp_path / "page.html"
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", content)
    page.write_text(free.replace("</body>", TRY))
    (seen,) = re.findall(r"<title>(.*?)</title>", browse(page, "--dump-dom"))
    first, down, found, count, up = json.loads(html.unescape(seen))
    assert first == up == [[False, 100, "h000"], [False, 100, "h100"], [False, 50, "h200"]]
    assert down == [[False, 100, "h249"], [False, 100, "h149"], [False, 50, "h049"]]
    assert (found, count) == ([[False, 10, "h019"], [True, 0, ""], [True, 0, ""]], "10 of 250")


def test_nothing_is_wider_than_its_window_and_pictures_are_kept(tmp_path: Path) -> None:
    """Page and mail at 380 and 1400 pixels, in both themes: the pictures lie in .cache/screenshots for who looks."""
    kept = ROOT / ".cache/screenshots"
    kept.mkdir(parents=True, exist_ok=True)
    pages = [draw_page(tmp_path), draw_mail(tmp_path)]
    wide = tmp_path / "wide.html"
    wide.write_text("<!DOCTYPE html><div style='width:400px'>x</div>")
    too_wide = find_overflows([*pages, wide], [380, 1400])
    assert too_wide[-2] > 0, "the probe sees one that is"
    assert too_wide[:-2] == [0] * 4
    for page in pages:
        for name, theme in (("light", LIGHT), ("dark", DARK)):
            take(frame([page], [380, 1400]), picture := kept / f"{page.stem}-{name}.png", "1800,2400", theme)
            assert picture.read_bytes().startswith(b"\x89PNG")
