# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trim must leave, read from the engine's descriptor and asked about each deletion."""

from __future__ import annotations

import json
import os

import pytest
from paranoid_gate.kept import Kept, load_kept

ARCHIVE, OTHER = b"a" * 32, b"b" * 32
CAME_WITH = "deleting what came with an archive that stays"


def kept(archives: list[bytes], intervals: list[list[int]]) -> Kept:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        json.dump({"archives": [one.hex() for one in archives], "intervals": intervals}, file)
    return load_kept(reading)


def test_nothing_is_kept_by_default() -> None:
    assert Kept().objection(ARCHIVE, (0, 8)) == ""


def test_an_archive_that_stays_is_kept_wherever_it_lies() -> None:
    for intervals in ([], [[3, 0, 5, 0]]):
        told = kept([ARCHIVE], intervals)
        assert told.objection(ARCHIVE, (99, 8)) == "deleting an archive that stays"
        assert told.objection(OTHER, (99, 8)) == ""


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ((2, 10**9), ""),
        ((3, 0), CAME_WITH),
        ((4, 10**9), CAME_WITH),
        ((5, 0), ""),
        ((7, 99), ""),
        ((7, 100), CAME_WITH),
        ((7, 149), CAME_WITH),
        ((7, 150), ""),
        ((8, 0), ""),
    ],
)
def test_an_interval_holds_its_first_place_and_not_its_end(place: tuple[int, int], answer: str) -> None:
    assert kept([], [[3, 0, 5, 0], [7, 100, 7, 150]]).objection(OTHER, place) == answer
