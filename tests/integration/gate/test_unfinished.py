# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `create` that was cut off: the next one makes the repository, and never at the cost of one that is there."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import MANIFEST_ID, Hostile
from real import BORG, Borg, Gate

INIT = ("init", "-e", "repokey-blake2")
STEPS: list[tuple[str, Callable[[Hostile], object]]] = [
    ("opened", lambda client: client.hello(create=True)),
    ("with a key", lambda client: client.call("save_key", keydata=b"QUJD")),
    ("with a manifest", lambda client: client.call("put", id=MANIFEST_ID, data=b"x" * 100)),
]


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def assert_made_at_last(borg: Borg) -> None:
    done = borg.run("create", *INIT)
    assert done.returncode == 0, done.stderr
    assert borg.run("append", "create", "::first", "tree").returncode == 0
    assert borg.run("read", "list", "--short").stdout.split() == ["first"]


@pytest.fixture
def fresh(tmp_path: Path) -> Borg:
    borg = Borg.make(tmp_path)
    (borg.home / "tree").mkdir()
    return borg


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1), ids=[name for name, _ in STEPS])
def test_a_killed_gate_leaves_nothing_in_the_way(fresh: Borg, steps: int) -> None:
    gate = Gate("create", fresh.repository)
    for _name, step in STEPS[:steps]:
        step(gate.client)
    gate.stop(signal.SIGKILL)
    gate.process.wait()
    assert tree(fresh.repository), "nothing was begun"
    assert_made_at_last(fresh)


@pytest.mark.parametrize("left", [["README"], ["README", "data"], ["README", "data", "config-x8f_2.tmp"], ["data"]])
def test_what_borg_writes_before_its_config(fresh: Borg, left: list[str]) -> None:
    for name in left:
        (fresh.repository / name).mkdir() if name == "data" else (fresh.repository / name).write_text("x")
    assert_made_at_last(fresh)


def test_killed_at_any_moment(fresh: Borg, tmp_path: Path) -> None:
    bits = random.Random(20261121)
    seen = set()
    for _turn in range(10):
        shutil.rmtree(fresh.repository)
        fresh.repository.mkdir(mode=0o700)
        running = subprocess.Popen([BORG, *INIT], env=fresh.environment("create"), stderr=subprocess.DEVNULL)
        until = time.monotonic() + bits.uniform(0.05, 0.5)
        while time.monotonic() < until or not any(fresh.repository.iterdir()):
            time.sleep(0.002)
        gate = int(Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().partition(" ")[0] or 0)
        if gate:
            subprocess.run(["kill", "-KILL", str(gate)], check=False, stderr=subprocess.DEVNULL)
        running.wait()
        seen.add(len(tree(fresh.repository)))
        done = fresh.run("create", *INIT)
        assert done.returncode in (0, 10), (done.stderr, fresh.report()[-1], sorted(tree(fresh.repository)))
        assert fresh.run("create", "info").returncode == 0, "made now, or it was whole already"
    assert len(seen) > 1, "every kill came at the same moment"


def test_a_repository_with_a_commit_stays(borg: Borg) -> None:
    for name in ("index", "hints", "integrity"):
        next(borg.repository.glob(f"{name}.*")).unlink()
    before = tree(borg.repository)
    done = borg.run("create", *INIT)
    assert (done.returncode, "already exists" in done.stderr) == (10, True)
    assert {name: content for name, content in tree(borg.repository).items() if name in before} == before


def no_config(place: Path) -> None:
    (place / "config").unlink()


def no_commits(place: Path) -> None:
    for path in (place / "data").rglob("[0-9]*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    for number in range(100, 110):
        (place / "data/0" / str(number)).write_bytes(b"BORG_SEG")


def broken_config(place: Path) -> None:
    (place / "config").write_text("[repository]\nversion = 7\nid = x\n")


def foreign_file(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()
    (place / "lost+found").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_config, "a damaged repository lies in"),
        (no_commits, "a damaged repository lies in"),
        (broken_config, "cannot be opened"),
        (foreign_file, "no repository can be made beside 'lost+found': move it out of"),
    ],
)
def test_what_may_be_more_than_a_beginning_is_left_to_a_person(
    borg: Borg, damage: Callable[[Path], None], words: str
) -> None:
    damage(borg.repository)
    before = tree(borg.repository)
    assert borg.run("create", *INIT).returncode != 0
    end = borg.report()[-1]
    assert end["reason"] == "error" and words in end["detail"] and "\n" not in end["detail"]
    assert tree(borg.repository) == before
