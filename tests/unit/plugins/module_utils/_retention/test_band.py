# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's own band: what is far too small, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._retention.band import Band, Size, find_shrinkage, usual

MIB = 1024 * 1024


def red_at(sizes: Sequence[int], band: Band = Band()) -> int | None:  # noqa: B008
    """Return the place of the first archive that shrank, each compared with those before it; None if none did."""
    made = [Size(files, files * MIB) for files in sizes]
    return next((place for place, one in enumerate(made) if find_shrinkage(made[:place], one, band)), None)


@pytest.mark.parametrize(
    ("sizes", "place"),
    [
        ([100], None),
        ([100, 50], None),
        ([100, 49], 1),
        ([100, 0], 1),
        ([100] * 30 + [50], None),
        ([100] * 30 + [49], 30),
        # It grows, it stays, it swings.
        ([1, 20, 300, 4000], None),
        ([100, 70, 110, 60, 100, 55, 90, 60], None),
        # Large for one day, or for three of many.
        ([100] * 3 + [1000, 100], None),
        ([100] * 20 + [1000] * 3 + [100] * 20, None),
        # Large for so long that it was usual.
        ([100] * 20 + [1000] * 7 + [100], 27),
        # In steps, none of which is a half: at once, daily, after some days, for months, slowly.
        ([1000, 600, 360], 2),
        ([1000] * 3 + [600] * 3 + [360], 6),
        ([1000] * 10 + [600] * 10 + [360], 20),
        ([1000] * 90 + [600] * 90 + [360], 180),
        ([round(1000 * 0.97**day) for day in range(60)], 26),
    ],
)
def test_far_below_what_is_usual(sizes: list[int], place: int | None) -> None:
    assert red_at(sizes) == place


def test_either_files_or_bytes_are_enough_and_both_are_told() -> None:
    earlier = [Size(40_000, 2_100_000_000)] * 5
    assert find_shrinkage(earlier, Size(1, 2_100_000_000), Band()) == "1 files instead of 40000"
    assert find_shrinkage(earlier, Size(40_000, 3_140_000), Band()) == "3.1 MB instead of 2.1 GB"
    assert find_shrinkage(earlier, Size(20_000, 1_050_000_000), Band()) == ""
    assert find_shrinkage(earlier, Size(20_000, 1_049_999_999), Band()) == "1.0 GB instead of 2.1 GB"
    assert find_shrinkage(earlier, Size(19_999, 1_050_000_000), Band()) == "19999 files instead of 40000"
    told = find_shrinkage(earlier, Size(0, 0), Band())
    assert told == "0 files instead of 40000, 0 B instead of 2.1 GB"


def test_a_tiny_client_is_not_judged() -> None:
    assert find_shrinkage([Size(19, MIB - 1)], Size(0, 0), Band()) == ""
    assert find_shrinkage([Size(20, MIB - 1)], Size(0, 0), Band()) == "0 files instead of 20"
    assert find_shrinkage([Size(19, MIB)], Size(0, 0), Band()) == "0 B instead of 1.0 MB"


@pytest.mark.parametrize(
    ("band", "place"),
    [(Band(percent=0), None), (Band(percent=10), None), (Band(percent=100), 3), (Band(archives=0), None)],
)
def test_an_operator_may_set_the_band(band: Band, place: int | None) -> None:
    assert red_at([100, 100, 100, 99, 60], band) == place


def test_only_so_many_archives_are_looked_at() -> None:
    assert red_at([1000] * 50 + [600] * 10 + [350], Band(archives=10)) is None
    assert red_at([1000] * 50 + [600] * 10 + [350], Band(archives=20)) == 60


def test_what_is_usual_is_one_of_the_counts() -> None:
    assert usual([5]) == 5
    assert usual([5, 9]) == 9
    assert usual([9, 5, 5]) == 5
    assert usual([1, 2, 3, 4, 5, 6, 7]) == 4
