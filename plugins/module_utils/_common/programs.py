# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are run to their end, where there is no module to run them. Clients run this too: Python 3.9."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its exit code, negative for a signal, and what it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def said(self) -> str:
        """Its standard output as text, lines with the end that they have here."""
        return _to_text(self.stdout)

    @property
    def complaint(self) -> str:
        """Its standard error, likewise."""
        return _to_text(self.stderr)


class TooSlow(Exception):
    """A program was not done in time, and was killed."""


def run_program(argv: Sequence[str], given: bytes = b"", seconds: Optional[float] = None, **options: Any) -> Ended:
    """Run a program with this standard input; ``options`` are those of subprocess.Popen. Raise OSError or TooSlow."""
    return asyncio.run(_run(argv, given, seconds, options))


def _to_text(data: bytes) -> str:
    """Return printed text; sshd ends the lines of its complaints as terminals want them, with a carriage return."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


async def _run(argv: Sequence[str], given: bytes, seconds: Optional[float], options: dict[str, Any]) -> Ended:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, **options)
    try:
        stdout, stderr = await asyncio.wait_for(process.communicate(given), seconds)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        raise TooSlow from None
    return Ended(process.returncode if process.returncode is not None else -1, stdout, stderr)
