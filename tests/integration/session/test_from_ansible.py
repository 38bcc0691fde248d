# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module and the action plugin, started by a real ansible against a real sshd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from session_world import IS_ROOT, World
from tool import ROOT


def ansible(world: World, options: str, *more: str) -> tuple[int, dict[str, Any], str]:
    """Run ``ansible -m paranoid.backup.session``; return exit code, result and all output."""
    argv = [str(Path(sys.executable).parent / "ansible"), "localhost", "-c", "local", "-m", "paranoid.backup.session"]
    argv += [
        "-a",
        f"client=web1 config_dir={world.path}/etc {options}",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_NOCOLOR": "1"}
    env["ANSIBLE_CALLBACK_RESULT_FORMAT"] = "json"
    done = subprocess.run([*argv, "-vvv", *more], env=env, capture_output=True, text=True, check=False, timeout=300)
    start, end = done.stdout.find("=> {"), done.stdout.rfind("}")
    return (
        done.returncode,
        json.loads(done.stdout[start + 3 : end + 1]) if start >= 0 else {},
        done.stdout + done.stderr,
    )


@pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: the action holds sessions in the worker only as root")
def test_action_works_in_the_worker(world: World) -> None:
    code, result, output = ansible(world, "verb=info")
    assert (code, result["status"], result["changed"]) == (0, "ok", False), output
    assert "AnsiballZ_session" not in output


def test_module_does_the_same(world: World) -> None:
    code, result, output = ansible(world, "verb=backup", "-B", "30", "-P", "1")
    assert (code, result["status"], result["changed"]) == (0, "ok", True), output
    assert "AnsiballZ_session" in output


def test_a_failure_is_a_failed_task_with_its_reason(world: World) -> None:
    world.dispatch("ok_without_archive")
    code, result, _output = ansible(world, "verb=backup")
    assert code == 2
    assert (result["code"], result["msg"]) == ("no_archive", "web1 said ok, but named no archive")


@pytest.mark.parametrize(
    ("options", "words"),
    [("verb=destroy", "destroy"), ("verb=info open_for=x", "open_for"), ("verb=info more=1", "more")],
)
def test_bad_options_are_named(world: World, options: str, words: str) -> None:
    code, _result, output = ansible(world, options)
    assert code == 2 and words in output and "Traceback" not in output
