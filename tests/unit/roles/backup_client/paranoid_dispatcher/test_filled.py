# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there anything in a source? A file with a byte that is not left out, at whatever depth."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from paranoid_dispatcher import filled
from paranoid_dispatcher.filled import find_filled
from paranoid_dispatcher.mounts import Mounts

NOTHING = Mounts(frozenset(), ())


def nothing(source: Path) -> None:
    """An empty directory."""


def empty_tree(source: Path) -> None:
    """Only directories, and files without a byte, as a program makes them again that finds its data gone."""
    (source / "a/b/c").mkdir(parents=True)
    (source / "a/b/touched").touch()
    os.mkfifo(source / "a/pipe")


def left_out(source: Path) -> None:
    """Only what is not saved."""
    (source / "cache").mkdir()
    (source / "cache/file").write_text("x")
    (source / "it.log").write_text("x")


def deep(source: Path) -> None:
    """One file, far below, beside empty ones."""
    empty_tree(source)
    (source / "a/b/c/file").write_text("x")


def link(source: Path) -> None:
    """A link, which is saved as one, to wherever."""
    (source / "link").symlink_to("/nowhere")


def link_to_directory(source: Path) -> None:
    """One to a directory, which is not entered."""
    (source / "link").symlink_to(source)


def single(source: Path) -> None:
    """The source is a file."""
    source.rmdir()
    source.write_text("x")


def single_empty(source: Path) -> None:
    """The source is a file without a byte."""
    source.rmdir()
    source.touch()


def gone(source: Path) -> None:
    """It went away meanwhile."""
    source.rmdir()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        *((make, False) for make in (nothing, empty_tree, left_out, single_empty, gone)),
        *((make, True) for make in (deep, link, link_to_directory, single)),
    ],
)
def test_a_source_is_filled_or_not(tmp_path: Path, make: Callable[[Path], None], expected: bool) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source)
    excludes = [f"pp:{source}/cache", "*.log", "rx:refused elsewhere"]
    assert find_filled([str(source)], excludes, (), NOTHING) == {str(source): expected}


def test_a_search_that_takes_long_finds_no_emptiness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / str(number)).mkdir()
    monkeypatch.setattr(filled, "NAMES_MAX", 6)  # these and the source itself
    assert find_filled([str(tmp_path)], [], (), NOTHING) == {str(tmp_path): False}
    (tmp_path / "0/more").mkdir()
    assert find_filled([str(tmp_path)], [], (), NOTHING) == {str(tmp_path): True}
    assert find_filled([str(tmp_path)], ["*/more"], (), NOTHING) == {str(tmp_path): True}, (
        "what is left out counts, too"
    )


def test_what_may_be_empty_is_not_told(tmp_path: Path) -> None:
    assert find_filled([str(tmp_path), "/etc"], [], {str(tmp_path)}, NOTHING) == {"/etc": True}
    many = [f"/{number}" for number in range(filled.SOURCES_MAX + 1)]
    assert len(find_filled(many, [], (), NOTHING)) == filled.SOURCES_MAX


def test_what_is_mounted_below_a_source_is_not_entered_and_may_hold_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's file system may answer nobody; the source itself may lie on a disk of its own."""
    (tmp_path / "mount").mkdir()
    entered, names = [], filled._names

    def enter(path: str) -> list[str]:
        entered.append(path)
        return names(path)

    monkeypatch.setattr(filled, "_names", enter)
    mounts = Mounts(frozenset({str(tmp_path), str(tmp_path / "mount")}), ())
    assert find_filled([str(tmp_path)], [], (), mounts) == {str(tmp_path): True}
    assert entered == [str(tmp_path)]


def test_what_hangs_costs_some_seconds_and_counts_as_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    end, names = threading.Event(), filled._names

    def hang(path: str) -> list[str]:
        if path == "/etc":
            end.wait(30)
        return names(path)

    monkeypatch.setattr(filled, "SECONDS", 0.2)
    monkeypatch.setattr(filled, "_names", hang)
    try:
        assert find_filled([str(tmp_path / "empty"), "/etc", str(tmp_path / "gone")], [], (), NOTHING) == {
            str(tmp_path / "empty"): False, "/etc": True, str(tmp_path / "gone"): True
        }  # fmt: skip
    finally:
        end.set()
