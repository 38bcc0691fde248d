# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: one HTML file about all clients of a server, which needs nothing from elsewhere and no script to be read.

Every client has its line. Below are the years of those that fit into the page, first those that need somebody, then
those that were asked for, then the others by name: up to some hundred clients that is everybody.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    NOTHING,
    format_number,
    format_size,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.shortcomings import NO_NAS
from ansible_collections.paranoid.backup.plugins.module_utils._page.charts import draw_share, draw_strip, draw_trend
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import (
    SHORT,
    ClientFacts,
    Fleet,
    Health,
    Trouble,
)
from ansible_collections.paranoid.backup.plugins.module_utils._page.markup import Html, element, join, text
from ansible_collections.paranoid.backup.plugins.module_utils._page.script import SCRIPT
from ansible_collections.paranoid.backup.plugins.module_utils._page.style import STYLE
from ansible_collections.paranoid.backup.plugins.module_utils._page.years import (
    list_facts,
    show_client_year,
    show_fleet_year,
)

LARGEST = 1_950_000  # bytes of the page, if the lines alone do not need more
URGENT_SHOWN = 50
ROWS_TOGETHER = 100
TROUBLES_SHOWN = 20
WORDS = {
    Health.FROZEN: "Frozen",
    Health.NEVER: "No backup",
    Health.LATE: "Late",
    Health.FAILED: "Failed",
    Health.NOTED: "Noted",
    Health.GOOD: "Good",
}
COLUMNS = (
    # class of narrow pages, name
    ("", "Client"),
    ("", "State"),
    ("", "Last good backup"),
    ("", f"{SHORT} days"),
    ("w", "Took"),
    ("w", "Size"),
    ("x", "Trend"),
    ("w", "Added"),
    ("x", "On disk"),
    ("x", "Quota"),
)

Year = Callable[[str], Sequence[Day]]


def make_page(fleet: Fleet, year: Year, wanted: Iterable[str] = ()) -> bytes:
    """Return the whole file. ``year`` returns a client's days; ``wanted`` clients come before others."""
    plain_rows = [_row(fleet, client, False) for client in fleet.clients]
    without = _frame(fleet, plain_rows, Html("-")).encode()
    sections = dict(_sections(fleet, year, frozenset(wanted), LARGEST - len(without)))
    rows = [
        _row(fleet, client, True) if client.name in sections else row
        for client, row in zip(fleet.clients, plain_rows, strict=True)
    ]
    shown = (sections[client.name] for client in fleet.clients if client.name in sections)
    return _frame(fleet, rows, join(*shown)).encode()


def _sections(fleet: Fleet, year: Year, wanted: frozenset[str], room: int) -> Iterator[tuple[str, Html]]:
    """Yield what is shown of clients one by one, in the order of need, as long as there is room."""
    today = fleet.made.date().toordinal()
    order = sorted(fleet.clients, key=lambda one: (one.is_good, one.name not in wanted, one.health.rank, one.name))
    for client in order:
        section = show_client_year(client, year(client.name), today, _state(client.health))
        room -= len(section.encode()) + len(_link(text(client.name)))
        if room < 0:
            return
        yield client.name, section


def _frame(fleet: Fleet, rows: Sequence[Html], sections: Html) -> Html:
    title = f"Backups on {fleet.server}"
    return join(
        Html("<!DOCTYPE html>\n<html lang=en>"),
        element(
            "head",
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{text(_policy())}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'),
            Html('<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'),
            element("title", title),
            element("style", Html(STYLE)),
        ),
        Html("<body>"),
        Html('<a class="skip" href="#clients">To the list of clients</a>'),
        _header(fleet, title),
        element(
            "main", _urgent(fleet), _nas(fleet), show_fleet_year(fleet), _table(fleet, rows), _years(fleet, sections)
        ),
        element("footer", _footer(fleet)),
        element("script", Html(SCRIPT)),
        Html("</body></html>\n"),
    )


def _policy() -> str:
    """Return what a browser may do with the page: nothing from elsewhere, and only this style and this script."""
    return (
        f"default-src 'none'; style-src '{_digest(STYLE)}'; script-src '{_digest(SCRIPT)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _header(fleet: Fleet, title: str) -> Html:
    made = fleet.made.astimezone(UTC)
    facts = (
        ("On disk", format_size(fleet.used)),
        ("Added in 24 hours", format_size(fleet.added)),
        ("Clients", format_number(len(fleet.clients))),
    )
    counts = ((health, count) for health, count in fleet.counts.items() if count or health is Health.GOOD)
    return element(
        "header",
        element("p", title, class_="over"),
        element("h1", _verdict(fleet)),
        draw_share({str(health): count for health, count in reversed(list(fleet.counts.items()))}),
        element(
            "ul",
            *(element("li", _state(health), Html(" "), element("b", format_number(count))) for health, count in counts),
            class_="counts",
        ),
        list_facts(facts, "big"),
        element(
            "p",
            Html("As of "),
            element("time", f"{made:%A, %-d %B %Y, %H:%M} UTC", datetime=made.isoformat(timespec="seconds"), id="made"),
            class_="soft",
        ),
        element("p", class_="old", id="old", role="status", hidden=True),
    )


def _verdict(fleet: Fleet) -> str:
    total = len(fleet.clients)
    urgent = total - fleet.counts[Health.GOOD]
    names = [trouble.name for trouble in fleet.troubles]
    beside = f", but somebody should look at {join_names(names)}" if names else ""
    if not total:
        return f"No client yet{beside}"
    if not urgent:
        return f"Every client is backed up{beside}" if total > 1 else f"The client is backed up{beside}"
    beside = f", and somebody should look at {join_names(names)}" if names else ""
    return f"{format_number(urgent)} of {format_number(total)} clients need{'s' * (urgent == 1)} somebody{beside}"


def _urgent(fleet: Fleet) -> Html:
    """Return what needs somebody, in words: what concerns all first, then clients, the worst first."""
    found = [client for client in fleet.clients if not client.is_good]
    if not found and not fleet.troubles:
        return Html("")
    items = [
        element(
            "li",
            element("b", client.name),
            _state(client.health),
            element("span", client.reason),
            class_=client.health,
        )
        for client in found[:URGENT_SHOWN]
    ]
    rest = len(found) - len(items)
    more = element("p", f"and {format_number(rest)} more, in the list below", class_="soft") if rest else ""
    troubles = map(_trouble, fleet.troubles)
    return element("section", element("h2", "Needs somebody"), element("ul", *troubles, *items), more, class_="urgent")


def _trouble(trouble: Trouble) -> Html:
    shown = trouble.lines[:TROUBLES_SHOWN]
    rest = len(trouble.lines) - len(shown)
    lines = [element("div", line) for line in (*shown, *([f"and {rest} more"] if rest else []))]
    word = element("span", "Look", class_="state noted")
    return element("li", element("b", trouble.name), word, element("span", *lines), class_="noted")


def _nas(fleet: Fleet) -> Html:
    """Return how each NAS is, in the words of the mail's foot."""
    if fleet.nas is None:
        lines: list[str] = ["Nobody asked it: backup_ask_nas is off, or this page was not written by page.yml."]
    else:
        lines = [line for one in fleet.nas for line in one.told] or [NO_NAS if not fleet.nas else "It told nothing."]
    return element("section", element("h2", "NAS"), *(element("p", line, class_="soft") for line in lines))


def _bodies(rows: Sequence[Html]) -> Html:
    """Return the lines some hundred together: a browser lays out only those that are near what it shows."""
    together = (rows[at : at + ROWS_TOGETHER] for at in range(0, len(rows), ROWS_TOGETHER))
    return join(*(element("tbody", *part) for part in together)) or element("tbody")


def _table(fleet: Fleet, rows: Sequence[Html]) -> Html:
    tools = element(
        "p",
        element(
            "label", "Find", Html(" "), Html('<input type="search" id="find" autocomplete="off" spellcheck="false">')
        ),
        element(
            "label",
            "State",
            Html(" "),
            element(
                "select",
                element("option", "all", value=""),
                *(element("option", WORDS[health]) for health in Health if fleet.counts[health]),
                id="state",
            ),
        ),
        element("span", id="found", role="status"),
        id="tools",
        hidden=True,
    )
    head = join(*(element("th", name, scope="col", class_=kind or None) for kind, name in COLUMNS))
    caption = element(
        "caption", "The worst first. Times are UTC; what it took and its sizes are of the last good backup."
    )
    return element(
        "section",
        element("h2", "Clients"),
        tools,
        element("table", caption, element("thead", element("tr", head)), _bodies(rows)),
        id="clients",
        tabindex="-1",
    )


def _row(fleet: Fleet, client: ClientFacts, has_section: bool) -> Html:
    """Return a client's line, without what HTML lets one leave out: there may be thousands."""
    first = fleet.made.date().toordinal() - SHORT + 1
    name = text(client.name)
    linked = _link(name) if has_section else name
    sizes = [day.size for day in client.days if day.size is not None]
    share = NOTHING if client.share is None else f"{client.share:.0%}"
    return Html(
        f"<tr><th scope=row>{linked}"
        f"<td class={client.health}>{WORDS[client.health]}<td>{_format_minute(client.last_good)}"
        f"<td>{draw_strip(client.days, first, SHORT)}<td class=w>{_format_seconds(client.duration)}"
        f"<td class=w>{format_size(client.size)}<td class=x>{draw_trend(sizes)}<td class=w>{format_size(client.added)}"
        f"<td class=x>{format_size(client.disk.used)}<td class=x>{share}\n"
    )


def _link(name: Html) -> Html:
    return Html(f'<a href="#c-{name}">{name}</a>')


def _years(fleet: Fleet, sections: Html) -> Html:
    if not sections:
        return Html("")
    legend = element(
        "p",
        *(element("span", word, class_=f"key {name}") for name, word in _LEGEND),
        class_="soft legend",
    )
    return element("section", element("h2", "A year of each"), legend, sections, class_="years")


_LEGEND = (("good", "a good backup"), ("failed", "only failed ones"), ("frozen", "an alarm"), ("none", "no backup"))


def _footer(fleet: Fleet) -> Html:
    return element("p", Html("Head of the ledger "), element("code", fleet.head), ". Made by paranoid.backup.")


def _state(health: Health) -> Html:
    return element("span", WORDS[health], class_=f"state {health}")


def _format_minute(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else NOTHING


def _format_seconds(seconds: float | None) -> str:
    """Return a time as ``1:03:20`` or ``4:05``: digits that stand below each other, and that a script can sort."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
