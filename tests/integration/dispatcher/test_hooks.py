# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks, with the role's borgmatic behind the dispatcher: whatever they do, and whatever ends the session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from dispatched import IMPATIENT, START, Client, answers, gone, needs_borg, stdin, wait_for

pytestmark = needs_borg

CREATE = {"when": ["create"]}
# What a hook may do to its output, its pipes, its terminal and its processes, and still end with 0.
HARMLESS = {
    "a byte that is not UTF-8": "printf 'gr\\374n\\n'; printf 'gr\\374n\\n' >&2",
    "closes its output": "exec >&- 2>&-; sleep 0.2",
    "leaves a child with its pipe": "sleep 60 & echo $! >stays",
    "floods without a newline": "head -c 30000000 /dev/zero | tr '\\0' x",
    "floods with lines": "yes | head -c 5000000",
    "looks like a result": """printf '[{"archive": {"name": "forged", "id": "0"}}]'""",
    "looks like a summary": "printf 'summary:\\nall is lost\\n\\n' >&2",
    "reads": "cat; read line; test $? -ne 0",
    "looks for a terminal": "stty -a; (: </dev/tty) 2>&1; true",
    "signals its group": "trap '' TERM; kill 0",
    "signals its parent's group": "trap '' TERM; kill -TERM -$(ps -o pgid= -p $PPID | tr -d ' '); true",
    "has variables": """for d in a b; do echo "${d}-${HOSTNAME:-none}-{word}-${error}"; done >said""",
}


def hooks(client: Client, *before: str, after: str = "echo >>after", error: str = "echo >>error") -> None:
    """Configure hooks that work in the client's folder."""
    commands: list[dict[str, Any]] = [{"before": "action", **CREATE, "run": list(before)}]
    commands += [{"after": "action", **CREATE, "run": [after]}, {"after": "error", "run": [error]}]
    client.configure(*commands, working_directory=str(client.path))


def ran(client: Client) -> tuple[int, int]:
    """Tell how often the after hook and the error hook ran."""
    files = (client.path / "after", client.path / "error")
    return tuple(len(file.read_text().splitlines()) if file.exists() else 0 for file in files)  # type: ignore[return-value]


def backup(client: Client, program: str = START) -> tuple[dict[str, Any], str]:
    """Hold a session with verb backup; return its result and log."""
    with client.tunnel():
        _hello, result, log = answers(client.start(program=program))
    return result, log


def make_repository(client: Client) -> None:
    with client.tunnel():
        answers(client.start("create"))


def test_what_a_hook_does_to_its_output_and_pipes_is_its_own_business(client: Client) -> None:
    """All of it in one session, before and after: it is green, its archive is Borg's, and every hook had its turn."""
    make_repository(client)
    commands = [line.replace("${", "\\${") for line in HARMLESS.values()]
    note = f"echo >>{client.path}/after"
    client.configure(
        {"before": "action", **CREATE, "run": commands},
        *({"after": "action", **CREATE, "run": [command, note]} for command in commands),
        {"after": "configuration", "states": ["fail"], "run": ["echo >>error"]},
        {"after": "everything", "states": ["fail"], "run": ["echo >>error"]},
        {"after": "error", "run": ["echo >>error"]},
        working_directory=str(client.path),
    )
    began = time.monotonic()
    result, log = backup(client)
    os.kill(int((client.path / "stays").read_text()), signal.SIGKILL)
    assert (result["status"], result["reason"]) == ("ok", ""), log[-3000:]
    assert result["archive"]["name"] != "forged" and len(result["archive"]["id"]) == 64
    assert ran(client) == (len(HARMLESS), 0) and time.monotonic() - began < 45
    assert (client.path / "said").read_text() == "a-none-{word}-\nb-none-{word}-\n"
    assert len(log) < 1_500_000 and "more bytes of its output are left out" in log
    assert all(line.startswith(("hook: ", "dispatch: ")) for line in log.splitlines() if line), (
        "hooks look like borgmatic"
    )


FAILING = {
    "exit code": ("echo the disk is on fire; exit 3", "failed with exit code 3: the disk is on fire"),
    "signal": ("echo oh; kill -9 $$", "was killed by SIGKILL: oh"),
    "no newline, no UTF-8": ("printf '\\374'; exit 1", "failed with exit code 1: \\xfc"),
    "not there": ("/no/such/program", "failed with exit code 127"),
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_before_hook_that_fails_is_named_with_what_it_said(client: Client, kind: str) -> None:
    command, how = FAILING[kind]
    hooks(client, "touch begun", command, "touch never")
    result, log = backup(client)
    assert result["status"] == "failed" and result["archive"] is None
    assert result["reason"].startswith(f'the before create action hook "{command}" {how}'), log
    assert ran(client) == (1, 1) and not (client.path / "never").exists()


def test_a_soft_failure_is_told_as_such_and_skips_no_after_hook(client: Client) -> None:
    """borgmatic's own after hooks are skipped then, and a service that was stopped stays down."""
    hooks(client, "echo no disk; exit 75")
    result, _log = backup(client)
    hook = 'the before create action hook "echo no disk; exit 75"'
    assert (result["status"], result["archive"]) == ("failed", None)
    assert result["reason"] == f"{hook} ended with 75, a soft failure: nothing to do now: no disk"
    assert ran(client) == (1, 0)


def test_a_failing_after_hook_skips_no_other_and_names_itself(client: Client) -> None:
    make_repository(client)
    client.configure(
        {"after": "action", **CREATE, "run": ["exit 4", "echo >>after"]},
        {"after": "action", **CREATE, "run": ["echo >>after"]},
        {"after": "repository", "run": ["echo >>after"]},
        {"after": "everything", "states": ["fail"], "run": ["echo >>after"]},
        {"after": "everything", "states": ["finish"], "run": ["echo >>never"]},
        {"after": "error", "run": ["echo >>error"]},
        working_directory=str(client.path),
    )
    result, log = backup(client)
    assert result["status"] == "failed", log
    assert result["reason"] == 'the after create action hook "exit 4" failed with exit code 4'
    assert ran(client) == (4, 1) and not (client.path / "never").exists()


def test_after_hooks_of_everything_are_run_when_their_own_before_hook_fails(client: Client) -> None:
    client.configure(
        {"before": "everything", "run": ["exit 3"]},
        {"after": "everything", "run": ["echo >>after"]},
        {"after": "error", "run": ["echo >>error"]},
        working_directory=str(client.path),
    )
    result, _log = backup(client)
    assert result["reason"] == 'the before everything hook "exit 3" failed with exit code 3' and ran(client) == (1, 1)


def end_session(client: Client, process: subprocess.Popen[bytes], how: str) -> None:
    """End a session while its before hook is at work."""
    wait_for(client.path / "begun")
    if how == "server gone":
        stdin(process).close()
    elif how == "borgmatic killed":
        subprocess.run(["pkill", "-KILL", "-f", f"{client.path}/borgmatic --config"], check=True)
    else:
        process.send_signal(signal.Signals[how])


ENDS = {
    "server gone": "the server ended the session",
    "SIGTERM": "ended by signal 15",
    "borgmatic killed": 'the before create action hook "echo $$ >begun; echo half way; sleep 60" was ended, for ',
}


@pytest.mark.parametrize("how", ENDS)
def test_after_and_error_hooks_run_whatever_ends_the_session(client: Client, how: str) -> None:
    """They take longer than what ends is given, and are told; the before hook at work is named with its output."""
    hooks(client, "echo $$ >begun; echo half way; sleep 60", after="sleep 2; echo >>after")
    with client.tunnel():
        process = client.start(program=IMPATIENT)
        end_session(client, process, how)
        output = process.stdout.read() if process.stdout else b""
        process.wait(timeout=120)
    result = json.loads(output.splitlines()[1])
    assert result["status"] == "failed" and result["reason"].startswith(ENDS[how]), result
    assert 'half way; sleep 60" was ended' in result["reason"] and ": half way" in result["reason"]
    assert gone(client.path / "begun") and ran(client) == (1, 1)
    if how != "server gone":
        stdin(process).close()


def test_after_hooks_run_when_the_dispatcher_is_killed(client: Client) -> None:
    hooks(client, "echo $$ >begun; sleep 5")
    with client.tunnel():
        process = client.start()
        wait_for(client.path / "begun")
        process.kill()
        process.wait()
    wait_for(client.path / "after")
    assert ran(client)[0] == 1


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_hook_that_hangs_has_its_own_limit_and_is_named(client: Client, where: str) -> None:
    if where == "after":
        make_repository(client)
    client.record(borgmatic=str(client.path / "borgmatic"), hook_seconds=1)
    hanging = "trap '' TERM; echo it waits; while :; do sleep 60; done"
    hooks(client, *([hanging] if where == "before" else []), after=hanging if where == "after" else "echo >>after")
    result, _log = backup(client, IMPATIENT)
    limit = "was ended, for it did not end within 1 s (backup_client_hook_seconds): it waits"
    assert result["status"] == "failed" and result["reason"] == f'the {where} create action hook "{hanging}" {limit}'
    assert ran(client) == ((1, 1) if where == "before" else (0, 1))


def test_the_next_session_waits_for_after_hooks_and_says_so(client: Client) -> None:
    """The lock is theirs as well; a session that has no patience left says how long they may take."""
    hooks(client, "echo $$ >begun; sleep 60", after="echo $$ >ending; sleep 5; echo >>after")
    with client.tunnel():
        first = client.start(program=IMPATIENT)
        wait_for(client.path / "begun")
        stdin(first).close()
        wait_for(client.path / "ending")
        second, third = client.start(program=IMPATIENT), client.start()
        _hello, refused, _log = answers(second)
        told = (
            'another session is at work on this host (its after create action hook "echo $$ >ending; sleep 5; echo >>af'
        )
        assert refused["reason"].startswith(told) and "it ends within 3" in refused["reason"], refused
        _hello, waited, log = answers(third)
    assert "is not there" in waited["reason"], "it has its turn, without the tunnel: the first one took it along"
    assert f"dispatch: {told}" in log and "waiting for it" in log and ran(client) == (1, 1)


def test_a_second_session_is_refused_after_a_while(client: Client) -> None:
    client.borgmatic("sleep 60")
    with client.tunnel():
        first = client.start()
        until = time.monotonic() + 60
        while not (lock := client.path / "base/lock").exists() or not lock.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        _hello, result, log = answers(client.start(program=IMPATIENT))
        stdin(first).close()
        first.wait(timeout=120)
    assert result["reason"].startswith("another session is at work on this host (backup since 20")
    assert "waiting for it, at most 1 s" in log


def test_what_nobody_heard_of_hooks_the_next_session_tells(client: Client) -> None:
    """One that failed when the server was gone; then one that did not run at all, for everything was killed."""
    hooks(client, "echo $$ >begun; sleep 60", after="echo it is lost; exit 5")
    with client.tunnel():
        process = client.start(program=IMPATIENT)
        wait_for(client.path / "begun")
        stdin(process).close()
        process.wait(timeout=120)
    (client.path / "begun").unlink()
    hooks(client, "echo $$ >begun; sleep 60", after="systemctl start shop")
    with client.tunnel():
        process = client.start(program=IMPATIENT)
        wait_for(client.path / "begun")
        subprocess.run(["pkill", "-KILL", "-f", f"{client.path}/borgmatic --config"], check=False)
        process.kill()
        process.wait()
    os.killpg(os.getpgid(int((client.path / "begun").read_text())), signal.SIGKILL)
    hooks(client, "exit 3", after="true")
    told, _log = backup(client)
    failed, missed = told["remarks"]["hooks"]["paths"]
    assert failed == 'the after create action hook "echo it is lost; exit 5" failed with exit code 5: it is lost'
    assert missed.startswith('the after create action hook "systemctl start shop" did not run: the session of 20')
    assert backup(client)[0]["remarks"] is None, "it is told once"


def test_a_busy_client_sends_heartbeats_and_a_hanging_one_does_not(client: Client) -> None:
    (client.path / "other").mkdir()
    hanging = Client(client.path / "other")
    client.borgmatic("while :; do :; done")
    hanging.borgmatic("exec sleep 60")
    with client.tunnel(), hanging.tunnel():
        busy, quiet = client.start(), hanging.start()
        assert busy.stderr and quiet.stderr and busy.stderr.read(2) == b"\n\n"
        for process in (busy, quiet):
            stdin(process).close()
            process.wait(timeout=120)
        assert quiet.stderr.read() == b""


def test_the_relay_and_what_a_dump_needs_are_not_inherited(client: Client) -> None:
    """No hook and no Borg holds the way to the dispatcher."""
    hooks(client, "ls -l /proc/self/fd >fds; env >environment; exit 3")
    backup(client)
    assert "PARANOID_BACKUP_HOOKS" not in Path(client.path / "environment").read_text()
    assert "socket" not in (client.path / "fds").read_text()
