# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A year in drawings and in words, of all clients together and of one: whoever cannot see a drawing reads the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from statistics import median

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    NOTHING,
    format_duration,
    format_number,
    format_size,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import KEPT
from ansible_collections.paranoid.backup.plugins.module_utils._page.charts import draw_bars, draw_calendar, draw_line
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, DayState
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import (
    YEAR,
    ClientFacts,
    Escrow,
    Fleet,
    Health,
)
from ansible_collections.paranoid.backup.plugins.module_utils._page.markup import Html, element, join

DAYS_NAMED = 6
Points = Sequence[tuple[int, float]]


def show_fleet_year(fleet: Fleet) -> Html:
    """Return what all clients together stored, and how many failed, day by day."""
    if len(fleet.totals) < 2:
        return Html("")
    added = [(day.number, float(day.stored)) for day in fleet.totals]
    bad = [(day.number, float(day.bad)) for day in fleet.totals]
    return element(
        "section",
        element("h2", "All together"),
        element("div", _bars("Added each day", added, _size), _bars("Not good", bad, _count, " b"), class_="charts"),
    )


def show_client_year(client: ClientFacts, days: Sequence[Day], today: int, state: Html) -> Html:
    """Return one client: what is known of it, its calendar, and how its backups went."""
    heading = element("h3", client.name, Html(" "), state)
    reason = element("p", client.reason, class_="reason") if client.reason and client.health is not Health.NOTED else ""
    notes = element("ul", *(element("li", note) for note in client.notes), class_="reason") if client.notes else ""
    charts = [
        _line("Took", [(day.number, day.duration) for day in days if day.duration is not None], format_duration),
        _line("Size", [(day.number, float(day.size)) for day in days if day.size is not None], _size),
        _bars("Added each day", [(day.number, float(day.stored)) for day in days], _size),
        _restores(client, today),
    ]
    calendar = element(
        "div",
        draw_calendar(days, today, _describe_days(days)),
        class_="calendar",
        tabindex="0",
        role="region",
        aria_label=f"Calendar of {client.name}",
    )
    told = element("div", calendar, _name_bad_days(days)) if days else ""
    drawn = element("div", *charts, class_="charts") if len(days) > 1 else ""
    facts = element("div", told, _facts(client), class_="told")
    return element("article", heading, reason, notes, facts, drawn, id=f"c-{client.name}")


def _facts(client: ClientFacts) -> Html:
    disk, share = client.disk, client.share
    quota = NOTHING if share is None else f"{share:.0%} of {format_size(disk.quota)}"
    facts = (
        ("Size", format_size(client.size)),
        ("Files", format_number(client.files)),
        ("On disk", format_size(disk.used)),
        ("Held", format_size(disk.held)),
        ("Quota", quota),
        ("Restore tried", _name_last_restore(client)),
        ("Escrow", _name_escrow(client.escrow)),
        ("Escrow opened", _name_day(client.escrow.opened) if client.escrow.opened else "never"),
        ("Snapshot", _name_moment(client.place.snapshot)),
        ("Copy", _name_moment(client.place.copied)),
    )
    return list_facts(facts)


def _name_moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y, %H:%M}" if moment else NOTHING


def _name_escrow(escrow: Escrow) -> str:
    """Return when the escrow was kept that is as it should be, else what it is."""
    return _name_day(escrow.kept) if escrow.state == KEPT and escrow.kept else escrow.state or NOTHING


def _name_day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%-d %b %Y}"


def _name_last_restore(client: ClientFacts) -> str:
    if not client.restores:
        return "never"
    return f"{date.fromordinal(client.restores[-1].number):%-d %b %Y}"


def list_facts(facts: Iterable[tuple[str, str]], kind: str | None = None) -> Html:
    """Return names with their values."""
    named = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    return element("dl", *named, class_=kind)


def _describe_days(days: Sequence[Day]) -> str:
    counts = {state: sum(day.state == state for day in days) for state in DayState}
    return (
        f"The last year: {counts[DayState.GOOD]} days with a good backup, {counts[DayState.FAILED]} on which "
        f"all failed, {counts[DayState.ALARM]} with an alarm"
    )


def _name_bad_days(days: Sequence[Day]) -> Html:
    """Return the last bad days as text."""
    bad = [day for day in days if day.state != DayState.GOOD]
    if not bad:
        return Html("")
    named = ", ".join(f"{date.fromordinal(day.number):%-d %b}" for day in bad[-DAYS_NAMED:])
    more = f"and {len(bad) - DAYS_NAMED} before" if len(bad) > DAYS_NAMED else ""
    return element("p", f"Not good: {named} {more}", class_="soft")


def _line(name: str, points: Points, say: Callable[[float], str]) -> Html:
    if len(points) < 2:
        return Html("")
    values = [value for _day, value in points]
    usual, last, top = median(values), values[-1], max(values)
    told = f"last {say(last)}, usually {say(usual)}, at most {say(top)}"
    return _figure(name, told, points, draw_line(points, usual, f"{name}: {told}"))


def _restores(client: ClientFacts, today: int) -> Html:
    """Return how long restores took that were tried in the last year, which is a drawing also of a single one."""
    first = today - YEAR + 1
    points = [(one.number, one.seconds) for one in client.restores if one.seconds and one.number >= first]
    if not points:
        return Html("")
    told = f"last {format_duration(points[-1][1])}, at most {format_duration(max(value for _day, value in points))}"
    framed = [(first, 0.0), *points, (today, 0.0)]
    return _figure("Restore tried", told, framed, draw_bars(framed, f"Restore tried: {told}"))


def _bars(name: str, points: Points, say: Callable[[float], str], kind: str = "") -> Html:
    if len(points) < 2:
        return Html("")
    values = [value for _day, value in points]
    last, top = values[-1], max(values)
    told = f"last {say(last)}, usually {say(median(values))}, at most {say(top)}"
    return _figure(name, told, points, draw_bars(points, f"{name}: {told}", kind))


def _figure(name: str, told: str, points: Points, drawing: Html) -> Html:
    first, last = (date.fromordinal(points[at][0]) for at in (0, -1))
    axis = join(element("span", f"{first:%-d %b %Y}"), element("span", f"{last:%-d %b %Y}"))
    return element(
        "figure",
        element("figcaption", element("b", name), Html(" "), element("span", told)),
        drawing,
        element("div", axis, class_="axis", aria_hidden="true"),
    )


def _size(value: float) -> str:
    return format_size(round(value))


def _count(value: float) -> str:
    return format_number(round(value))
