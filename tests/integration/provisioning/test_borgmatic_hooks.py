# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic's hooks in the dispatcher's hands: what a command becomes, and the environment that it is checked in."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import borgmatic_hooks
import pytest
import yaml
from paranoid_dispatcher.config import Config
from paranoid_dispatcher.host import remove_unpacked, versions
from paranoid_dispatcher.server_link import ServerLink
from paranoid_dispatcher.toolbox import Toolbox
from tool import ROOT

CONTEXT = {"repository": "ssh://x/", "error": "it's out", "output": None, "log_file": ""}


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("logger {error}", "logger 'it'\"'\"'s out'"),
        ("echo {repository} {log_file}", "echo ssh://x/ ''"),
        ("echo ${error} ${repository}", "echo ${error} ${repository}"),
        ("awk '{print $1}' {word} {now} {output}", "awk '{print $1}' {word} {now} {output}"),
        (r"grep 'a\{3\}' \{error\}", r"grep 'a\{3\}' {error}"),
    ],
)
def test_only_borgmatics_own_words_are_put_in(written: str, run: str) -> None:
    assert borgmatic_hooks.interpolate(written, CONTEXT) == run


def test_a_plan_has_one_record_for_each_command() -> None:
    hooks: list[dict[str, Any]] = [{"before": "action", "when": ["create", "prune"], "run": ["a", "b"]}]
    hooks += [{"after": "everything", "run": ["c {error}"]}, {"after": "error"}]
    names = ["before create/prune action", "before create/prune action", "after everything"]
    planned = borgmatic_hooks.plan(hooks, "0077", None, CONTEXT)
    assert [(one["name"], one["before"], one["umask"], one["directory"]) for one in planned] == [
        (name, name.startswith("before"), 0o77, "/") for name in names
    ]
    assert [one["command"] for one in planned] == ["a", "b", "c 'it'\"'\"'s out'"]


# The dispatcher is gone before it is asked; no signal says so, as on FreeBSD, or as when that comes late.
ALONE = """
import os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
import borgmatic_hooks
ours, theirs = socket.socketpair()
theirs.close()
stages = borgmatic_hooks.Stages(borgmatic_hooks.Channel(ours.detach()))
signal.signal(signal.SIGTERM, stages.channel.on_signal)
commands = [{"after": "action", "run": ["echo >>after"]}, {"after": "everything", "run": ["echo >>after"]}]
if sys.argv[2] == "after":
    stages.execute_hooks(commands[:1], None, os.getcwd(), False)
else:
    list(stages.run_all({"c": {"commands": commands, "working_directory": os.getcwd()}}, [], {}, None))
print("went on")
"""


@pytest.mark.parametrize(("when", "after"), [("after", 1), ("at the beginning", 0)])
def test_without_the_dispatcher_after_hooks_run_and_nothing_begins(tmp_path: Path, when: str, after: int) -> None:
    argv = [sys.executable, "-I", "-c", ALONE, str(ROOT / "roles/backup_client/files"), when]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, start_new_session=True, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, ""), done.stderr
    ran = tmp_path / "after"
    assert (len(ran.read_text().splitlines()) if ran.exists() else 0) == after, done.stderr


def test_the_configuration_is_checked_in_the_dispatchers_environment() -> None:
    variables = yaml.safe_load((ROOT / "roles/backup_client/vars/main.yml").read_text())
    written = str(variables["__backup_client_environment"])
    places = {"base_dir": "/base", "runtime_dir": "/base/runtime", "borg": "/venv/bin/borg", "remote_dir": "/run"}
    lists: dict[str, Any] = {"accept_unreadable": (), "tagged_paths": ()}
    for name, place in {"venv": "/venv", "base_dir": "/base"}.items():
        written = written.replace(f"{{{{ __backup_client_{name} }}}}", place)
    config, request = cast(Config, SimpleNamespace(**places, **lists)), SimpleNamespace(session="0" * 32)
    environment = Toolbox(config, cast(Any, request), cast(ServerLink, None)).environment
    known = {name: value for name, value in environment.items() if not name.startswith("PARANOID_BACKUP_")}
    assert dict(word.split("=", 1) for word in shlex.split(written)) == known


def test_a_borg_that_unpacks_itself_does_so_where_it_may_run_and_hooks_know_nothing_of_it(tmp_path: Path) -> None:
    """Also what one that was killed has left goes, and nothing else."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/borg").write_text('#!/bin/sh\necho "borg $TMPDIR"\n')
    (tmp_path / "bin/borg").chmod(0o755)
    places = {"base_dir": "/base", "runtime_dir": "/base/runtime", "borg": f"{tmp_path}/bin/borg", "remote_dir": "/run"}
    config, request = (
        SimpleNamespace(**places, tagged_paths=(), accept_unreadable=()),
        SimpleNamespace(session="0" * 32),
    )
    tools = Toolbox(cast(Config, config), cast(Any, request), cast(ServerLink, None))
    assert tools.environment == tools.hook_environment and versions(cast(Config, config))["borg"] == ""
    remove_unpacked(config.borg)
    (tmp_path / "tmp/_MEIabc/lib").mkdir(parents=True)
    assert tools.environment == {**tools.hook_environment, "TMPDIR": f"{tmp_path}/tmp"}
    assert versions(cast(Config, config))["borg"] == f"{tmp_path}/tmp"[:40]
    remove_unpacked(config.borg)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "tmp"] and not list((tmp_path / "tmp").iterdir())
