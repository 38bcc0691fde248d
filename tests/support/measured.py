# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage of processes that get an environment of their own; nothing happens here unless ``make coverage`` runs."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

NAMES = ("COVERAGE_PROCESS_START", "COVERAGE_FILE")

_SETTINGS = """\
[run]
branch = true
parallel = true
sigterm = true
include = {library}/*
data_file = {data}
"""
_START = (
    "import os, sys; os.environ['COVERAGE_PROCESS_START'] = {settings!r}; sys.path.append({packages!r}); "
    "import coverage; coverage.process_startup(); os.environ.pop('COVERAGE_PROCESS_START')\n"
)


def coverage_environment() -> dict[str, str]:
    """Return the variables by which a process of the tests' own Python has itself measured."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}


def coverage_prefix() -> str:
    """Return the beginning of a command line that sees to the same; nothing where nothing is measured."""
    variables = [f"{name}={value} " for name, value in coverage_environment().items()]
    return "".join(["/usr/bin/env ", *variables]) if variables else ""


def measure_library(packages: Path, library: Path) -> None:
    """Have every process of the venv with these packages measured, whatever its environment, for one directory."""
    if "COVERAGE_FILE" not in os.environ:
        return
    settings = library.parent / "coverage.ini"
    settings.write_text(_SETTINGS.format(library=library, data=os.environ["COVERAGE_FILE"]))
    found = find_spec("coverage")
    assert found and found.origin
    (packages / "coverage.pth").write_text(_START.format(settings=str(settings), packages=str(packages / "measuring")))
    (packages / "measuring").mkdir()
    shutil.copytree(Path(found.origin).parent, packages / "measuring/coverage")
