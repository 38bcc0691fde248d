# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    count_seconds,
    format_duration,
    format_number,
    format_size,
    format_times,
    join_names,
)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "\u2013"), (0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (1023 * 1024, "1.0 MiB"),
        (102298, "99.9 KiB"), (102400, "100 KiB"), (48 * 2**30, "48.0 GiB"), (2**63 - 1, "8.0 EiB"),
        (250 * 2**63, "2000 EiB"),
    ],
)  # fmt: skip
def test_size(count: int | None, said: str) -> None:
    assert format_size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "\u2013"), (0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"),
        (130, "2 min 10 s"), (3780, "1 h 03 min"), (3599.7, "1 h 00 min"), (190000, "2 d 04 h"),
    ],
)  # fmt: skip
def test_duration(seconds: float | None, said: str) -> None:
    assert format_duration(seconds) == said


def test_between() -> None:
    assert count_seconds("2026-11-21T06:30:00Z", "2026-11-21T06:32:10Z") == 130
    assert count_seconds("2026-11-21T06:30:00Z", "2026-11-21T06:29:00Z") is None
    assert count_seconds("2026-11-21T06:30:00Z", "2026-11-21T06:30:00") is None
    assert count_seconds("", "") is None


def test_names() -> None:
    assert join_names([]) == ""
    assert join_names(["a"]) == "a"
    assert join_names(["a", "b", "c"]) == "a, b and c"
    assert join_names(list("abcdefg")) == "a, b, c, d and 3 more"


def test_number() -> None:
    assert format_number(1234567) == "1\u00a0234\u00a0567"


def test_plain_times() -> None:
    assert format_times("held until 2026-12-05T06:30+00:00") == "held until 2026-12-05 06:30 UTC"
    assert format_times("since 2026-11-20T03:00:12+00:00: look") == "since 2026-11-20 03:00 UTC: look"
    for other in ("web1-2026-11-20T03:00:12", "x2026-11-20T03:00Z", "2026-11-20T03:00+01:00", "2026-11-20T03:00Z0"):
        assert format_times(other) == other
