# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody has taken over a gate, by whatever Borg was made to read: what that process reaches on the server."""

from __future__ import annotations

import json
import re
import shutil
import socket
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg import command
from ansible_collections.paranoid.backup.plugins.module_utils._common import process
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import load_site
from session_world import CLIENT, IS_ROOT, OK, REPOSITORY_USER, World, came_to

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root can give a child namespaces")
NEIGHBOUR = "web2"

_HOOK = """\
import json, os, socket, subprocess, sys

def reached(attempt):
    try:
        return attempt()
    except OSError as error:
        return type(error).__name__

def connect(family, address):
    with socket.socket(family) as probe:
        probe.settimeout(10)
        probe.connect(address)
    return "reached"

def read(path):
    with open(path) as handle:
        return handle.read()

def run(path):
    return subprocess.run([path, "-u"], capture_output=True, text=True).stdout.strip()

PLACES = {places}
found = {{
    "network": reached(lambda: connect(socket.AF_INET, ("127.0.0.1", PLACES["port"]))),
    "abstract socket": reached(lambda: connect(socket.AF_UNIX, chr(0) + PLACES["abstract"])),
    "another repository": reached(lambda: read(PLACES["neighbour"])),
    "repositories": os.listdir(PLACES["root"]),
    "setuid program": reached(lambda: run(PLACES["setuid"])),
    "root": reached(lambda: os.setuid(0)),
}}
sys.stderr.write("PROBE " + json.dumps(found) + "\\n")
"""


@pytest.fixture
def taken(world: World) -> Iterator[World]:
    """Every gate of this world runs the attacker's code first; its neighbour's files would be open to its user."""
    neighbour = world.path / "srv" / NEIGHBOUR / "repo/config"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_text("its key")
    neighbour.chmod(0o644)
    setuid = world.path / "id"
    shutil.copy("/usr/bin/id", setuid)
    setuid.chmod(0o4755)
    with ExitStack() as open_:
        port = open_.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        abstract = f"paranoid-test-{port}"
        listener = open_.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(f"\0{abstract}")
        listener.listen()
        root, there = str(world.path / "srv"), str(neighbour)
        places = {"port": port, "abstract": abstract, "neighbour": there, "root": root, "setuid": str(setuid)}
        library = world.path / "lib"
        shutil.copytree(world.home / "lib", library)
        main = library / "__main__.py"
        begin = "from __future__ import annotations\n"
        main.write_text(main.read_text().replace(begin, begin + _HOOK.format(places=json.dumps(places))))
        world.write(lib_dir=str(library))
        yield world


def probe(world: World) -> tuple[dict[str, str], str]:
    """Return what the code in a gate reached, and the session's log."""
    outcome = world.session("info")
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    log = Path(outcome.log).read_text()
    found = re.search("PROBE (.*)", log)
    assert found, log
    return json.loads(found[1]), log


def test_a_gate_reaches_nothing_but_its_repository(taken: World) -> None:
    reached, log = probe(taken)
    assert reached == {
        "network": "OSError",
        "abstract socket": "ConnectionRefusedError",
        "another repository": "FileNotFoundError",
        "repositories": [CLIENT],
        "setuid program": str(_uid()),
        "root": "PermissionError",
    }
    assert "namespaces" not in log


def test_where_the_machine_gives_no_namespaces_the_log_says_so(taken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code then reaches all but root: this test would notice a probe that never gets anywhere."""
    monkeypatch.setattr(process, "enter", lambda *_place: None)
    reached, log = probe(taken)
    assert reached == {
        "network": "reached",
        "abstract socket": "reached",
        "another repository": "its key",
        "repositories": reached["repositories"],
        "setuid program": str(_uid()),
        "root": "PermissionError",
    }
    assert sorted(reached["repositories"]) == [CLIENT, NEIGHBOUR]
    assert log.count("server: this machine gives gates no namespaces: they see its network") == 1


def test_borg_on_the_server_works_inside(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def spawn(*arguments: Any, **streams: Any) -> Process:
        asked.append(arguments[4])
        return await process.spawn(*arguments, **streams)

    monkeypatch.setattr(command, "spawn", spawn)
    world.run_dir.mkdir()
    assert command.run_borg(load_site(str(world.path / "etc"), CLIENT), "check", "--repository-only")[0] == 0
    assert asked == [str(world.repository)]


def test_nothing_is_hidden_where_the_program_itself_lies(world: World) -> None:
    """Then whoever laid it there decides about the neighbours; the gate works as ever."""
    program = world.path / "srv/python/bin/python3"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {world.home}/venv/bin/python3 "$@"\n')
    program.chmod(0o755)
    world.write(python=str(program))
    assert came_to(world.session("info")) == OK


def _uid() -> int:
    return process.account(REPOSITORY_USER).pw_uid
