# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's own prune on a real repository decides as our rules of retention do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import KnownArchive
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import parse_rules, plan

VIENNA = ZoneInfo("Europe/Vienna")


def test_same_as_borg_prune_on_a_real_repository(tmp_path: Path) -> None:
    archives = real_history()
    borg = Borg(tmp_path)
    for item in archives:
        borg.create(item)
    for options in (
        {"daily": 7, "weekly": 4, "monthly": 6, "yearly": 1},
        {"hourly": 5, "daily": 3},
        {"weekly": -1},
        {"monthly": 40},
        {"within": "26w", "yearly": 2},
    ):
        decided = plan(archives, parse_rules(options), datetime.now(UTC), VIENNA)
        dropped = {item.name for item in decided.drop}
        assert borg.would_prune(options) == dropped
        assert 0 < len(dropped) < len(archives)


def real_history() -> list[KnownArchive]:
    """Around both clock changes of a year, a year's end, and an hour ago, so that every rule has work."""
    summer = datetime(2025, 10, 25, 21, 0, tzinfo=UTC)
    winter = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
    times = [summer + timedelta(minutes=30 * n) for n in range(10)]
    times += [winter + timedelta(minutes=45 * n) for n in range(6)]
    times += [datetime(2025, 12, 26, 23, 30, tzinfo=UTC) + timedelta(days=n) for n in range(10)]
    times += [datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1, days=n) for n in range(4)]
    return [KnownArchive(f"{seq:064x}", f"a{seq}", when, seq, True) for seq, when in enumerate(sorted(times), start=1)]


class Borg:
    """The real program on a repository of its own."""

    def __init__(self, directory: Path) -> None:
        self.repository = str(directory / "repo")
        self.program = str(Path(sys.executable).with_name("borg"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "BORG_BASE_DIR": str(directory / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "TZ": "Europe/Vienna",
        }
        (directory / "empty").mkdir()
        self.source = str(directory / "empty")
        self.run("init", "--encryption=none", self.repository)

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def create(self, item: KnownArchive) -> None:
        stamp = item.arrival.strftime("%Y-%m-%dT%H:%M:%S")
        self.run("create", "--timestamp", stamp, f"{self.repository}::{item.name}", self.source)

    def would_prune(self, options: dict[str, Any]) -> set[str]:
        arguments = [f"--keep-{name}={value}" for name, value in options.items()]
        output = self.run("prune", "--dry-run", "--list", *arguments, self.repository)
        return set(re.findall(r"Would prune:\s+(\S+)", output))
