# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of this system, run to their end in a clean environment."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from paranoid_rebuild.errors import printable

SECONDS = 6 * 3600.0  # a package or a database may take long; a program that waits for somebody must not wait for ever
_CLEAN = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code and what it said."""

    code: int
    out: str
    complaint: str

    @property
    def reason(self) -> str:
        """The last line of what it complained of."""
        lines = [line for line in (self.complaint or self.out).splitlines() if line.strip()]
        return printable(lines[-1].strip())[:300] if lines else f"it ended with {self.code}"


@dataclass(frozen=True)
class Runner:
    """Starts programs. Tests have one that only remembers."""

    def run(self, *argv: str, given: str = "") -> Ended:
        """Run a program with GIVEN as its input; one that is not there ends with 127."""
        try:
            done = subprocess.run(
                argv,
                input=given.encode(),
                capture_output=True,
                env=_CLEAN,
                cwd="/",
                timeout=SECONDS,
                check=False,
            )
        except FileNotFoundError:
            return Ended(127, "", f"{argv[0]} is not installed")
        except subprocess.TimeoutExpired:
            return Ended(124, "", f"{argv[0]} did not end within {SECONDS:.0f} s")
        return Ended(done.returncode, _text(done.stdout), _text(done.stderr))

    def failures(self, commands: Sequence[Sequence[str]]) -> list[str]:
        """Run commands, each whatever becomes of the others; return a line for each that failed."""
        ended = ((" ".join(command), self.run(*command)) for command in commands)
        return [f"{shown}: {done.reason}" for shown, done in ended if done.code]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
