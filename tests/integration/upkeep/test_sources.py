# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is saved is what was meant: sources and excludes in real sessions, and what the archive then holds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keeper import Keeper
from session_world import OK, came_to

# Each is something else to borgmatic, to Borg, or to a shell.
NAMES = (
    "a, b",
    "-a",
    "~a",
    "R a",
    "sh:a",
    "re:^a",
    "a:b",
    "#a",
    "! a",
    "a\tb",
    "ä ö",
    "$HOME",
    "{now}",
    "a'b\"c",
    "\\d",
)


def configure(keeper: Keeper, sources: list[Any], **more: Any) -> None:
    """Write these sources into borgmatic.yaml, and what else it is to have."""
    path = keeper.world.own / "borgmatic.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "source_directories": sources, **more}))


def test_sources_with_any_name_are_saved_once_and_under_it(keeper: Keeper) -> None:
    base = keeper.world.own / "odd"
    for name in NAMES:
        (base / name).mkdir(parents=True)
        (base / name / "file").write_text(name)
    (base / "file").write_text("x")
    (base / "name").mkdir()
    os.link(base / "file", base / "name/hard")
    # A directory below another source, a file and another name of it, and one of them twice.
    sources = [str(base / name) for name in NAMES]
    sources += [f"{base / 'name'}/", str(base / "name"), str(base / "file"), str(base)]
    configure(keeper, sources)
    assert came_to(keeper.world.session("backup")) == OK
    directories = [base, base / "name", *(base / name for name in NAMES)]
    files = [base / "file", base / "name/hard", *(base / name / "file" for name in NAMES)]
    found = keeper.archived()
    assert sorted(map(str, directories + files)) == sorted(set(found))
    assert sorted(found) == sorted([*map(str, directories + files), str(base / "file")])


def test_a_source_that_is_not_as_it_was_meant_is_red_and_the_others_are_saved(keeper: Keeper) -> None:
    own = keeper.world.own
    (own / "link").symlink_to("source")
    (own / "left").mkdir()
    configure(
        keeper,
        [str(own / "link"), str(own / "source"), str(own / "gone"), "~", str(own / "left")],
        exclude_patterns=[f"{own}/left/"],
    )
    outcome = keeper.world.session("backup")
    assert (outcome.conclusion.status, outcome.conclusion.code) == ("failed", "source_refused")
    assert f"source {own}/link is a link to source: name {own}/source" in outcome.conclusion.reason
    assert outcome.sources is not None
    assert [line.split(" ")[1] for line in outcome.sources["refused"]] == [
        *(f"{own}/link", "~", f"{own}/left"),
        f"{own}/gone",
    ]
    assert keeper.archived() == [f"{own}/source", f"{own}/source/file"]


def test_with_nothing_to_save_nothing_is_saved(keeper: Keeper) -> None:
    before = keeper.listed()
    configure(keeper, [str(keeper.world.own / "gone")])
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_refused" and "is not there" in outcome.conclusion.reason
    assert keeper.listed() == before


def test_a_source_that_becomes_a_link_during_the_backup_is_red(keeper: Keeper, tmp_path: Path) -> None:
    own = keeper.world.own
    (own / "victim").mkdir()
    switch = f"mv {own}/victim {own}/was && ln -s /etc {own}/victim"
    configure(
        keeper,
        [str(own / "source"), str(own / "victim")],
        commands=[{"before": "action", "when": ["create"], "run": [switch]}],
    )
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_refused"
    assert f"{own}/victim is a link to /etc" in outcome.conclusion.reason
    assert not any(path.startswith(f"{own}/victim/") for path in keeper.archived())


def test_a_configuration_that_somebody_edited_or_nobody_can_check_is_red(keeper: Keeper) -> None:
    own = keeper.world.own
    (own / "borgmatic.yaml.sha256").write_text(f"{'0' * 64}  {own}/borgmatic.yaml\n")
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_refused" and "not as site.yml wrote it" in outcome.conclusion.reason
    assert keeper.archived() == [f"{own}/source", f"{own}/source/file"]
    (keeper.world.own / "borgmatic.yaml").write_text("source_directories:\n- /etc\n")
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "client_failed" and "run site.yml" in outcome.conclusion.reason


def fill(keeper: Keeper, files: int) -> None:
    """Have so many small files in the source, and no other ones."""
    source = keeper.world.own / "source"
    for path in source.iterdir():
        path.unlink()
    for number in range(files):
        (source / str(number)).write_text("x")


def test_a_source_that_lost_its_files_is_red_and_nothing_is_let_go_until_a_person_accepts_it(keeper: Keeper) -> None:
    fill(keeper, 60)
    for _ in range(2):  # Of three archives that were small before, so many at least are usual.
        assert came_to(keeper.world.session("backup")) == OK
    fill(keeper, 3)
    outcome = keeper.world.session("backup")
    assert (outcome.conclusion.status, outcome.conclusion.code) == ("failed", "shrunk")
    assert "instead of 6" in outcome.conclusion.reason and "accept.yml" in outcome.conclusion.reason
    held = keeper.maintain()
    assert held.maintain is not None and held.maintain["named"] == []
    assert "the last archive is not as it was" in held.maintain["waiting"]
    assert held.maintain["unknown"] == []

    reason = {"backup_reason": "old files went", "backup_by": "alice"}
    refused = keeper.play("accept", **reason)
    assert refused.returncode and "name the client by --limit" in refused.stdout
    foretold = keeper.play("accept", "--limit", "web1", "--check", **reason)
    assert foretold.returncode == 0 and "changed=1" in foretold.stdout and keeper.entries("accept") == []
    accepted = keeper.play("accept", "--limit", "web1", **reason)
    assert accepted.returncode == 0 and "instead of 6" in accepted.stdout, accepted.stdout + accepted.stderr
    again = keeper.play("accept", "--limit", "web1", **reason)
    assert again.returncode == 0 and "changed=0" in again.stdout
    assert len(keeper.entries("accept")) == 1

    assert came_to(keeper.world.session("backup")) == OK
    done = keeper.maintain()
    assert came_to(done) == OK and done.maintain is not None and done.maintain["deleted"]


def test_a_small_source_that_is_emptied_beside_a_large_one_is_red(keeper: Keeper) -> None:
    small = keeper.world.own / "small"
    (small / "deep").mkdir(parents=True)
    (small / "deep/file").write_text("x")
    fill(keeper, 60)
    configure(keeper, [str(keeper.world.own / "source"), str(small)])
    assert came_to(keeper.world.session("backup")) == OK
    (small / "deep/file").write_text("")
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_emptied" and f"nothing is in {small} any" in outcome.conclusion.reason
    waiting = keeper.maintain()
    assert waiting.maintain is not None and f"{small} is empty" in waiting.maintain["waiting"]
    (small / "deep/file").write_text("x")
    assert came_to(keeper.world.session("backup")) == OK


def test_a_trim_is_not_made_final_while_an_archive_is_not_as_it_was(keeper: Keeper) -> None:
    fill(keeper, 60)
    for _ in range(2):  # Of three archives that were small before, so many at least are usual.
        assert came_to(keeper.world.session("backup")) == OK
    assert came_to(keeper.maintain()) == OK
    fill(keeper, 3)
    assert keeper.world.session("backup").conclusion.code == "shrunk"
    told = keeper.module("compact", hold_days=0)
    assert not told["failed"] and not told["changed"]
    assert "the last archive is not as it was" in told["waiting"]


def test_a_disk_that_is_not_mounted_any_more_is_red(keeper: Keeper) -> None:
    twist = (
        "from paranoid_dispatcher import sources\n"
        "flag = pathlib.Path(sys.argv[2]).with_name('mounted')\n"
        "sources.is_apart = lambda path: flag.exists()\n"
    )
    keeper.serve(twist)
    flag = keeper.world.own / "mounted"
    flag.touch()
    assert came_to(keeper.world.session("backup")) == OK
    flag.unlink()
    for _ in range(2):
        outcome = keeper.world.session("backup")
        assert outcome.conclusion.code == "source_unmounted"
        assert str(keeper.world.own / "source") in outcome.conclusion.reason
    flag.touch()
    assert came_to(keeper.world.session("backup")) == OK


@pytest.fixture
def disk(keeper: Keeper) -> Iterator[Path]:
    """A directory on a disk of its own, for a disk of its own."""
    part = keeper.world.own / "part"
    part.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "part", part], check=True)
    (part / "disk").mkdir()
    yield part / "disk"
    subprocess.run(["umount", "--recursive", part], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can mount")
def test_a_disk_on_another_disk_that_is_not_mounted_any_more_is_red(keeper: Keeper, disk: Path) -> None:
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "disk", disk]
    subprocess.run(mount, check=True)
    configure(keeper, [str(disk)])
    assert came_to(keeper.world.session("backup")) == OK
    subprocess.run(["umount", disk], check=True)
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "source_unmounted" and f"{disk}/" in outcome.conclusion.reason
    subprocess.run(mount, check=True)
    assert came_to(keeper.world.session("backup")) == OK


def test_what_a_before_hook_brings_and_an_after_hook_takes_away_is_saved_and_green(keeper: Keeper) -> None:
    own = keeper.world.own
    hooks = [
        {"before": "action", "when": ["create"], "run": [f"mkdir {own}/brought; echo x > {own}/brought/file"]},
        {"after": "action", "when": ["create"], "run": [f"rm -r {own}/brought"]},
    ]
    configure(keeper, [str(own / "source"), str(own / "brought")], commands=hooks)
    assert came_to(keeper.world.session("backup")) == OK
    assert f"{own}/brought/file" in keeper.archived() and not (own / "brought").exists()
    assert came_to(keeper.world.session("backup")) == OK, "nor was it emptied"
    configure(keeper, [str(own / "source"), str(own / "brought")], commands=[])
    assert keeper.world.session("backup").conclusion.code == "source_refused"


def test_every_archive_says_what_its_system_was_whatever_is_left_out(keeper: Keeper) -> None:
    base = keeper.world.own / "borg"
    configure(keeper, [str(keeper.world.own)], exclude_patterns=["*.json", "re:system", f"pp:{base}"])
    for _turn in range(2):
        assert came_to(keeper.world.session("backup")) == OK
        before = (base / "system.json").stat()
        name = list(keeper.listed().values())[-1]
        said = keeper.borg("extract", "--stdout", f"::{name}", f"{base}/system.json".lstrip("/")).stdout
        system = json.loads(said)
        assert system["schema"] == 1 and "root" in [one["name"] for one in system["users"]]
        assert system["versions"]["borg"].startswith("1.4.") and system["os"]["ID"]
    assert (base / "system.json").stat().st_mtime_ns == before.st_mtime_ns, "what says the same stays as it is"


def test_a_description_that_cannot_be_written_costs_no_backup(keeper: Keeper) -> None:
    (keeper.world.own / "borg/system.json").unlink(missing_ok=True)
    (keeper.world.own / "borg/system.json").mkdir(parents=True)
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK and any("could not be described" in line for line in outcome.log_tail)
