# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Borg is started, and how: behind the guard in a Python that has it, and otherwise without what needs one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from client_borg import BIN, LIBRARY
from paranoid_borg.start import UNGUARDED, python_of, without_tags

START = f"import sys; sys.path.insert(0, {str(LIBRARY)!r}); from paranoid_borg.start import start; start({{!r}})"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv without Borg, as borgmatic has one where Borg comes from elsewhere."""
    path = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    return path / "bin/python3"


def started(place: Path, python: Path, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start a Borg as the role's program does."""
    path = place / "borg"
    path.write_text(START.format(str(program)))
    argv = [str(python), "-I", str(path), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("has_borg", [True, False], ids=["of its own", "of the platform"])
def test_a_borg_in_python_is_guarded(bare: Path, tmp_path: Path, has_borg: bool) -> None:
    python = Path(sys.executable) if has_borg else bare
    assert started(tmp_path, python, BIN / "borg", "--version").stdout == "borg 1.4.5\n"
    assert started(tmp_path, python, BIN / "borg", "--guarded").returncode == 0
    command = ("create", "--exclude-if-present", ".nobackup", "--read-special", "/none::it", "/none")
    assert "/none does not exist" in started(tmp_path, python, BIN / "borg", *command).stderr


def test_a_program_that_is_no_python_gets_no_tags_and_no_dumps(bare: Path, tmp_path: Path) -> None:
    place, program = tmp_path, tmp_path / "program"
    shutil.copy("/bin/echo", program)
    tags = ("--exclude-caches", "--exclude-if-present", ".nobackup", "--exclude-if-present", ".git")
    done = started(place, bare, program, "create", *tags, "--exclude", "it", "::it")
    assert done.stdout == "create --exclude it ::it\n"
    assert started(place, bare, program, "--guarded").returncode == UNGUARDED
    refused = started(place, bare, program, "create", "--read-special", "::it")
    assert refused.returncode == 1 and "is no Python program" in refused.stderr and not refused.stdout


@pytest.mark.parametrize(
    ("first", "python"),
    [
        ("#!/usr/bin/python3\n", "/usr/bin/python3"),
        ("#! /usr/bin/python3 -sP\n", "/usr/bin/python3"),
        ("#!/bin/sh\n", ""),
        ("\x7fELF\n", ""),
    ],
)
def test_a_script_names_its_python(tmp_path: Path, first: str, python: str) -> None:
    (tmp_path / "it").write_text(first)
    assert python_of(str(tmp_path / "it")) == python


def test_nothing_else_is_taken_from_the_arguments() -> None:
    arguments = ["create", "--patterns-from", "--exclude-cache", "x", "--exclude-caches-of", "::"]
    assert without_tags(arguments) == arguments and without_tags([]) == []
