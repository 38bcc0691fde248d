# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawings, as SVG without style or script: classes name what the page's style sheet colours.

A year of days must fit into some hundred bytes, for thousands of clients are on a page. So runs of days are one line
with a dash pattern, points are whole numbers from one to the next. Each state has a form of its own, beside its colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby

from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, DayState
from ansible_collections.paranoid.backup.plugins.module_utils._page.markup import Html, element, join, text

CELL = 12  # units of a day in the calendar, of which 2 are between cells
STRIP_CELL = 5
WIDTH, HEIGHT = 300, 60  # units of a chart, which is stretched to its place
POINTS = 100  # of a line, at most
_CLASSES = {DayState.GOOD: "g", DayState.FAILED: "b", DayState.ALARM: "a"}
_TOP = 14  # of the calendar, for the names of months


def draw_strip(days: Iterable[Day], first: int, length: int) -> Html:
    """Return a row of days, one after the other, for a table."""
    states = {day.number - first: day.state for day in days}
    parts = {
        DayState.GOOD: "".join(
            f"M{at * STRIP_CELL} 6h{count * STRIP_CELL - 1}" for at, count in _runs(_good(states), length)
        ),
        DayState.FAILED: _repeat(states, DayState.FAILED, lambda at: f"M{at * STRIP_CELL} 3l4 6m0-6l-4 6"),
        DayState.ALARM: _repeat(states, DayState.ALARM, lambda at: f"M{at * STRIP_CELL + 2} 0v12"),
    }
    return Html(f"<svg class=s aria-hidden=true>{_paths(parts)}</svg>")


def draw_trend(values: Sequence[int]) -> Html:
    """Return a small line for a table, of at most a dozen values."""
    step = max(1, len(values) // 10)
    points = [(index * 60 // max(1, len(values) - 1), value) for index, value in enumerate(values)][::step]
    top, low = max(values, default=0), min(values, default=0)
    drawn = [(x, 11 - round(10 * (y - low) / (top - low)) if top > low else 6) for x, y in points]
    return Html(f'<svg class=t aria-hidden=true><path d="{_line(drawn)}"/></svg>') if len(drawn) > 1 else Html("")


def draw_calendar(days: Iterable[Day], last: int, label: str) -> Html:
    """Return a year of days in weeks from left to right, Monday at the top; ``last`` is the number of the last day."""
    begin = last - 52 * 7 - (last - 1) % 7  # the ordinal 1 is a Monday
    states = {day.number - begin: day.state for day in days if day.number >= begin}
    blank = set(range(last - begin + 1)).difference(_good(states))
    parts = {
        DayState.GOOD: _columns(_good(states)),
        DayState.FAILED: _repeat(states, DayState.FAILED, lambda at: f"M{_x(at)} {_y(at)}l8 8m0-8l-8 8"),
        DayState.ALARM: _repeat(states, DayState.ALARM, lambda at: f"M{_x(at) + 4} {_y(at) - 1}l5 5-5 5-5-5z"),
    }
    return element(
        "svg",
        Html(f'<path class=n d="{_columns(blank)}"/>'),
        _paths(parts),
        *(element("text", name, x=x, y=9) for x, name in _months(begin, last)),
        class_="c",
        viewBox=f"0 0 {53 * CELL - 2} {_TOP + 7 * CELL - 2}",
        role="img",
        aria_label=label,
    )


def draw_line(points: Sequence[tuple[int, float]], usual: float, label: str) -> Html:
    """Return a line over days, thinned; ``usual`` is marked. The lowest line of the chart is zero."""
    first, last = points[0][0], points[-1][0]
    top = max(max(y for _x, y in points), usual) or 1.0
    drawn = [(round((x - first) / max(1, last - first) * WIDTH), _scale(y, top)) for x, y in _thin(points)]
    line = _line(drawn)
    area, mark = f"{line}V{HEIGHT}H{drawn[0][0]}z", f"M0 {_scale(usual, top)}h{WIDTH}"
    return _chart(label, f'<path class=f d="{area}"/><path class=u d="{mark}"/><path d="{line}"/>')


def draw_bars(points: Sequence[tuple[int, float]], label: str, kind: str = "") -> Html:
    """Return a bar for each day, or for some days together, of which the highest counts; they end with the last one."""
    first, last = points[0][0], points[-1][0]
    top = max(y for _x, y in points) or 1.0
    together = -(-(last - first + 1) // POINTS)
    highest: dict[int, float] = {}
    for x, y in points:
        at = (last - x) // together
        highest[at] = max(highest.get(at, 0.0), y)
    room = WIDTH / max(30, (last - first) // together + 1)
    bars = "".join(
        f"M{round(WIDTH - (at + 0.5) * room)} {HEIGHT}v-{max(2, round((HEIGHT - 3) * y / top))}"
        for at, y in sorted(highest.items())
        if y > 0
    )
    return _chart(label, f'<path class="v{kind}" d="{bars}"/>')


def draw_share(counts: Mapping[str, int]) -> Html:
    """Return one bar, divided as the counts are; classes are the names."""
    total, at, parts = sum(counts.values()) or 1, 0.0, []
    for name, count in counts.items():
        width = 1000 * count / total
        if count:
            parts.append(Html(f'<rect class="{text(name)}" x="{at:.0f}" width="{max(4, width - 3):.0f}" height="10"/>'))
        at += width
    return element("svg", *parts, class_="share", viewBox="0 0 1000 10", preserveAspectRatio="none", aria_hidden="true")


def _chart(label: str, inner: str) -> Html:
    return element(
        "svg",
        Html(inner),
        class_="p",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def _paths(parts: Mapping[DayState, str]) -> Html:
    return join(*(Html(f'<path class={_CLASSES[state]} d="{drawn}"/>') for state, drawn in parts.items() if drawn))


def _runs(numbers: Iterable[int], within: int) -> list[tuple[int, int]]:
    """Return begin and length of each run of numbers; none goes over a multiple of ``within``."""
    counted = enumerate(sorted(numbers))
    groups = [list(group) for _key, group in groupby(counted, lambda pair: (pair[1] - pair[0], pair[1] // within))]
    return [(group[0][1], len(group)) for group in groups]


def _good(states: Mapping[int, int]) -> list[int]:
    return [at for at, state in states.items() if state == DayState.GOOD]


def _repeat(states: Mapping[int, int], state: DayState, draw: Callable[[int], str]) -> str:
    return "".join(draw(at) for at in sorted(states) if states[at] == state)


def _columns(days: Iterable[int]) -> str:
    """Return days as vertical lines, one for each run within a week; the style's dashes make cells of them."""
    return "".join(f"M{_x(at) + 4} {_y(at) - 1}v{count * CELL - 2}" for at, count in _runs(days, 7))


def _x(at: int) -> int:
    return at // 7 * CELL + 1


def _y(at: int) -> int:
    return _TOP + at % 7 * CELL + 1


def _months(begin: int, last: int) -> list[tuple[int, str]]:
    """Return where each month begins, and its short name."""
    firsts = [number for number in range(begin, last + 1) if date.fromordinal(number).day == 1]
    return [((number - begin + 6) // 7 * CELL, f"{date.fromordinal(number):%b}") for number in firsts][-12:]


def _thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return at most so many points: of some that are next to each other the highest."""
    step = -(-len(points) // POINTS)
    return [max(points[at : at + step], key=lambda point: point[1]) for at in range(0, len(points), step)]


def _line(points: Sequence[tuple[int, int]]) -> str:
    """Return a path through points; after the first they are relative, and a minus separates numbers, too."""
    if not points:
        return ""
    (x, y), *rest = points
    drawn, (last_x, last_y) = [f"M{x} {y}"], (x, y)
    for x, y in rest:
        drawn.append(f"{'l' if len(drawn) == 1 else ' '}{x - last_x}{'' if y < last_y else ' '}{y - last_y}")
        last_x, last_y = x, y
    return "".join(drawn)


def _scale(value: float, top: float) -> int:
    return HEIGHT - 1 - round((HEIGHT - 3) * value / top)
