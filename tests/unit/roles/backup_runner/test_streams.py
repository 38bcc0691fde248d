# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what is said goes: to who has gone, to a full disk, to a descriptor that does not wait."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paranoid_runner.streams import Stream, close_streams, open_missing


@contextmanager
def said_to(number: int) -> Iterator[Stream]:
    """Have standard output lead to a descriptor."""
    before, stream = sys.stdout, Stream(number)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(stream), "utf-8")
    try:
        yield stream
    finally:
        sys.stdout = before


@pytest.mark.parametrize("much", [10, 1_000_000])
@pytest.mark.parametrize(("code", "told"), [(0, 1), (2, 2)])
def test_a_full_disk_is_told_and_no_exit_code_is_better_than_before(
    capsys: pytest.CaptureFixture[str], much: int, code: int, told: int
) -> None:
    number = os.open("/dev/full", os.O_WRONLY)
    with said_to(number) as stream:
        print("x" * much)
        assert close_streams(code) == told
    assert stream.lost and stream.lost.errno == errno.ENOSPC
    assert capsys.readouterr().err == "paranoid-backup: not all could be said: No space left on device\n"
    os.close(number)


@pytest.mark.parametrize("much", [10, 1_000_000])
def test_a_reader_who_has_gone_had_enough(capsys: pytest.CaptureFixture[str], much: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with said_to(writing):
        print("x" * much)
        assert (close_streams(0), close_streams(1)) == (0, 1)
    assert capsys.readouterr().err == ""
    os.close(writing)


def test_what_does_not_wait_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    found: list[int] = []

    def read() -> None:
        with open(reading, "rb") as file:
            found.append(len(file.read()))

    reader = threading.Thread(target=read)
    with said_to(writing):
        reader.start()
        print("x" * 999_999)
        assert close_streams(0) == 0
    os.close(writing)
    reader.join()
    assert found == [1_000_000]


def test_a_closed_descriptor_is_opened_before_a_file_takes_its_number(tmp_path: Path) -> None:
    kept = os.dup(1)
    try:
        os.close(1)
        open_missing()
        with open(tmp_path / "lock", "wb") as file:
            assert file.fileno() != 1
        assert os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev
    finally:
        os.dup2(kept, 1)
        os.close(kept)
