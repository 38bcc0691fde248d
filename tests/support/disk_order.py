# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a program's files go to the disk: what a power cut could undo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


class DiskOrder:
    """Records each sync and each change of a name, with real paths, and does it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, Path]] = []
        self._record(patch, "fsync", "sync", lambda descriptor: _path(descriptor))
        self._record(patch, "sync", "sync all", lambda: Path("/"))
        self._record(patch, "unlink", "unlink", lambda path, dir_fd=None: _path(dir_fd) / path)
        self._record(patch, "link", "link", lambda _source, path, dst_dir_fd=None, **_: _path(dst_dir_fd) / path)
        for name in ("replace", "rename"):
            self._record(patch, name, name, lambda _source, path, dst_dir_fd=None, **_: _path(dst_dir_fd) / path)

    def _record(self, patch: pytest.MonkeyPatch, name: str, word: str, path: Any) -> None:
        real = getattr(os, name)

        def recorded(*arguments: Any, **options: Any) -> Any:
            self.events.append((word, path(*arguments, **options)))
            return real(*arguments, **options)

        patch.setattr(os, name, recorded)


def _path(descriptor: int | None) -> Path:
    return Path() if descriptor is None else Path(os.readlink(f"/proc/self/fd/{descriptor}"))


@pytest.fixture
def disk_order(monkeypatch: pytest.MonkeyPatch) -> DiskOrder:
    """Record what the test does from here on."""
    return DiskOrder(monkeypatch)
