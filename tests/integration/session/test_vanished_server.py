# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that goes without a word, and hooks that hang: real sshd, the real dispatcher, the role's borgmatic."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import conversation
from keeper import Keeper
from session_world import OK, World, came_to
from waiting import wait_until


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with the real dispatcher, whose sshd asks every second whether the server is still there."""
    made = Keeper(world)
    made.provision()
    world.sshd.stop()
    world.sshd.start("ClientAliveInterval 1\nClientAliveCountMax 2")
    return made


def configure_hooks(keeper: Keeper, before: str, after: str) -> Path:
    """Give the client a hook before and one after a backup; return the directory in which they work."""
    own = keeper.world.own
    config: dict[str, Any] = json.loads((own / "borgmatic.yaml").read_text())
    config["commands"] = [{"before": "action", "when": ["create"], "run": [before]}]
    config["commands"] += [{"after": "action", "when": ["create"], "run": [after]}]
    (own / "borgmatic.yaml").write_text(json.dumps({**config, "working_directory": str(own)}))
    return own


def ssh_of(world: World) -> int:
    """Return the process of the session's ssh; others may end while they are looked at."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if (entry / "comm").read_text() == "ssh\n" and str(world.run_dir) in argv:
                found.append(int(entry.name))
    (only,) = found
    return only


def test_a_server_that_vanishes_without_a_word_is_noticed_and_services_come_back(keeper: Keeper) -> None:
    """Engine and ssh are stopped: the connection stands, and nobody is there. Then a new session works at once."""
    own = configure_hooks(keeper, "echo >down; test -e again || exec sleep 300", "sleep 2; rm down; echo >>up")
    session = keeper.world.start_session()
    gone = [session.pid]
    try:
        assert wait_until(lambda: (own / "down").exists(), 60)
        gone.append(ssh_of(keeper.world))
        for pid in gone:
            os.kill(pid, signal.SIGSTOP)
        (own / "again").touch()
        assert wait_until(lambda: (own / "up").exists() and not (own / "down").exists(), 60)
    finally:
        for pid in reversed(gone):
            os.kill(pid, signal.SIGKILL)
        session.wait()
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK, outcome.log_tail
    assert (own / "up").read_text() == "\n\n"


@contextlib.contextmanager
def cut_cable(port: int) -> Iterator[None]:
    """Lose every packet from and to the client's sshd, so that neither side hears of the other's end."""
    rules = [["INPUT", "-i", "lo", "-p", "tcp", side, str(port), "-j", "DROP"] for side in ("--dport", "--sport")]
    iptables = shutil.which("iptables", path="/usr/sbin:/sbin") or "false"
    try:
        for rule in rules:
            if subprocess.run([iptables, "-w", "-I", *rule], capture_output=True, check=False).returncode:
                pytest.skip("NOT TESTED: no packet can be lost on this machine")
        yield
    finally:
        for rule in rules:
            subprocess.run([iptables, "-w", "-D", *rule], capture_output=True, check=False)


def test_a_cable_that_is_cut_is_noticed_and_services_come_back(keeper: Keeper) -> None:
    """No packet comes through any more, and then the server is switched off. Then a new session works at once."""
    own = configure_hooks(keeper, "echo >down; test -e again || exec sleep 300", "rm down; echo >>up")
    session = keeper.world.start_session()
    assert wait_until(lambda: (own / "down").exists(), 60)
    gone = (session.pid, ssh_of(keeper.world))
    (own / "again").touch()
    with cut_cable(keeper.world.sshd.port):
        assert wait_until(lambda: (own / "up").exists() and not (own / "down").exists(), 60)
        for pid in gone:
            with contextlib.suppress(ProcessLookupError):  # ssh dies with the session that started it
                os.kill(pid, signal.SIGKILL)
        session.wait()
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK, outcome.log_tail


def test_a_hook_that_hangs_is_named_when_the_server_gives_up(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dispatcher has the time that it has in earnest to end the hook and to say so."""
    monkeypatch.setattr(conversation, "_GRACE", 60.0)
    configure_hooks(keeper, "echo I wait; exec sleep 300", "true")
    outcome = keeper.world.session("backup", idle_timeout=8)
    assert outcome.conclusion.code == "idle_timeout"
    assert "it hangs (the server ended the session" in outcome.conclusion.reason
    assert 'hook "echo I wait; exec sleep 300" was ended, for the session ended: I wait)' in outcome.conclusion.reason


def test_a_busy_hook_is_no_hook_that_hangs(keeper: Keeper) -> None:
    configure_hooks(keeper, "timeout 15 sh -c 'while :; do :; done'; true", "true")
    outcome = keeper.world.session("backup", idle_timeout=9)
    assert came_to(outcome) == OK, outcome.log_tail
