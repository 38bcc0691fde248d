# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose Borg is a program by itself has no library for the command: it says so, and what restores there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LIB = Path(__file__).parents[4] / "roles/backup_client/files/lib"
START = """
import pathlib, sys
sys.dont_write_bytecode = True
sys.modules["borg"] = None
sys.path.insert(0, sys.argv[1])
from paranoid_restore.main import main
sys.exit(main(sys.argv[3:], pathlib.Path(sys.argv[2])))
"""


def test_a_host_without_borgs_library_is_told_what_restores_there(tmp_path: Path) -> None:
    config = {name: str(tmp_path) for name in ("base_dir", "relay", "passphrase_file", "repository")}
    (tmp_path / "client.json").write_text(json.dumps(config))
    (tmp_path / "open").write_text("/nowhere")
    argv: list[str | Path] = [sys.executable, "-I", "-c", START, LIB, tmp_path / "client.json"]
    done = subprocess.run([*argv, "etc/nginx"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "borg" in done.stderr, done.stderr
    assert "paranoid-backup-borg extract restores" in done.stderr
    undone = subprocess.run([*argv, "--undo"], capture_output=True, text=True, check=False)
    assert "library" not in undone.stderr, "what needs no Borg goes without it"
