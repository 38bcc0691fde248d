# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask another program, in bounded time where that matters."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from typing import Optional

from paranoid_nas.storage import NasError


def ask(argv: Sequence[str], until: Optional[float] = None) -> tuple[int, bytes, bytes]:
    """Return exit code, output and complaint of a command; NasError if there is no such program, or not in time.

    ``until`` is a moment of ``time.monotonic``. A command that hangs in the kernel, as ZFS does when a pool is gone,
    cannot be killed: nobody waits for it.
    """
    environment, pipe = {**os.environ, "LC_ALL": "C"}, subprocess.PIPE
    left = None if until is None else max(until - time.monotonic(), 0.1)
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment)
    except FileNotFoundError:
        raise NasError(f"{argv[0]} is not installed") from None
    except OSError as error:
        raise NasError(f"{argv[0]} cannot be started: {error.strerror}") from None
    try:
        out, err = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        process.kill()
        raise NasError(f"{' '.join(argv[:2])} {argv[-1]}: no answer in time, so look at the NAS itself") from None
    return process.returncode, out, err


def read(argv: Sequence[str], until: Optional[float] = None, prefix: Sequence[str] = ()) -> str:
    """Return what a command says; NasError as ``ask``, or if it fails. ``prefix`` is such as ssh and its options."""
    code, out, err = ask([*prefix, *argv], until)
    if code:
        raise failure(argv, err or out)
    return out.decode("utf-8", "replace")


def failure(argv: Sequence[str], said: bytes) -> NasError:
    """Return an error with what a command said, in one line."""
    text = " ".join(said.decode("utf-8", "replace").split())
    return NasError(f"{' '.join(argv[:2])} {argv[-1]}: {text[:300] or 'it failed and said nothing'}")
