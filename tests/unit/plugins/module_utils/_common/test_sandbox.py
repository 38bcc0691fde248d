# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a child asks of Linux; tests/integration/attack/test_gate_sandbox.py looks from inside a real one."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.sandbox import enter

MOUNTS, IPC, NETWORK = 0x20000, 0x8000000, 0x40000000  # unshare(2)
PRIVATE_DOWN, NOSUID_NODEV_NOEXEC, BIND = 0x80000 | 0x4000, 0x2 | 0x4 | 0x8, 0x1000 | 0x4000  # mount(2)


class Linux:
    """Notes what it is asked, and refuses what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: tuple[str, ...] = ()) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._refuses = refuses
        monkeypatch.setattr(ctypes, "CDLL", lambda *_words, **_options: self)
        monkeypatch.setattr(os, "makedirs", lambda *_words, **_options: None)
        monkeypatch.setattr(sys, "platform", "linux")

    def unshare(self, flags: int) -> int:
        self.asked.append(("unshare", flags))
        return -1 if "unshare" in self._refuses else 0

    def mount(self, source: bytes | None, target: bytes, kind: bytes | None, flags: Any, _data: bytes) -> int:
        what = "bind" if flags.value & 0x1000 else (kind or b"").decode()
        self.asked.append((what, os.fsdecode(target), flags.value))
        return -1 if what in self._refuses else 0

    def umount2(self, target: bytes, _flags: int) -> int:
        self.asked.append(("umount", os.fsdecode(target)))
        return 0


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "backup/web1/repo"
    path.mkdir(parents=True)
    return path


def test_it_leaves_the_network_and_sees_its_own_repository_alone(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux, root = Linux(monkeypatch), str(repository.parents[1])
    enter(str(repository), "/opt/paranoid-backup/bin/python")
    assert linux.asked == [
        ("unshare", NETWORK | IPC | MOUNTS),
        ("", "/", PRIVATE_DOWN),
        ("tmpfs", root, NOSUID_NODEV_NOEXEC),
        ("bind", str(repository), BIND),
    ]


def test_a_repository_that_cannot_be_shown_again_is_not_hidden(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty directory in its place would look like a lost one."""
    linux = Linux(monkeypatch, ("bind",))
    enter(str(repository), "/opt/paranoid-backup/bin/python")
    assert linux.asked[-1] == ("umount", str(repository.parents[1]))


def test_where_nothing_is_given_nothing_is_mounted(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be hidden from the whole machine."""
    linux = Linux(monkeypatch, ("unshare",))
    enter(str(repository), "/opt/paranoid-backup/bin/python")
    assert [what for what, *_rest in linux.asked] == ["unshare"]


def test_the_program_itself_is_not_hidden_and_neither_is_the_machine(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux = Linux(monkeypatch)
    enter(str(repository), str(repository.parents[1] / "venv/bin/python"))
    enter("/web1/repo", "/opt/paranoid-backup/bin/python")
    assert "tmpfs" not in [what for what, *_rest in linux.asked]
