# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hooks are made of: their output, the channel to borgmatic, the journal, and whether something is at work."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paranoid_dispatcher import activity
from paranoid_dispatcher.activity import Activity
from paranoid_dispatcher.hook_output import LOGGED_MAX, HookOutput
from paranoid_dispatcher.hooks import Hook, Hooks
from paranoid_dispatcher.journal import KEPT_MAX, Journal
from paranoid_dispatcher.main import tell_of_hooks
from paranoid_dispatcher.toolbox import Toolbox
from waiting import wait_until


def test_output_is_marked_line_by_line_and_its_end_is_quoted() -> None:
    logged: list[bytes] = []
    output = HookOutput(logged.append)
    for data in (b"summary:\nal", b"l is lost\n\n", b"gr\xfcn\nlast"):
        output.add(data)
    output.close()
    assert logged == [b"hook: summary:\n", b"hook: all is lost\n", b"hook: gr\xfcn\n", b"hook: last\n"]
    assert output.quoted == r": all is lost; gr\xfcn; last"


@pytest.mark.parametrize("chunk", [b"x" * 65536, b"y\n" * 32768])
def test_output_without_end_fills_neither_log_nor_memory(chunk: bytes) -> None:
    logged: list[bytes] = []
    output = HookOutput(logged.append)
    for _ in range(100):
        output.add(chunk)
    output.close()
    assert sum(map(len, logged)) < LOGGED_MAX + 100 and logged[-1].endswith(b"more bytes of its output are left out\n")
    assert len(output.quoted) <= 202


class Asking:
    """Hooks, as borgmatic asks for them."""

    def __init__(self, path: Path, seconds: int = 60) -> None:
        self.notes: list[str] = []
        self.logged: list[bytes] = []
        self.hooks = Hooks(
            seconds, {"PATH": os.environ["PATH"]}, Journal(path), lambda doing, _s: self.notes.append(doing)
        )
        self.hooks.log = self.logged.append

    def turn(self, stop: str = "") -> None:
        for descriptor in select.select(self.hooks.descriptors, [], [], 0.05)[0]:
            self.hooks.read(descriptor)
        self.hooks.look(stop)

    def ask(self, stop: str = "", **request: Any) -> tuple[int, str]:
        self.hooks.theirs.sendall(json.dumps(request).encode() + b"\n")
        while not select.select([self.hooks.theirs], [], [], 0)[0]:
            self.turn(stop)
        answer = json.loads(self.hooks.theirs.recv(65536))
        return answer["code"], answer["reason"]

    def finish(self, ended_well: bool) -> None:
        while self.hooks.running or self.hooks.has_more(ended_well):
            self.turn("borgmatic ended")


def hook(command: str, kind: str = "action", before: bool = False) -> dict[str, Any]:
    name = f"{'before' if before else 'after'} {kind}"
    return {"kind": kind, "before": before, "name": name, "command": command, "umask": 0o27, "directory": "/"}


def test_what_is_owed_is_run_from_the_inside_out_unless_borgmatic_has_run_it(tmp_path: Path) -> None:
    asking, note = Asking(tmp_path), f"echo {{}} >>{tmp_path}/ran"
    for kind in ("everything", "error", "configuration", "repository"):
        assert asking.ask(kind=kind, owed=[hook(note.format(kind), kind)]) == (0, "")
    assert asking.ask(kind="action", owed=[hook(note.format(number)) for number in (1, 2)]) == (0, "")
    assert asking.ask(run=hook(note.format(1))) == (0, "")
    assert asking.ask(kind="repository", owed=[]) == (0, "")
    assert "after error" not in (tmp_path / "hooks.json").read_text(), "a failure is not told as a hook that is missing"
    asking.finish(ended_well=False)
    assert (tmp_path / "ran").read_text().split() == ["1", "2", "configuration", "error", "everything"]
    assert (tmp_path / "ran").stat().st_mode & 0o777 == 0o640, "each hook has the umask that it was given"
    assert json.loads((tmp_path / "hooks.json").read_text())["owed"] == [] and asking.hooks.failures == []


def test_error_hooks_are_not_owed_when_all_went_well(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    asking.ask(kind="error", owed=[hook(f"touch {tmp_path}/error", "error")])
    asking.finish(ended_well=True)
    assert not (tmp_path / "error").exists()


@pytest.mark.parametrize(
    ("command", "code", "how"),
    [
        ("echo no; exit 3", 3, "failed with exit code 3: no"),
        ("kill -KILL $$", 137, "was killed by SIGKILL"),
        ("exit 75", 75, "ended with 75, a soft failure: nothing to do now"),
        ("trap '' TERM; kill -TERM 0; exit 0", 0, ""),
        ("sleep 60 & exit 0", 0, ""),
        ("exec >&- 2>&-; exit 0", 0, ""),
        ("test -t 0 || cat || exit 9", 0, ""),
    ],
)
def test_only_its_exit_code_decides(tmp_path: Path, command: str, code: int, how: str) -> None:
    asking, began = Asking(tmp_path), time.monotonic()
    assert asking.ask(run=hook(command, before=True)) == (
        code,
        f'the before action hook "{command}" {how}' if how else "",
    )
    assert asking.hooks.failures == ([] if code in (0, 75) else [f'the before action hook "{command}" {how}'])
    assert bool(asking.hooks.skipped) == (code == 75) and asking.hooks.before_failed == (code not in (0, 75))
    assert time.monotonic() - began < 30 and asking.notes[0].startswith("its before action hook")


def test_a_session_that_ends_ends_a_before_hook_and_no_after_hook(tmp_path: Path) -> None:
    asking = Asking(tmp_path)
    code, reason = asking.ask("the session ended", run=hook("sleep 60", before=True))
    assert code and reason == 'the before action hook "sleep 60" was ended, for the session ended'
    assert asking.ask("the session ended", run=hook("sleep 1")) == (0, "")


def test_a_hook_has_its_own_time(tmp_path: Path) -> None:
    code, reason = Asking(tmp_path, 1).ask(run=hook("echo so far; exec sleep 60"))
    limit = "did not end within 1 s (backup_client_hook_seconds): so far"
    assert code and reason == f'the after action hook "echo so far; exec sleep 60" was ended, for it {limit}'


def test_the_journal_keeps_what_nobody_heard(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.write([], [])
    assert first.untold == [] and not (tmp_path / "hooks.json").exists(), "without hooks nothing is written"
    first.write(['after action hook "start x"'], ["the other one failed"])
    second = Journal(tmp_path)
    assert (
        second.untold[0] == "the other one failed"
        and 'hook "start x" did not run: the session of 20' in second.untold[1]
    )
    second.write([], [f"failure {number}" for number in range(KEPT_MAX)])
    assert Journal(tmp_path).untold[-1] == f"failure {KEPT_MAX - 1}" and len(Journal(tmp_path).untold) == KEPT_MAX
    Journal(tmp_path).forget()
    assert Journal(tmp_path).untold == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"owed": 1, "untold": []}', "\xff"])
def test_a_broken_journal_stops_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "hooks.json").write_text(content, encoding="latin-1")
    assert Journal(tmp_path).untold == []


def test_hook_names_are_one_line() -> None:
    assert str(Hook("action", True, "before action", "a\nb\x1b" + "c" * 200)) == f'before action hook "a b?{"c" * 116}"'


MOVING = ("while :; do :; done", "sh -c 'while :; do :; done' & wait", "cat /dev/zero >/dev/null")
STILL = ("exec sleep 60", "kill -STOP $$")


def is_still(pid: int) -> bool:
    """Tell whether a process has come to its rest: its start takes CPU as well."""
    name, _bracket, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return (name.endswith("(sleep") and fields.split()[0] == "S") or fields.split()[0] == "T"


@pytest.mark.parametrize("work", [*MOVING, *STILL])
def test_who_uses_cpu_or_moves_bytes_is_at_work(monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    moves = work in MOVING
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.2)
    process = subprocess.Popen(["sh", "-c", work], start_new_session=True)
    assert moves or wait_until(lambda: is_still(process.pid))
    looking, until = Activity(), time.monotonic() + (20 if moves else 2)
    seen: list[bool] = []
    while True not in seen[2:] and time.monotonic() < until:
        time.sleep(0.25)
        seen.append(looking.has_moved([process.pid]))
    os.killpg(process.pid, 9)
    process.wait()
    assert (True in seen[2:]) == moves, seen
    assert not looking.has_moved([process.pid])


def without_proc(monkeypatch: pytest.MonkeyPatch, path: Path, *said: str) -> None:
    """Have neither proc(5) nor a ps but one that is as strict as FreeBSD's about its words, and says this in turn."""
    for turn, text in enumerate(said):
        (path / f"said{turn}").write_text(text)
    words = "-axS -o pid= -o ppid= -o time= -o inblk= -o oublk="
    script = f"""[ "$*" = "{words}" ] || exit 1\nturn=$(cat {path}/turn 2>/dev/null || echo 0)
    cat {path}/said$turn || exit 1\necho $((turn + 1)) >{path}/turn"""
    (path / "ps").write_text(f"#!/bin/sh\n{script}\n")
    (path / "ps").chmod(0o755)
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(activity, "_PROC", path / "proc")
    monkeypatch.setattr(activity, "_PS", (str(path / "ps"), *activity._PS[1:]))


IDLE = "  1     0    12:34.56   9   9\n 40     1     0:00.01   0   0\n 41    40     0:07.00  10   2\n"


@pytest.mark.parametrize(
    ("then", "moves"),
    [
        (IDLE, False),
        (IDLE.replace("12:34.56", "99:59.99"), False),  # somebody else
        (IDLE.replace("0:07.00", "0:09.10"), True),
        (IDLE.replace("0:07.00", "1-02:00:09"), True),
        (IDLE.replace("  10   2", "  10  99"), True),
        (IDLE.replace("41    40", "41     1"), False),  # it is no longer below the hook
        ("ps: something else\n", True),
    ],
)
def test_without_proc_ps_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, then: str, moves: bool) -> None:
    """FreeBSD has no such files. What nobody can tell counts as at work, and is bounded by other limits."""
    without_proc(monkeypatch, tmp_path, IDLE, then)
    looking = Activity()
    assert [looking.has_moved([40]) for _turn in range(2)] == [False, moves]
    assert looking.has_moved([40]), "there is no third word of this ps"


def test_without_an_account_of_bytes_the_cpu_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not every kernel counts them (CONFIG_TASK_IO_ACCOUNTING)."""
    own = tmp_path / str(os.getpid())
    (own / "task/1").mkdir(parents=True)
    (own / "task/1/children").write_text("")
    (tmp_path / "self").symlink_to(own)
    (own / f"task/{os.getpid()}").symlink_to("1")
    monkeypatch.setattr(activity, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(activity, "_PROC", tmp_path)
    looking, seen = Activity(), []
    for ticks in (5, 5, 5000):
        (own / "stat").write_text(f"1 (a b) c) S {'0 ' * 10}{ticks} 0 0 0 20 0 1\n")
        seen.append(looking.has_moved([os.getpid()]))
    assert seen == [False, False, True]


@pytest.mark.parametrize(
    ("verb", "remarks", "told"), [("backup", {}, True), ("backup", None, False), ("maintain", None, True)]
)
def test_hooks_do_not_stand_for_what_nobody_told_of_files(
    tmp_path: Path, verb: str, remarks: dict[str, Any] | None, told: bool
) -> None:
    """A backup without a word of what could not be read is refused, whatever else there is to tell; that waits."""
    Journal(tmp_path).write([], ["it did not start again"])
    tools = SimpleNamespace(
        journal=Journal(tmp_path), request=SimpleNamespace(verb=verb), link=SimpleNamespace(stop_reason="")
    )
    result: dict[str, Any] = {"status": "ok", "remarks": remarks}
    tell_of_hooks(cast(Toolbox, tools), result)
    assert bool(result["remarks"]) is told and bool(Journal(tmp_path).untold) is not told
