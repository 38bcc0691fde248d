# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's log is printable, bounded, for its owner, and survives a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import log as _session_log
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog, rotate


def test_lines_come_whole_and_printable(tmp_path: Path) -> None:
    log = SessionLog(str(tmp_path / "web1"), "x")
    log.feed(b"one\ntw")
    log.feed(b"o\n\n\x1b[2J\xff\nrest")
    assert log.tail == ("one", "two", "\\x1b[2J\\xff")
    log.close()
    assert Path(log.path).read_text() == "one\ntwo\n\\x1b[2J\\xff\nrest\n"
    assert Path(log.path).stat().st_mode & 0o777 == 0o600


def test_long_lines_and_much_of_it_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_session_log, "LOG_LIMIT", 100_000)
    log = SessionLog(str(tmp_path), "x")
    for _ in range(10):
        log.feed(b"x" * 9_999 + b"\n")
    assert not log.full
    log.feed(b"y")
    assert log.full
    log.feed(b"z" * 1_000_000)
    log.close()
    assert Path(log.path).stat().st_size <= 100_000
    assert max(map(len, Path(log.path).read_text().splitlines())) == 4096
    assert len(log.tail) == 10 and all(len(line) <= 300 for line in log.tail)


@pytest.mark.parametrize("byte", [b"\0", b"\xff", "\u202e".encode(), "\U000e0001".encode()])
def test_what_is_written_is_bounded_and_not_only_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, byte: bytes
) -> None:
    monkeypatch.setattr(_session_log, "LOG_LIMIT", 100_000)
    log = SessionLog(str(tmp_path), "x")
    for _ in range(23):
        log.feed(byte * (4000 // len(byte)) + b"\n")
    assert log.full
    log.say("server: failed")
    log.close()
    lines = Path(log.path).read_text().splitlines()
    assert Path(log.path).stat().st_size <= 100_000 + 80
    assert [line for line in lines if line.startswith("server:")] == [lines[-1]]
    assert lines[-1].startswith("server: the log is cut here")
    assert log.tail[-1] == "server: failed", "mail and page still have it"


def test_a_full_disk_does_not_end_the_session(tmp_path: Path) -> None:
    log = SessionLog(str(tmp_path), "x")
    log._handle.close()
    log._handle = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
    log.feed(b"lost on disk\n")
    log.close()
    assert log.tail == ("lost on disk", f"server: {log.path} is not whole: No space left on device")
    log._tail.extend(str(number) for number in range(20))
    assert len(log.tail) == 20 and log.tail[-1].endswith("No space left on device"), "nothing pushes it out"


def test_a_log_is_never_written_over(tmp_path: Path) -> None:
    SessionLog(str(tmp_path), "x").close()
    with pytest.raises(FileExistsError):
        SessionLog(str(tmp_path), "x")


def test_rotate_keeps_the_newest(tmp_path: Path) -> None:
    for name in ("1.log", "2.log", "3.log", "0.txt"):
        (tmp_path / name).write_text("")
    rotate(str(tmp_path), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.txt", "2.log", "3.log"]
    rotate(str(tmp_path / "nowhere"), 2)


def test_rotate_keeps_a_budget_of_bytes_and_the_floods_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session_log, "LOGS_LIMIT", 1000)
    for number in range(20):
        (tmp_path / f"{number:02}.log").write_bytes(bytes(10 if number < 12 else 200))
    rotate(str(tmp_path), 18)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [f"{number:02}.log" for number in (*range(2, 12), *range(16, 20))]
