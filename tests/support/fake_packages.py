# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers that cannot be had here: each knows the exact command lines that it expects, and fails on any other.

What they print, and with which exit code, is what the real ones do for a package that is there and one that is not:
rpm(8) QUERY OPTIONS and its exit code, the number of failures; pacman(8) --query; pkg-query(8).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Answers = Mapping[tuple[str, ...], tuple[int, str]]

_FAKE = """#!/usr/bin/python3
import json, os, sys
argv = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(FOLDER + "/calls", "a") as calls:
    calls.write(json.dumps(argv) + "\\n")
for expected, (code, text) in json.load(open(FOLDER + "/answers")):
    if expected == argv:
        sys.stdout.write(text)
        sys.exit(code)
sys.exit("unexpected: " + " ".join(argv))
"""


def make_fakes(folder: Path, answers: Answers) -> Path:
    """Make the programs that ANSWERS name and return the directory for PATH."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (folder / "answers").write_text(json.dumps([[list(argv), answer] for argv, answer in answers.items()]))
    for name in {argv[0] for argv in answers}:
        (programs / name).write_text(_FAKE.replace("FOLDER", repr(str(folder))))
        (programs / name).chmod(0o755)
    return programs


def calls(folder: Path) -> list[list[str]]:
    """Return what was called, in order."""
    path = folder / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
