# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of an owner around his restores come to their end, whatever ends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from owner_files import needs_root
from restore_world import LIB, Restoring
from waiting import wait_until

pytestmark = needs_root
START = (
    "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
    "from paranoid_dispatcher import trust; trust.TOP = pathlib.Path(sys.argv[2]).parent;"
    "from paranoid_restore.main import main; sys.exit(main(sys.argv[3:], pathlib.Path(sys.argv[2])))"
)
# The same, but each process that is to write files only says so, and goes on for ever.
WRITING = START.replace(
    "from paranoid_restore.main",
    "import os, time; from paranoid_restore import working; working.COST_PER_SECOND = 1;"
    "from paranoid_restore.writing import Writer;"
    "note = lambda: pathlib.Path(sys.argv[2]).with_name(f'writing-{os.getpid()}').touch();"
    "at_work = lambda *_steps: (note(), time.sleep(300));"
    "Writer.write_files = at_work; from paranoid_restore.main",
)


class Owning:
    """The owner of a client, who has hooks."""

    def __init__(self, restoring: Restoring) -> None:
        self.restoring, self.own = restoring, restoring.keeper.world.own
        self.calls_file = self.own / "calls"

    def hook(self, name: str, script: str = "") -> None:
        """Put one there that logs how it is started."""
        path = self.own / "hooks.d" / name
        path.write_text(f'#!/bin/sh\necho "{name} $@" >>{self.calls_file}\n{script}\n')
        path.chmod(0o755)

    def start(self, *words: str, program: str = START) -> subprocess.Popen[str]:
        """Type the command."""
        argv: list[str | Path] = [sys.executable, "-I", "-c", program, LIB, self.own / "client.json", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type the command, and wait for it."""
        process = self.start(*words)
        out, said = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, said)

    def calls(self) -> list[str]:
        """What hooks were started with."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def owning(restoring: Restoring, source: Path) -> Iterator[Owning]:
    """The owner, with a directory for hooks in which only root may write."""
    made = Owning(restoring)
    path = made.own / "client.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "owner_dir": str(made.own)}))
    made.own.chmod(0o755)
    (made.own / "hooks.d").mkdir(mode=0o755)
    yield made
    path.write_text(before)
    shutil.rmtree(made.own / "hooks.d")
    for pattern in ("calls", "at-work", "waiting", "inspecting", "writing-*"):
        for left in made.own.glob(pattern):
            left.unlink()


def test_hooks_run_around_what_is_written_and_around_its_undoing(owning: Owning) -> None:
    conf = owning.restoring.source / "etc/conf"
    conf.write_text("broken")
    owning.hook("20-b", 'env | grep ^PARANOID_ | sort >"$0-$2"; echo "\033[2J said" >&2')
    owning.hook("10-a", f'test "$2" != inspect || test "$(cat {conf})" = broken')
    done = owning.run(owning.restoring.path("etc/conf"))
    assert (done.returncode, conf.read_text()) == (0, "second\n"), done.stderr
    states = [f"{name} restore {state}" for state in ("pre", "inspect", "post") for name in ("10-a", "20-b")]
    assert owning.calls() == states and "?[2J said" in done.stderr and "\033" not in done.stderr
    told = (owning.own / "hooks.d/20-b-inspect").read_text().splitlines()
    archive = owning.restoring.archives[1]
    assert told == [f"PARANOID_BACKUP_ARCHIVE={archive}", "PARANOID_BACKUP_CLIENT=web1", "PARANOID_BACKUP_TARGET=/"]
    owning.calls_file.unlink()
    done = owning.run("--undo")
    assert (done.returncode, conf.read_text()) == (0, "broken"), done.stderr
    assert owning.calls() == [call for call in states if "inspect" not in call]


def test_looking_starts_no_hooks(owning: Owning) -> None:
    """Nor does what cannot begin."""
    owning.hook("10-a")
    wanted = owning.restoring.path("etc/conf")
    for words in (("--list",), ("--check", wanted), ("--all", wanted), ("--forget",), ("--undo", "never")):
        owning.run(*words)
    assert owning.calls() == []


@pytest.mark.parametrize("state", ["pre", "inspect"])
def test_a_hook_that_fails_before_it_leaves_everything_as_it_was(owning: Owning, state: str) -> None:
    conf = owning.restoring.source / "etc/conf"
    conf.write_text("broken")
    owning.hook("10-a", f'test "$2" != {state} || {{ echo not now; exit 3; }}')
    done = owning.run(owning.restoring.path("etc/conf"))
    assert (done.returncode, conf.read_text()) == (2, "broken")
    assert f'the hooks.d/10-a hook "restore {state}" failed with exit code 3: not now' in done.stderr
    assert owning.calls()[-2:] == ["10-a restore error", "10-a restore post"]


def test_a_hook_that_fails_after_it_is_an_incomplete_restore(owning: Owning) -> None:
    conf = owning.restoring.source / "etc/conf"
    conf.write_text("broken")
    owning.hook("10-a", 'test "$2" != post || exit 4')
    done = owning.run(owning.restoring.path("etc/conf"))
    assert (done.returncode, conf.read_text()) == (1, "second\n")
    assert 'the hooks.d/10-a hook "restore post" failed with exit code 4' in done.stderr


def test_hooks_that_others_could_have_written_stop_a_restore(owning: Owning) -> None:
    conf = owning.restoring.source / "etc/conf"
    conf.write_text("broken")
    owning.hook("10-a")
    (owning.own / "hooks.d/10-a").chmod(0o775)
    done = owning.run(owning.restoring.path("etc/conf"))
    assert (done.returncode, conf.read_text(), owning.calls()) == (2, "broken", [])
    assert f"others than root may write {owning.own}/hooks.d/10-a" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_error_and_post_run_when_a_restore_is_ended(owning: Owning, number: signal.Signals) -> None:
    """They run when nothing is at work any more: a service that starts again must not meet a half-written file."""
    (owning.restoring.source / "data/big").unlink()
    shutil.rmtree(owning.restoring.source / "many")
    writers = f"pgrep -P $PPID | grep -vx $$ | wc -l >>{owning.own}/at-work"
    owning.hook("10-a", f'test "$2" = post && {writers}; test "$2" = post && echo "$PARANOID_BACKUP_REASON"; true')
    wanted = [owning.restoring.path(name) for name in ("data", "many")]
    process = owning.start("--connections", "2", *wanted, program=WRITING)
    assert wait_until(lambda: len(list(owning.own.glob("writing-*"))) == 2, 60)
    process.send_signal(number)
    try:
        _out, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 2 and f"ended by {number.name}" in said and "stopped; the same command goes on" in said
    assert owning.calls()[-2:] == ["10-a restore error", "10-a restore post"]
    assert (owning.own / "at-work").read_text().split() == ["0"]
    assert json.loads((owning.restoring.base_dir / "hooks-restore.json").read_text())["owed"] == []


def test_a_signal_ends_the_hook_before_it_and_not_the_one_after_it(owning: Owning) -> None:
    owning.hook("10-a", f'test "$2" != pre || {{ echo $$ >{owning.own}/waiting; exec sleep 300; }}')
    process = owning.start(owning.restoring.path("etc/conf"))
    assert wait_until((owning.own / "waiting").exists, 60)
    process.send_signal(signal.SIGTERM)
    _out, said = process.communicate()
    assert process.returncode == 2, said
    assert owning.calls() == [f"10-a restore {state}" for state in ("pre", "error", "post")]


def test_what_a_killed_restore_owed_is_noted(owning: Owning) -> None:
    owning.hook("10-a", f'test "$2" != inspect || {{ echo $$ >{owning.own}/inspecting; exec sleep 300; }}')
    (owning.restoring.source / "etc/conf").write_text("broken")
    process = owning.start(owning.restoring.path("etc/conf"))
    inspecting = owning.own / "inspecting"
    assert wait_until(lambda: inspecting.exists() and bool(inspecting.read_text()), 60)
    process.kill()
    process.communicate()
    os.kill(int(inspecting.read_text()), signal.SIGKILL)
    noted = json.loads((owning.restoring.base_dir / "hooks-restore.json").read_text())
    assert noted["owed"] == ['hooks.d/10-a hook "restore post"']
