# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role installs the dispatcher: whole versions, nothing else, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tool import ROOT

LIBRARY = ROOT / "roles/backup_client/files/lib"
PROGRAMS = ("borg", "borgmatic", "dispatch", "relay")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can install files of root")


def install(path: Path, *options: str) -> str:
    """Run the role's tasks on this machine, in a directory of their own; return Ansible's recap."""
    task = {
        "ansible.builtin.include_role": {"name": "paranoid.backup.backup_client", "tasks_from": "dispatcher_files"},
        "vars": {"__backup_client_libexec": str(path), "__backup_client_venv": sys.prefix},
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    play["vars"] = {"ansible_python_interpreter": sys.executable}
    (path.parent / "play.yml").write_text(json.dumps([play]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_CONFIG": "/none",
    }
    playbook, program = str(path.parent / "play.yml"), str(Path(sys.executable).parent / "ansible-playbook")
    argv = [program, "-i", "localhost,", playbook, *options]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rsplit("localhost", 1)[1]


def installed(path: Path) -> dict[str, bytes]:
    """Return all files below the one directory that a version has, by name."""
    (version,) = path.glob("lib-*")
    return {str(file.relative_to(version)): file.read_bytes() for file in version.rglob("*") if file.is_file()}


def test_only_whole_versions_lie_there(tmp_path: Path) -> None:
    path = tmp_path / "libexec"
    (path / "lib-0123456789abcdef/paranoid_dispatcher").mkdir(parents=True)
    (path / "lib-0123456789abcdef/paranoid_dispatcher/removed.py").touch()
    (path / "stray").touch()
    assert "changed=1" in install(path)
    wanted = {str(file.relative_to(LIBRARY)): file.read_bytes() for file in LIBRARY.glob("paranoid_*/*.py")}
    assert installed(path) == wanted
    assert {entry.name for entry in path.iterdir() if entry.is_file()} == {
        *PROGRAMS,
        "borgmatic_databases.py",
        "borgmatic_hooks.py",
    }
    assert all(
        entry.stat().st_mode & 0o777 == (0o755 if entry.is_dir() or entry.name in PROGRAMS else 0o644)
        for entry in path.rglob("*")
    )
    assert "changed=0" in install(path) and "changed=0" in install(path, "--check")
    done = subprocess.run([path / "dispatch"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("dispatch: "), done
    done = subprocess.run([path / "borg", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout == "borg 1.4.5\n", done
    assert installed(path) == wanted, "it left something behind"


def test_what_somebody_changed_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "libexec"
    path.mkdir()
    assert "changed=1" in install(path)
    before = installed(path)
    (module,) = path.glob("lib-*/paranoid_dispatcher/verbs.py")
    module.write_text("")
    (module.parent / "stray.py").touch()
    (module.parent / "main.py").chmod(0o666)
    assert "changed=1" in install(path)
    assert installed(path) == before
    assert (module.parent / "main.py").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("transport", "program"), [("ssh", "ssh"), ("socket", "socat")])
def test_borg_hears_all_that_the_relay_says_at_its_end(tmp_path: Path, transport: str, program: str) -> None:
    path, programs = tmp_path / "libexec", tmp_path / "bin"
    path.mkdir()
    programs.mkdir()
    install(path, "-e", f"backup_client_transport={transport}")
    (programs / program).write_text("#!/bin/sh\nseq --format 'trouble %g' 8 >&2\nexit 255\n")
    (programs / program).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "BORG_RSH": str(path / "relay"),
        "BORG_BASE_DIR": str(tmp_path),
        "PARANOID_BACKUP_SOCKET": "/none",
    }
    for _ in range(4):  # Borg hears it by chance otherwise.
        argv = [str(Path(sys.executable).parent / "borg"), "list", "ssh://server/repository"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert "trouble 8" in done.stderr, done.stderr
