# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual and completion: what man and bash themselves make of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paranoid_runner.commands import make_parser
from paranoid_runner.manual import format_bash, format_man, list_commands
from runner_world import CLEAN, LIB

COMMANDS = [" ".join(words) for words, _help, _parser in list_commands(make_parser())]


@pytest.mark.skipif(not shutil.which("groff"), reason="NOT TESTED: groff is not installed")
def test_the_manual_is_one_that_man_reads() -> None:
    page = format_man(make_parser())
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"], input=page, capture_output=True, text=True, check=True
    )
    assert done.stderr == "" and "\\-\\-follow" in page, "what is pasted from it must be typed as it stands"
    text = " ".join(done.stdout.split())
    assert [name for name in COMMANDS if f"paranoid-backup {name} " not in text] == []
    assert "--follow show the run at work until it ends" in text and "--config" not in text


def complete(tmp_path: Path, *words: str) -> list[str]:
    """Return what bash offers for the last word, with a program on the PATH that is ours."""
    (tmp_path / "completion").write_text(format_bash(make_parser()))
    config = tmp_path / "runner.json"
    names: dict[str, dict[str, str]] = {key: {} for key in ("web1", "web2", "db1", "$(touch hacked)", "a b")}
    found = {name: str(tmp_path) for name in ("project", "inventory", "state", "reports", "programs")}
    books = dict.fromkeys(("backup", "maintain", "compact", "audit", "drill"), "none")
    config.write_text(json.dumps({**found, "hours": 1, "playbooks": books, "clients": names, "upkeep": {}}))
    program = tmp_path / "paranoid-backup"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {LIB} "$@" --config {config}\n')
    program.chmod(0o755)
    line = " ".join(f"'{word}'" for word in words)
    script = f"set -u; . ./completion; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _paranoid_backup; "
    script += 'for one in "${COMPREPLY[@]}"; do echo "$one"; done; complete -p paranoid-backup >&2'
    env = {**CLEAN, "PATH": f"{tmp_path}:{CLEAN['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stderr == "complete -o default -F _paranoid_backup paranoid-backup\n"
    return done.stdout.split("\n")[:-1]


def test_bash_completes_commands_options_and_names(tmp_path: Path) -> None:
    assert complete(tmp_path, "paranoid-backup", "") == [name for name in COMMANDS if " " not in name]
    assert complete(tmp_path, "paranoid-backup", "st") == ["status"]
    assert complete(tmp_path, "paranoid-backup", "run", "--d") == ["--due"]
    assert complete(tmp_path, "paranoid-backup", "run", "web1", "") == ["--due", "--help", "web1", "web2", "db1"]
    assert complete(tmp_path, "paranoid-backup", "escrow", "shares", "--th") == ["--threshold"]
    assert not (tmp_path / "hacked").exists()
