# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stock Borg through the gate: what every policy lets it do, and what it says when it may not."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import pytest
from real import Borg


def last_end(borg: Borg) -> dict[str, object]:
    return [event for event in borg.report() if event["event"] == "end"][-1]


def test_create_makes_a_repository_once(tmp_path: Path) -> None:
    borg = Borg.make(tmp_path)
    assert borg.run("create", "init", "-e", "repokey-blake2").returncode == 0
    assert [event["event"] for event in borg.report()] == ["open", "begin", "commit", "end"]
    before = (borg.repository / "config").read_bytes()
    again = borg.run("create", "init", "-e", "repokey-blake2")
    assert again.returncode == 10
    assert "already exists" in again.stderr
    assert borg.run("create", "info").returncode == 0
    assert (borg.repository / "config").read_bytes() == before


@pytest.mark.parametrize("mode", ["keyfile", "authenticated", "none", "repokey"])
def test_create_of_every_kind(tmp_path: Path, mode: str) -> None:
    borg = Borg.make(tmp_path)
    done = borg.run("create", "init", "-e", mode)
    assert done.returncode == 0, done.stderr


def test_append_creates_with_checkpoints(borg: Borg) -> None:
    done = borg.run("append", "create", "--checkpoint-interval", "1", "::three", "/usr/share/doc")
    assert done.returncode == 0, done.stderr
    names = borg.run("read", "list", "--short").stdout.split()
    assert names == ["one", "two", "three"]
    assert last_end(borg)["reason"] is None


@pytest.mark.parametrize(
    ("policy", "command"),
    [
        ("read", ("list",)),
        ("read", ("info", "::one")),
        ("read", ("check", "--verify-data")),
        ("read", ("check", "--repository-only", "--max-duration", "5")),
        ("read", ("key", "export", "::", "/dev/null")),
        ("read", ("list", "--bypass-lock")),
        ("read", ("diff", "::one", "two")),
        ("append", ("list",)),
        ("append", ("check",)),
        ("trim", ("info",)),
        ("trim", ("check",)),
    ],
)
def test_reading_works(borg: Borg, policy: str, command: tuple[str, ...]) -> None:
    config = (borg.repository / "config").read_bytes()
    done = borg.run(policy, *command)
    assert done.returncode == 0, done.stderr
    assert not [event for event in borg.report() if event["event"] == "refused"]
    assert (borg.repository / "config").read_bytes() == config


def test_extract_gives_the_same_bytes(borg: Borg, tmp_path: Path) -> None:
    (borg.home / "tree").rename(tmp_path / "tree")
    assert borg.run("read", "extract", "::two").returncode == 0
    compared = filecmp.dircmp(borg.home / "tree", tmp_path / "tree")
    assert len(compared.same_files) == 42
    assert not compared.diff_files + compared.left_only + compared.right_only


@pytest.mark.parametrize(
    ("policy", "command", "word"),
    [
        ("append", ("delete", "::one"), "deleting what is already stored"),
        ("append", ("delete", "--glob-archives", "*"), "deleting what is already stored"),
        ("append", ("delete",), "destroy"),
        ("append", ("prune", "--keep-last", "1"), "deleting what is already stored"),
        ("append", ("rename", "::one", "uno"), "deleting what is already stored"),
        ("append", ("recreate", "--comment", "x", "::one"), "deleting what is already stored"),
        ("append", ("compact",), "compaction"),
        ("append", ("key", "change-passphrase"), "save_key"),
        ("append", ("break-lock",), "break_lock"),
        ("append", ("check", "--repair"), "check with repair"),
        ("read", ("create", "::three", "tree"), "put"),
        ("read", ("delete", "::one"), "delete"),
        ("trim", ("delete", "::one"), "deleting what is already stored"),
        ("trim", ("delete",), "destroy"),
    ],
)
def test_history_is_out_of_reach(borg: Borg, policy: str, command: tuple[str, ...], word: str) -> None:
    kept = [borg.repository / "config", *(path for path in (borg.repository / "data").rglob("*") if path.is_file())]
    before = {path: path.read_bytes() for path in kept}
    done = borg.run(policy, *command)
    assert done.returncode == 2, done.stdout
    message = f"Error: the backup server's policy '{policy}' does not allow: {word}"
    assert done.stderr.strip().splitlines()[-1] == message
    assert {path: path.read_bytes() for path in kept} == before
    assert {"one", "two"} <= set(borg.run("read", "list", "--short").stdout.split())
    named = [event for event in borg.report() if event["event"] == "refused"]
    assert named[-1]["policy"] == policy
    assert named[-1]["detail"] == word


def test_trim_deletes_within_its_budget(borg: Borg) -> None:
    budget = ("--max-objects", "100", "--max-bytes", "1000000", "--max-archives", "1")
    done = borg.run("trim", "delete", "::two", gate=budget)
    assert done.returncode == 0, done.stderr
    assert borg.run("read", "list", "--short").stdout.split() == ["one"]
    assert borg.run("read", "check", "--verify-data").returncode == 0


@pytest.mark.parametrize(
    "budget",
    [
        ("--max-objects", "1", "--max-bytes", "1000000", "--max-archives", "1"),
        ("--max-objects", "100", "--max-bytes", "10000", "--max-archives", "1"),
    ],
)
def test_trim_stops_at_its_budget_with_nothing_done(borg: Borg, budget: tuple[str, ...]) -> None:
    done = borg.run("trim", "delete", "::two", gate=budget)
    assert done.returncode == 2
    assert "deleting more than" in done.stderr
    assert borg.run("read", "list", "--short").stdout.split() == ["one", "two"]


def test_quota_is_one_line_and_leaves_nothing(borg: Borg) -> None:
    used = sum(path.stat().st_size for path in borg.repository.rglob("*"))
    (borg.home / "large").write_bytes(json.dumps(list(range(2_000_000))).encode())
    done = borg.run("append", "create", "-C", "none", "::large", "large", gate=("--quota", str(used + 3_000_000)))
    assert done.returncode == 20
    assert "storage quota" in done.stderr
    assert last_end(borg)["reason"] == "quota"
    assert sum(path.stat().st_size for path in borg.repository.rglob("*")) <= used + 4096
    assert borg.run("read", "check").returncode == 0


def test_wrong_repository_is_not_served(borg: Borg) -> None:
    done = borg.run("append", "list", gate=("--repository-id", "00" * 32))
    assert done.returncode != 0
    end = last_end(borg)
    assert end["reason"] == "error"
    assert "not 0000" in str(end["detail"])
