# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of any kind become safe ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_count,
    take_lines,
    take_number,
    take_seconds,
    take_text,
    take_time,
)
from hypothesis import given
from hypothesis import strategies as st
from report_samples import ANYTHING


@given(ANYTHING, st.integers(1, 50))
def test_text_is_one_bounded_printable_line(value: object, limit: int) -> None:
    line = take_text(value, limit)
    assert len(line) <= limit
    assert line.isprintable()


@given(st.lists(ANYTHING), st.integers(1, 5), st.integers(1, 50))
def test_lines_are_few_bounded_and_printable(value: list[object], count: int, limit: int) -> None:
    lines = take_lines(value, count, limit)
    assert len(lines) <= count
    assert all(len(line) <= limit and line.isprintable() for line in lines)


def test_lines_are_the_last_ones_and_keep_their_indentation() -> None:
    assert take_lines(["a", "  b", "\tc"], 2, 10) == ("  b", "    c")


@pytest.mark.parametrize("value", [-1, 2**63, True, 1.0, "1", None, math.nan])
def test_no_count(value: object) -> None:
    assert take_count(value) is None


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan, True, "1", None, 1e12])
def test_no_duration(value: object) -> None:
    assert take_seconds(value) is None


@pytest.mark.parametrize("value", ["2026-11-21", "now", "2026-11-21T06:30:00Z\n", "\uff12026-11-21T06:30:00Z", 5, None])
def test_no_moment(value: object) -> None:
    assert take_time(value) == ""


@pytest.mark.parametrize("value", ["2026-11-21T06:30:00Z", "2026-11-21T06:30:00.123456+01:00", "2026-11-21T06:30:00"])
def test_moment(value: object) -> None:
    assert take_time(value) == value


@pytest.mark.parametrize(
    ("take", "value"),
    [
        *((take_count, value) for value in (0, 2**63 - 1)),
        *((take_number, value) for value in (0, 2.0**62)),
        *((take_seconds, value) for value in (0, 0.5, 10 * 366 * 86400)),
    ],
)
def test_nothing_is_a_number_and_the_largest_is_one(take: Callable[[object], float | None], value: float) -> None:
    assert take(value) == value and take(value) is not None


@pytest.mark.parametrize(("line", "kept"), [("x" * 9, "x" * 9), ("x" * 10, "x" * 10), ("x" * 11, "x" * 9 + "…")])
def test_a_line_that_fits_is_whole_and_one_that_does_not_says_so(line: str, kept: str) -> None:
    assert take_lines([line], 1, 10) == (kept,)
    assert take_text(line, 10) == kept
