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


def test_a_full_disk_does_not_end_the_session(tmp_path: Path) -> None:
    log = SessionLog(str(tmp_path), "x")
    log._handle.close()
    log._handle = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
    log.feed(b"lost on disk\n")
    log.close()
    assert log.tail == ("lost on disk",)


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
