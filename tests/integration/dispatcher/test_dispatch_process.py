# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher as a process: real borgmatic and Borg behind a real unix socket, real signals, real deadlines."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from dispatched import (
    BIN,
    IMPATIENT,
    LIBRARY,
    MEASURED,
    PATIENT,
    PEAK_KIB,
    SESSION,
    START,
    Client,
    answers,
    gone,
    needs_borg,
    stdin,
    wait_for,
)


@needs_borg
def test_makes_a_repository_backs_up_and_tells_about_it(client: Client) -> None:
    client.configure({"before": "action", "when": ["create"], "run": ["echo [hook]"]})
    results = {}
    for verb in ("create", "backup", "info"):
        with client.tunnel() as path:
            _hello, results[verb], log = answers(client.start(verb))
            assert results[verb]["status"] == "ok", (results[verb], log)
            assert not path.exists()
    archive, info = results["backup"]["archive"], results["info"]["info"]
    assert archive["nfiles"] >= 1 and archive["original_size"] > 0 and archive["end"].endswith("+00:00")
    assert info["last_archive"] == {key: archive[key] for key in ("name", "id", "start")}
    assert info["encryption"] == "repokey-blake2" and len(info["repository_id"]) == 64
    assert results["info"]["versions"]["borg"].startswith("1.4.")
    assert results["create"]["archive"] is None and results["create"]["reason"] == ""


@needs_borg
def test_names_the_hook_that_failed(client: Client) -> None:
    client.configure({"before": "action", "when": ["create"], "run": ["echo the disk is on fire >&2; exit 3"]})
    with client.tunnel():
        _hello, result, log = answers(client.start())
    assert result["status"] == "failed" and result["archive"] is None
    hook = 'the before create action hook "echo the disk is on fire >&2; exit 3"'
    assert result["reason"] == f"{hook} failed with exit code 3: the disk is on fire"
    assert "the disk is on fire" in log


@needs_borg
@pytest.mark.parametrize(
    ("work", "status", "ran"), [("true", "ok", ["before", "after"]), ("exit 3", "failed", ["before", "after", "error"])]
)
def test_commands_run_before_after_and_on_an_error(client: Client, work: str, status: str, ran: list[str]) -> None:
    note = f"echo {{}} >>{client.path}/ran"
    client.configure(
        {"before": "action", "when": ["create"], "run": [note.format("before")]},
        {"before": "action", "when": ["create"], "run": [work]},
        {"after": "action", "when": ["create"], "states": ["finish", "fail"], "run": [note.format("after")]},
        {"after": "error", "run": [note.format("error")]},
    )
    for verb in ("create", "backup"):
        with client.tunnel():
            _hello, result, log = answers(client.start(verb))
    assert result["status"] == status, (result, log)
    assert (client.path / "ran").read_text().split() == ran


@needs_borg
@pytest.mark.parametrize("streams", [False, True])
def test_a_pipe_among_the_files_stops_no_backup(client: Client, streams: bool) -> None:
    """Without dumps Borg does not read it, and no dry run is needed; with them the dry run finds it."""
    os.mkfifo(client.path / "source" / "pipe")
    for name, script in {
        "borg": f'echo "$*" >>{client.path}/borg-runs\nexec {BIN}/borg "$@"',
        "dump": "echo select 1",
    }.items():
        (client.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (client.path / name).chmod(0o755)
    (client.path / "shop.db").touch()
    dumped = {"name": "shop", "path": str(client.path / "shop.db"), "sqlite_command": str(client.path / "dump")}
    more = {"sqlite_databases": [dumped]} if streams else {"unsafe_skip_path_validation_before_create": True}
    client.configure(local_path=str(client.path / "borg"), **more)
    for verb in ("create", "backup"):
        with client.tunnel():
            _hello, result, log = answers(client.start(verb))
    assert result["status"] == "ok", (result, log)
    runs = [run for run in (client.path / "borg-runs").read_text().splitlines() if run.startswith("create")]
    assert ["--dry-run" in run for run in runs] == ([True, False] if streams else [False])


@needs_borg
def test_a_tunnel_that_leads_nowhere_is_a_failure(client: Client) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(client.path / "remote" / f"{SESSION}.sock"))
        _hello, result, _log = answers(client.start())
    assert result["status"] == "failed" and "Connection refused" in result["reason"], result


def test_a_missing_tunnel_is_a_failure(client: Client) -> None:
    _hello, result, _log = answers(client.start())
    assert (result["status"], result["archive"]) == ("failed", None) and "is not there" in result["reason"]


def test_says_ok_without_an_archive_never(client: Client) -> None:
    client.borgmatic("echo nothing to see")
    with client.tunnel():
        _hello, result, _log = answers(client.start())
    assert (result["status"], result["reason"]) == ("failed", "borgmatic ended well but printed no result")


def test_work_gets_nothing_of_the_session(client: Client) -> None:
    """Its environment is complete here, and it can neither read the session's input nor write for others to read."""
    client.borgmatic(
        "exec >&2; env; echo NICE=$(nice); echo UMASK=$(umask); echo PLACE=$(pwd); "
        "echo INPUT=$(readlink /proc/$$/fd/0); exit 1"
    )
    client.record(borgmatic=str(client.path / "fake"), nice=5)
    with client.tunnel() as socket_:
        _hello, _result, log = answers(client.start())
    own = {line.partition("=")[0]: line.partition("=")[2] for line in log.splitlines()}
    for way in ("EVIDENCE", "HOOKS"):
        assert own.pop(f"PARANOID_BACKUP_{way}").isdigit()
    for name in ("PWD", "OLDPWD", "SHLVL", "_"):  # The shell's own.
        own.pop(name, None)
    assert own == {
        "PATH": f"{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "BORG_BASE_DIR": f"{client.path}/base",
        "XDG_STATE_HOME": f"{client.path}/base/state",
        "XDG_RUNTIME_DIR": f"{client.path}/runtime",
        "PARANOID_BACKUP_SOCKET": str(socket_),
        "PARANOID_BACKUP_TAGGED_PATHS": "[]",
        "NICE": str(min(19, os.nice(0) + 5)),
        "UMASK": "0077",
        "PLACE": "/",
        "INPUT": "/dev/null",
    }


def test_removes_what_a_session_that_was_killed_left(client: Client) -> None:
    stale = client.path / "remote" / f"{'0' * 32}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    client.borgmatic("exit 1")
    with client.tunnel() as own:
        answers(client.start())
        assert not stale.exists() and not own.exists()


def test_a_log_that_nobody_takes_any_more_holds_no_work_up(client: Client) -> None:
    client.borgmatic(f"head -c 1000000 /dev/zero >&2; touch {client.path}/done; exit 1")
    with client.tunnel():
        process = client.start(program=PATIENT)
        assert process.stderr is not None and process.stdout is not None
        process.stderr.close()
        began = time.monotonic()
        output = process.stdout.read()
        process.wait(timeout=120)
        stdin(process).close()
    assert json.loads(output.splitlines()[1])["status"] == "failed" and (client.path / "done").exists()
    assert time.monotonic() - began < 60, "it waited for a reader that is gone"


HANGING = "echo $$ >{0}/leader; sh -c 'echo $$ >{0}/member; {1} sleep 300' & wait; sleep 300"


@pytest.mark.parametrize(("trap", "program"), [("", PATIENT), ('trap "" TERM; sleep 300;', IMPATIENT)])
def test_ends_everything_when_the_server_is_gone(client: Client, trap: str, program: str) -> None:
    """What listens to a signal is not waited for, and what does not is killed."""
    client.borgmatic(HANGING.format(client.path, trap))
    with client.tunnel():
        process = client.start(program=program)
        wait_for(client.path / "member")
        began = time.monotonic()
        stdin(process).close()
        process.wait(timeout=120)
    assert time.monotonic() - began < 60
    assert gone(client.path / "leader", 0) and gone(client.path / "member")
    assert b"the server ended the session" in (process.stdout.read() if process.stdout else b"")


def test_ends_everything_at_its_own_deadline(client: Client) -> None:
    client.borgmatic(HANGING.format(client.path, ""))
    client.record(borgmatic=str(client.path / "fake"), deadline=1)
    with client.tunnel():
        _hello, result, _log = answers(client.start("info"))
    assert result["reason"] == "this host's own deadline of 1 s has passed"
    assert gone(client.path / "leader", 0) and gone(client.path / "member")


def test_ends_what_stays_when_the_leader_ends_well(client: Client) -> None:
    """A leader that says 0 after it was asked to end is no proof that its group has ended."""
    (client.path / "stubborn").write_text(f"trap '' TERM; echo $$ >{client.path}/member; sleep 60; sleep 60")
    client.borgmatic(f"trap 'exit 0' TERM; sh {client.path}/stubborn & echo $$ >{client.path}/leader; wait; sleep 60")
    with client.tunnel():
        process = client.start()
        wait_for(client.path / "member")
        stdin(process).close()
        process.wait(timeout=120)
    assert gone(client.path / "leader", 0) and gone(client.path / "member")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ends_everything_on_a_signal(client: Client, number: signal.Signals) -> None:
    client.borgmatic(HANGING.format(client.path, ""))
    with client.tunnel():
        process = client.start()
        wait_for(client.path / "member")
        process.send_signal(number)
        _hello, result, _log = answers(process)
    assert result["reason"] == f"ended by signal {number.value}" and gone(client.path / "member")


def test_killed_it_takes_its_work_along(client: Client) -> None:
    client.borgmatic(f"echo $$ >{client.path}/leader; exec sleep 60")
    with client.tunnel():
        process = client.start()
        wait_for(client.path / "leader")
        process.kill()
        process.wait()
    assert gone(client.path / "leader")


def test_borg_does_not_outlive_a_killed_borgmatic(client: Client) -> None:
    client.borgmatic(f"sleep 60 & echo $! >{client.path}/member; kill -9 $$")
    with client.tunnel():
        _hello, result, _log = answers(client.start())
    assert result["status"] == "failed" and gone(client.path / "member")


def test_much_output_does_not_fill_the_memory(client: Client) -> None:
    client.borgmatic("head -c 300000000 /dev/zero; echo; head -c 20000000 /dev/zero >&2; exit 1")
    with client.tunnel():
        process = client.start(program=MEASURED)
        _hello, result, log = answers(process)
    assert result["status"] == "failed" and len(log.replace("\n", "")) == 20_000_000, "but for heartbeats"
    assert len(json.dumps(result)) < 2000
    assert int((client.path / "peak").read_text()) < PEAK_KIB


def test_a_log_that_nobody_reads_does_not_stop_the_end(client: Client) -> None:
    """And it waits in the pipe, not in this host's memory."""
    client.borgmatic(f"echo $$ >{client.path}/leader; head -c 300000000 /dev/zero >&2; sleep 60")
    with client.tunnel():
        process = client.start(program=MEASURED)
        wait_for(client.path / "leader")
        time.sleep(2)
        stdin(process).close()
        process.wait(timeout=120)
    assert gone(client.path / "leader", 0)
    assert int((client.path / "peak").read_text()) < PEAK_KIB


def test_open_stays_until_the_server_ends_it(client: Client) -> None:
    with client.tunnel() as path:
        process = client.start("open")
        wait_for(client.path / "base" / "open")
        assert (client.path / "base" / "open").read_text() == f"{path}\n"
        stdin(process).close()
        output = process.stdout.read() if process.stdout else b""
        process.wait(timeout=120)
    assert json.loads(output.splitlines()[1])["status"] == "ok"
    assert not (client.path / "base" / "open").exists() and not path.exists()


@pytest.mark.parametrize("request_", [b"\n", b"id\n", b'{"schema": 1, "verb": "sh", "session": "x"}\n', b""])
def test_a_bad_request_starts_nothing(client: Client, request_: bytes) -> None:
    client.borgmatic(f"touch {client.path}/started")
    argv = [sys.executable, "-I", "-c", START, str(LIBRARY), str(client.path / "client.json")]
    done = subprocess.run(argv, input=request_, capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.startswith(b"dispatch: ")
    assert done.stderr.count(b"\n") == 1 and not (client.path / "started").exists()
