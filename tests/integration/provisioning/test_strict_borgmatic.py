# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's borgmatic: an exit code that borgmatic's own loop has missed is not lost."""

from __future__ import annotations

import importlib.util
import inspect
import json
import logging
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from tool import ROOT

SOURCE = ROOT / "roles/backup_client/files/strict_borgmatic.py"


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher, above a borgmatic that lost every race."""
    spec = importlib.util.spec_from_file_location("paranoid_borgmatic", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_log_outputs", lambda *arguments: iter(()))
    return module


def ended(command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sh", "-c", command])
    process.wait()
    return process


def test_a_failure_that_was_missed_is_raised(launcher: ModuleType) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        list(launcher.log_outputs([ended("exit 0"), ended("exit 1")], (), None, "borg", None))
    assert raised.value.returncode == 1


@pytest.mark.parametrize("command", ["exit 0", "kill -9 $$"])
def test_what_went_well_or_was_killed_is_not(launcher: ModuleType, command: str) -> None:
    assert list(launcher.log_outputs([ended(command)], (), None, "borg", None)) == []


WARNED = {
    "type": "log_message",
    "levelname": "WARNING",
    "message": "/a: open: x",
    "msgid": "BackupIOError",
    "name": "b",
}


@pytest.fixture
def told(launcher: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the launcher tells, in order."""
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(launcher.channel, "tell", lambda event, **content: events.append({"event": event, **content}))
    return events


@pytest.mark.parametrize("code", [1, 100, 101, 102, 103, 104, 105, 106, 107, 127])
def test_no_warning_of_a_create_ends_borgmatic(launcher: ModuleType, told: list[dict[str, Any]], code: int) -> None:
    warning = launcher.execute.Exit_status.WARNING
    assert launcher.interpret_exit_code(("borg", "create", "--json"), code, "borg", None) == warning
    assert told == [{"event": "code", "code": code}]
    assert launcher.interpret_exit_code(("borg", "create", "--dry-run"), code, "borg", None) == warning
    assert len(told) == 1


@pytest.mark.parametrize(
    ("command", "code", "configured"),
    [
        (("borg", "create"), 2, None),
        (("borg", "create"), 99, None),
        (("borg", "create"), -9, None),
        (("borg", "create"), 105, [{"code": 105, "treat_as": "error"}]),
        (("borg", "list"), 105, None),
        (("pg_dump", "create"), 1, None),
        ("borg create", 105, None),
    ],
)
def test_errors_stay_errors(launcher: ModuleType, command: Any, code: int, configured: Any) -> None:
    assert launcher.interpret_exit_code(command, code, "borg", configured) == launcher.execute.Exit_status.ERROR


def test_what_borg_logs_is_told_word_for_word(launcher: ModuleType, told: list[dict[str, Any]]) -> None:
    line = json.dumps(WARNED)
    create = ("borg", "create")
    launcher.parse_log_line(line, logging.INFO, True, "borg", create)
    assert told == [{"event": "borg", "line": line}]
    for command, is_stderr in (
        (create, False),
        ((*create, "--dry-run"), True),
        (("borg", "list"), True),
        ("hook", True),
    ):
        launcher.parse_log_line(line, logging.INFO, is_stderr, "borg", command)
    assert len(told) == 1


def test_only_borgmatics_own_warnings_are_told(launcher: ModuleType, told: list[dict[str, Any]]) -> None:
    handler = launcher.Warnings(logging.WARNING)
    for name in ("borgmatic.hooks.data_source.btrfs", "borgmatic.hooks.monitoring.ntfy", "borgmatic.execute", "None"):
        handler.handle(logging.LogRecord(name, logging.WARNING, "", 0, "none found", None, None))
    assert told == [{"event": "borgmatic", "message": "none found"}]


def test_a_hook_cannot_reach_the_channel(launcher: ModuleType) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    launcher.Channel(str(writing)).tell("begin")
    shown = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False, check=True)
    assert f"{writing} ->" not in shown.stdout
    os.close(writing)
    assert os.read(reading, 100) == b'{"event": "begin"}\n'
    os.close(reading)


def test_a_database_that_is_not_there_is_refused(
    launcher: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launcher, "_dump_sqlite", lambda *_arguments: [])
    (tmp_path / "there.db").touch()
    (tmp_path / "dangling.db").symlink_to("nowhere")
    assert launcher.dump_sqlite([{"path": str(tmp_path / "there.db")}], {}) == []
    assert launcher.dump_sqlite([{"path": "there.db"}], {"working_directory": str(tmp_path)}) == []
    for name in ("typo.db", "dangling.db", "."):
        with pytest.raises(ValueError, match="there is no SQLite database at"):
            launcher.dump_sqlite([{"path": str(tmp_path / name)}], {})


def test_borgmatic_has_what_is_replaced(launcher: ModuleType) -> None:
    """With the parameters that are expected; a newer borgmatic may have others."""
    execute, repo_list = launcher.execute, launcher.borgmatic.borg.repo_list
    for ours, theirs in (
        (launcher.log_outputs, execute.log_outputs),
        (launcher.interpret_exit_code, execute.interpret_exit_code),
        (launcher.parse_log_line, execute.parse_log_line),
        (launcher.get_latest_archive, repo_list.get_latest_archive),
    ):
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert list(inspect.signature(launcher.sqlite.dump_data_sources).parameters)[:2] == ["databases", "config"]
    create = inspect.getsource(launcher.borgmatic.actions.create)
    for called in ("borgmatic.borg.create.create_archive(", "borgmatic.borg.repo_list.get_latest_archive("):
        assert called in create


def test_any_output_is_read(launcher: ModuleType) -> None:
    """A byte that is not UTF-8, a line without an end, and a pipe that is closed before its process ends."""
    script = "printf 'gr\\374n\\nto be '; sleep 0.2; echo continued; printf end; exec >&-; sleep 0.2"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert [line for lines in launcher.read_lines(process.stdout, process) for line in lines] == [
        "gr\\xfcn",
        "to be continued",
        "end",
    ]
    process = subprocess.Popen(["sh", "-c", "head -c 3000000 /dev/zero"], stdout=subprocess.PIPE)
    lines = [line for lines in launcher.read_lines(process.stdout, process) for line in lines]
    assert sum(map(len, lines)) == 3_000_000 and max(map(len, lines)) < 1_200_000


@pytest.mark.parametrize("password", ["p' \"{w}", "a: b # c", "pa${x}ss\\", "{credential"])
def test_mongodb_reads_the_password_that_was_written(launcher: ModuleType, password: str) -> None:
    quoted = launcher.quote_password(lambda value, *rest: (f"password: {value}", rest))(password, "more")
    assert (yaml.safe_load(quoted[0]), quoted[1]) == ({"password": password}, ("more",))
