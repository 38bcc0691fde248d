# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which old runs go, and that nothing else does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import pruning
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.pruning import DAY, OldRun, choose_outdated, prune

NOW = 1_800_000_000.0
Make = Callable[[str, float], Path]
FILES = ("report.txt", "report.html", "mail.eml")


@pytest.fixture
def made(tmp_path: Path, run: Run) -> Make:
    """Return a function that makes the directory of a run whose record is so many days old."""

    def make(run_id: str, days: float) -> Path:
        directory = RunDir.create(tmp_path, run_id)
        directory.save(replace(run, run_id=run_id))
        for name in FILES:
            directory.write(name, b"x")
        os.utime(directory.record, (NOW - days * DAY, NOW - days * DAY))
        return directory.path

    return make


@pytest.mark.parametrize(
    ("keep_runs", "keep_days", "gone"),
    [
        (0, 0, []), (0, 30, ["d", "c"]), (1, 0, ["d", "c", "b"]), (3, 30, ["d", "c"]), (2, 300, ["d", "c"]),
        (9, 300, ["d"]), (0, 1, ["d", "c", "b"]),
    ],
)  # fmt: skip
def test_outdated(keep_runs: int, keep_days: int, gone: list[str]) -> None:
    ages = {"c": 40, "a": 1.5, "d": 400, "b": 10}
    runs = [OldRun(name, NOW - days * DAY) for name, days in ages.items()]
    assert choose_outdated(runs, NOW, keep_runs, keep_days) == gone


def test_a_young_run_stays_for_it_may_still_be_at_work() -> None:
    runs = [OldRun("a", NOW), OldRun("b", NOW - 1.9 * DAY), OldRun("c", NOW - 2.1 * DAY)]
    assert choose_outdated(runs, NOW, 1, 0) == ["c"]


def test_old_runs_go_and_new_ones_stay(tmp_path: Path, made: Make) -> None:
    old, new = made("20250101T000000Z-0a", 500), made("20261101T000000Z-0b", 3)
    (old / ".record.json.half").write_text("{")
    assert prune(tmp_path, NOW, 0, 400) == ""
    assert (old.exists(), sorted(path.name for path in new.iterdir())) == (False, sorted(("record.json", *FILES)))


def test_what_is_not_ours_stays(tmp_path: Path, made: Make) -> None:
    """A file of a person, a directory, another run's record, no record, broken JSON, a name that is no run id."""
    ids = ("noted", "nested", "other", "empty", "broken", "linked", "not a run", "deep")
    kept = {name: made(name, 500) if " " not in name else made("tmp", 500).rename(tmp_path / name) for name in ids}
    record = kept["not a run"] / "record.json"
    record.write_text(record.read_text().replace('"tmp"', '"not a run"'))
    (kept["noted"] / "notes.txt").write_text("why it failed")
    (kept["nested"] / "mail.eml").unlink()
    (kept["nested"] / "mail.eml").mkdir()
    shutil.copy2(kept["noted"] / "record.json", kept["other"] / "record.json")
    (kept["empty"] / "record.json").unlink()
    (kept["broken"] / "record.json").write_text("[" * 100_000)
    (kept["linked"] / "report.txt").unlink()
    (kept["linked"] / "report.txt").symlink_to("/etc/passwd")
    (kept["deep"] / "record.json").rename(kept["deep"] / "real.json")
    (kept["deep"] / "record.json").symlink_to("real.json")
    for path in kept.values():
        os.utime(path / "record.json", (0, 0), follow_symlinks=False) if (path / "record.json").exists() else None
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert prune(tmp_path, NOW, 1, 1) == ""
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_no_link_is_followed(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    RunDir.create(elsewhere, "victim").save(replace(run, run_id="victim"))
    os.utime(elsewhere / "victim/record.json", (0, 0))
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "victim").symlink_to(elsewhere / "victim")
    assert prune(reports, NOW, 1, 1) == ""
    assert (elsewhere / "victim/record.json").exists()
    assert (reports / "victim").is_symlink()
    monkeypatch.setattr(pruning, "choose_outdated", lambda *_found: ["victim"])  # as if it had just been replaced
    assert prune(reports, NOW, 1, 1) != ""
    assert (elsewhere / "victim/record.json").exists()


def test_what_cannot_be_removed_is_one_line(tmp_path: Path, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [made("a", 500), made("b", 500)]

    def refuse(_path: str, dir_fd: int | None = None) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "unlink", refuse)
    said = prune(tmp_path, NOW, 0, 400)
    assert said == f"old runs in {tmp_path} could not be removed: a: Permission denied (and 1 more)"
    assert all((path / "record.json").exists() for path in old)


def test_a_removal_that_stops_halfway_goes_on_at_the_next_run(
    tmp_path: Path, made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, unlink = made("a", 500), os.unlink

    def stop(name: str, dir_fd: int | None = None) -> None:
        if len(os.listdir(old)) < 3:
            raise OSError(5, "Input/output error")
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", stop)
        assert prune(tmp_path, NOW, 0, 400).endswith("a: Input/output error")
    assert (old / "record.json").exists()
    assert (prune(tmp_path, NOW, 0, 400), old.exists()) == ("", False)


def test_a_directory_that_is_gone_is_one_line(tmp_path: Path) -> None:
    said = prune(tmp_path / "none", NOW, 0, 400)
    assert said == f"old runs in {tmp_path}/none could not be removed: No such file or directory"


def test_another_users_directory_stays(tmp_path: Path, made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    old = made("a", 500)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert prune(tmp_path, NOW, 0, 400) == ""
    assert (old / "record.json").exists()


def test_only_the_newest_records_hand_on_what_is_remembered(tmp_path: Path, run: Run) -> None:
    """Of hundreds of clients it is two megabytes, and with a turn of its own for each there are many runs a day."""
    history = {"schema": 1, "clients": ["x" * 9]}
    for place in range(60):
        directory = RunDir.create(tmp_path, f"r{place:02}")
        named, finished = "other" if place == 57 else f"r{place:02}", "" if place == 58 else run.finished
        directory.save(replace(run, run_id=named, finished=finished, history=history))
        os.utime(directory.record, (NOW - place, NOW - place))
    ahead = RunDir.create(tmp_path, "ahead")
    ahead.save(replace(run, run_id="ahead", history=history))
    os.utime(ahead.record, (NOW + 99 * DAY, NOW + 99 * DAY))
    before = {path: (path.stat().st_mtime_ns, json.loads(path.read_text())) for path in tmp_path.glob("*/*")}
    assert prune(tmp_path, NOW, 0, 400) == "" and len(before) == 61
    for path, (written, record) in before.items():
        is_kept = path.parent.name < "r50" or path.parent.name in ("r57", "r58")  # another's, and one at work
        assert json.loads(path.read_text()) == {**record, "history": history if is_kept else None}, path
        assert path.stat().st_mtime_ns == written, "else it would stay for another keep_days"
