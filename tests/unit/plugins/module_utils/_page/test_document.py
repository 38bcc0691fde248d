# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a browser and a screen reader take it: whole, from one file, and with nobody's markup but its own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_server
from ansible_collections.paranoid.backup.plugins.module_utils._page import document
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day
from ansible_collections.paranoid.backup.plugins.module_utils._page.document import make_page
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import Fleet, Health, Trouble
from ansible_collections.paranoid.backup.plugins.module_utils._page.gathering import source
from ansible_collections.paranoid.backup.plugins.module_utils._page.script import SCRIPT
from ansible_collections.paranoid.backup.plugins.module_utils._page.style import STYLE
from hostile_page import HOSTILE, make_hostile_fleet
from page_world import NOW, make_server

OURS = {
    *(
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "article",
        "footer",
        "script",
    ),
    *(
        "a",
        "p",
        "h1",
        "h2",
        "h3",
        "ul",
        "li",
        "b",
        "span",
        "dl",
        "dt",
        "dd",
        "div",
        "time",
        "code",
        "figure",
        "figcaption",
    ),
    *(
        "label",
        "input",
        "select",
        "option",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "svg",
        "rect",
        "path",
    ),
    "text",
}
VOID = {"meta", "link", "input", "path", "rect"}
IMPLIED = {"tr", "th", "td", "tbody"}  # HTML lets one leave out how they end


class Page(HTMLParser):
    """What is in a page: its elements with attributes, and its text without scripts and styles."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID | IMPLIED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | IMPLIED:
            assert self.open.pop() == tag, f"{tag} ends where it did not begin"

    def handle_data(self, data: str) -> None:
        if not set(self.open) & {"style", "script"}:
            self.texts.append(data)

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def no_year(_client: str) -> list[Day]:
    return []


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, dict[str, list[Day]]]:
    directory = make_server(tmp_path_factory.mktemp("server"))
    with source(str(directory), load_server(str(directory)), NOW) as facts:
        found = facts.fleet()
        return found, {client.name: facts.year(client.name) for client in found.clients}


@cache
def hostile() -> bytes:
    made = make_hostile_fleet()
    return make_page(made, lambda client: list(made.clients[0].days))


Made = tuple[Fleet, dict[str, list[Day]]]


def test_it_needs_nothing_from_elsewhere_and_lets_nothing_run(fleet: Made) -> None:
    page = Page(make_page(fleet[0], fleet[1].__getitem__))
    assert page.open == []
    (policy,) = [meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert Counter(tag for tag, _attributes in page.elements)["script"] == 1
    for tag, attributes in page.elements:
        assert not {"style", "src", "srcset"} & attributes.keys(), f"{tag} has its own style, or loads something"
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))
    assert "http" not in STYLE
    assert "url(" not in STYLE


def test_every_client_has_its_line_and_its_year(fleet: Made) -> None:
    page = Page(make_page(fleet[0], fleet[1].__getitem__))
    names = [client.name for client in fleet[0].clients]
    ids = [attributes["id"] or "" for _tag, attributes in page.elements if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))
    assert {f"c-{name}" for name in names} <= set(ids)
    links = [attributes["href"] for attributes in page.named("a")]
    assert {link.removeprefix("#") for link in links if link} <= set(ids)
    assert len(page.named("tr")) == 1 + len(names)
    assert len(page.named("td")) == len(names) * (len(document.COLUMNS) - 1)
    text = " ".join(page.texts)
    assert "4 of 12 clients need somebody" in text
    assert "pg_dump: connection refused" in text
    assert "2026-11-26 01:40" in text
    assert re.search(r"Restore tried \d+ Oct 2026", text)
    assert text.count("Restore tried never") == len(names) - 4, "db1, db2, files and mail tried one"


def test_who_does_not_see_reads_the_same(fleet: Made) -> None:
    page = Page(make_page(fleet[0], fleet[1].__getitem__))
    assert page.named("html") == [{"lang": "en"}]
    assert page.named("caption")
    assert all(head.get("scope") in ("col", "row") for head in page.named("th"))
    drawings = page.named("svg")
    assert all(one.get("aria-hidden") or (one["role"] == "img" and one["aria-label"]) for one in drawings)
    labels = [one["aria-label"] for one in drawings if one.get("aria-label")]
    assert "The last year: 362 days with a good backup, 3 on which all failed, 0 with an alarm" in labels
    assert any(label and re.match("Took: last .* min .* s, usually .*, at most ", label) for label in labels)
    scrolled = [one for _tag, one in page.elements if one.get("class") == "calendar"]
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolled)
    words = {document.WORDS[client.health] for client in fleet[0].clients}
    assert words <= set(page.texts), "a state is a word, not only a colour"


def test_hostile_text_is_text() -> None:
    page = Page(hostile())
    assert {tag for tag, _attributes in page.elements} <= OURS
    assert page.open == []
    for _tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "src", "autofocus")]
        assert all(len(value or "") < 700 for name, value in attributes.items() if name != "d")
    assert Counter(tag for tag, _attributes in page.elements)["script"] == 1
    assert Counter(tag for tag, _attributes in page.elements)["style"] == 1
    text = "".join(page.texts)
    assert text.count("<script>document.title='owned'</script>") >= 2
    unseen = [char for char in text if not char.isprintable() and char not in "\n\u00a0"]
    assert unseen == []
    assert len(hostile()) < 400_000
    assert len(page.named("tr")) == 1 + len(HOSTILE)


def test_what_a_browser_may_run_is_what_we_wrote() -> None:
    """Also the style and the script of a page with hostile text are those whose digests the policy names."""
    content = hostile().decode()
    assert content.count(f"<style>{STYLE}</style>") == 1
    assert content.count(f"<script>{SCRIPT}</script>") == 1
    assert f"style-src &#x27;{document._digest(STYLE)}&#x27;" in content
    assert f"script-src &#x27;{document._digest(SCRIPT)}&#x27;" in content


def test_years_give_way_and_lines_do_not(fleet: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The years of those that need somebody come first, then those that were asked for, then others by name."""
    whole = make_page(fleet[0], fleet[1].__getitem__)
    shown = []
    for wanted in ((), ("web2",)):
        monkeypatch.setattr(document, "LARGEST", len(whole) * 3 // 4)
        page = Page(content := make_page(fleet[0], fleet[1].__getitem__, wanted))
        assert len(content) <= document.LARGEST
        assert len(page.named("tr")) == 1 + len(fleet[0].clients)
        shown.append([one["id"] or "" for one in page.named("article")])
        linked = [href for one in page.named("a") if (href := one["href"] or "").startswith("#c-")]
        assert sorted(linked) == sorted(f"#{one}" for one in shown[-1])
    assert [name in shown[0] for name in ("c-mail", "c-new1", "c-db2", "c-monitoring", "c-db1")] == [True] * 5
    assert "c-web2" not in shown[0]
    assert "c-web2" in shown[1]


@pytest.mark.parametrize(
    ("healths", "verdict"),
    [
        ([], "No client yet"),
        ([Health.GOOD], "The client is backed up"),
        ([Health.GOOD, Health.GOOD], "Every client is backed up"),
        ([Health.LATE, Health.GOOD], "1 of 2 clients needs somebody"),
        ([Health.NOTED, Health.GOOD], "1 of 2 clients needs somebody"),
        ([Health.LATE, Health.FAILED], "2 of 2 clients need somebody"),
    ],
)
def test_the_verdict_comes_first(healths: list[Health], verdict: str) -> None:
    made = make_hostile_fleet()
    clients = tuple(replace(made.clients[0], name=f"h{place}", health=health) for place, health in enumerate(healths))
    made = replace(made, clients=clients, totals=(), troubles=())
    assert f"{verdict}</h1>" in make_page(made, no_year).decode()
    troubled = make_page(replace(made, troubles=(Trouble("nas1", ("pool tank is DEGRADED",)),)), no_year).decode()
    assert f"{verdict}</h1>" not in troubled
    assert "somebody should look at nas1</h1>" in troubled
    assert "pool tank is DEGRADED" in troubled


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_colours_can_be_read_in_both_themes() -> None:
    """WCAG 2.1, 1.4.3: contrast of text."""
    light, dark = (dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", part)) for part in STYLE.split("@media", 2)[:2])
    for theme in (light, dark):
        for ink in ("ink", "soft", "good", "failed", "late", "never", "frozen", "noted", "series"):
            for ground in ("paper", "card"):
                low, high = sorted((luminance(theme[ink]), luminance(theme[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, f"{ink} on {ground}: {theme}"


def test_style_and_script_end_where_they_end() -> None:
    assert "</script" not in SCRIPT
    assert "</style" not in STYLE
    assert "innerHTML" not in SCRIPT
    assert "eval" not in SCRIPT
