# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's virtual environment on hosts as people have them: a strict umask, a Python without ensurepip."""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from borg_role import ROLE, client, run

VENV: list[Any] = [{"ansible.builtin.include_tasks": str(ROLE / "tasks/venv.yml")}]


def variables(path: Path) -> dict[str, Any]:
    """Variables of a client that wants one small package, from a wheelhouse that holds it."""
    metadata, about = (
        "tiny-1.0.dist-info",
        {"METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n", "RECORD": ""},
    )
    about["WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        for name, text in about.items():
            wheel.writestr(f"{metadata}/{name}", text)
    with tarfile.open(path / "wheels.tar", "w") as wheels:
        wheels.add(path / "tiny-1.0-py3-none-any.whl", "tiny-1.0-py3-none-any.whl")
    names = {"venv": str(path / "venv"), "wheelhouse": str(path / "wheels.tar"), "requirements": ["tiny==1.0"]}
    wanted = {f"backup_borg_{name}": value for name, value in names.items()}
    return {**client("Debian", "venv"), **wanted, "__backup_borg_listed": {"stdout_lines": []}}


PYTHON = {"__backup_borg_python": sys.executable}


def test_all_may_read_it_whatever_the_umask_is_and_one_for_root_alone_is_made_again(tmp_path: Path) -> None:
    """The gate starts Borg as the user of a repository. The one that is there has all that is wanted, for root."""
    before = os.umask(0o077)
    try:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
        (place,) = (tmp_path / "venv/lib").glob("python*/site-packages")
        (place / "tiny-1.0.dist-info").mkdir()
        (place / "tiny-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        said = run(tmp_path, {"web1": variables(tmp_path)}, VENV, **PYTHON)["web1"]
    finally:
        os.umask(before)
    assert "failed=0" in said and (place / "tiny.py").exists(), said
    closed = [path for path in (tmp_path / "venv").rglob("*") if path.stat().st_mode & 0o004 == 0]
    assert [path for path in closed if not path.is_relative_to(tmp_path / "venv/wheels")] == []
    (tmp_path / "venv").chmod(0o700)
    said = run(tmp_path, {"web1": variables(tmp_path)}, VENV, **PYTHON)["web1"]
    assert "failed=0" in said and (tmp_path / "venv").stat().st_mode & 0o777 == 0o755, said


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can hide a part of Python")
def test_a_python_without_ensurepip_is_named(tmp_path: Path) -> None:
    hide = f"mount -t tmpfs none {Path(ensurepip.__file__).parent} && exec "
    inside = ["unshare", "--mount", "sh", "-c", hide + '"$0" "$@"']
    said = run(tmp_path, {"web1": variables(tmp_path)}, VENV, inside=inside, **PYTHON)
    assert f"tiny cannot be installed on web1 with {sys.executable}, which has no ensurepip" in said["web1"], said
