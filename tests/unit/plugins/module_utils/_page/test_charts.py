# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawings say what the numbers say, and are small."""

from __future__ import annotations

import re

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.charts import (
    HEIGHT,
    WIDTH,
    draw_bars,
    draw_calendar,
    draw_line,
    draw_strip,
    draw_trend,
)
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day

TODAY = 739_581  # a Wednesday, 2025-11-26


def days(**states: int) -> list[Day]:
    """Return days by how far they lie back: ``d3=2`` was good three days ago."""
    return [Day(TODAY - int(back[1:]), state, 0, 1.0, 1, 1) for back, state in states.items()]


def drawn(svg: str, kind: str) -> str:
    return "".join(re.findall(rf'<path class={kind} d="([^"]*)"', svg))


def test_a_strip() -> None:
    svg = draw_strip(days(d0=2, d1=2, d3=2, d4=1, d29=3), TODAY - 29, 30)
    assert drawn(svg, "g") == "M130 6h4M140 6h9"
    assert drawn(svg, "b") == "M125 3l4 6m0-6l-4 6"
    assert drawn(svg, "a") == "M2 0v12"
    assert len(draw_strip([Day(TODAY - back, 2, 0, 1.0, 1, 1) for back in range(30)], TODAY - 29, 30)) < 80


def test_a_calendar_has_each_day_once() -> None:
    """Today is a Wednesday: the third row of the last of 53 columns."""
    svg = draw_calendar(days(d0=3, d1=2, d2=2, d3=1), TODAY, "label")
    assert drawn(svg, "a") == "M629 38l5 5-5 5-5-5z"
    assert drawn(svg, "g") == "M629 14v22"
    assert drawn(svg, "b").startswith("M613 87")
    blank = sum((int(length) + 2) // 12 for length in re.findall(r"v(\d+)", drawn(svg, "n")))
    assert blank == 52 * 7 + 3 - 2, "every day but the good ones"
    year = draw_calendar([Day(TODAY - back, 2, 0, 1.0, 1, 1) for back in range(365)], TODAY, "label")
    assert len(year) < 1600
    assert re.findall(r"<text [^>]*>(\w+)<", year)[-1] == "Nov"


@pytest.mark.parametrize("count", [2, 7, 99, 100, 101, 365])
def test_lines_and_bars_stay_within_and_keep_the_highest(count: int) -> None:
    points = [(TODAY - count + place, float(place % 17)) for place in range(count)]
    highest = max(value for _day, value in points)
    line = re.findall(r'<path d="([^"]*)"', draw_line(points, 0.5, "label"))[0]
    x, y = map(int, re.match(r"M(\d+) (\d+)", line).groups())  # type: ignore[union-attr]
    corners = [(x, y)]
    for step_x, step_y in re.findall(r"[l ](-?\d+)(?: |(?=-))(-?\d+)", line[line.index("l") :]):
        x, y = x + int(step_x), y + int(step_y)
        corners.append((x, y))
    assert corners[0][0] >= 0
    assert corners[-1][0] <= WIDTH
    assert min(y for _x, y in corners) == 2, "the highest value touches the top"
    assert max(y for _x, y in corners) <= HEIGHT
    bars = re.findall(r"M(\d+) 60v-(\d+)", draw_bars(points, "label"))
    assert all(0 <= int(x) <= WIDTH for x, _height in bars)
    assert max(int(height) for _x, height in bars) == (HEIGHT - 3 if highest else 0)
    assert len(bars) <= 100


def test_nothing_and_always_the_same() -> None:
    assert draw_trend([]) == ""
    assert draw_trend([5]) == ""
    assert 'd="M0 6l60 0"' in draw_trend([5, 5])
    assert draw_bars([(TODAY, 0.0), (TODAY, 0.0)], "label").count("v-") == 0
    assert "nan" not in draw_line([(TODAY, 0.0), (TODAY, 0.0)], 0.0, "label")
