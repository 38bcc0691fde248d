# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TrueNAS's middleware, asked by ``midclt call`` on the NAS itself. Python 3.9.

That way in is the same from CORE 13 to 27; REST is gone in 26, and its websocket locks out who knocks too often. What
midclt prints is JSON, but for numbers, strings and booleans, which it prints as Python does (truenas/api_client).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

VERSIONS = ("13", "24.10", "25.04", "25.10", "26", "27")
_DONE = ("SUCCESS", "FAILED", "ABORTED")
_POLL = 1.0  # seconds

Run = Callable[[Sequence[str]], tuple[int, str, str]]  # exit code, standard output, standard error


class TrueNasError(Exception):
    """The NAS cannot do this: one line for a person."""


def parse_version(text: str) -> str:
    """Return which of VERSIONS this is, of what ``system.version`` says; TrueNasError for any other."""
    found = re.search(r"(?:^|-)(\d+)\.(\d+)", text)
    if found:
        major, minor = found[1], f"{found[1]}.{found[2]}"
        for version in (major, minor):
            if version in VERSIONS:
                return version
    raise TrueNasError(f"{text[:60]!r} is no version that is known here: these are {', '.join(VERSIONS)}")


def parse_output(text: str) -> Any:
    """Return what midclt printed as data: JSON, or a number, string or boolean as Python prints it."""
    stripped = text.strip()
    words = {"True": True, "False": False, "None": None, "": None}
    if stripped in words:
        return words[stripped]
    try:
        return json.loads(stripped)
    except ValueError:
        return stripped


def complaint(err: str, out: str) -> str:
    """Return the last line that says something, as a traceback's is the reason."""
    lines = [line.strip() for line in (err or out).splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it failed and said nothing"


class Api:
    """One NAS. ``version`` is one of VERSIONS."""

    def __init__(self, run: Run, patience: float = 3600.0) -> None:
        self._run, self._patience = run, patience
        self.version = parse_version(str(self.call("system.version")))

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method returns; a job's is its id."""
        code, out, err = self._run(["midclt", "call", method, *(json.dumps(one) for one in arguments)])
        if code:
            said = complaint(err, out)
            if "not found" in said.lower() and ("ENOMETHOD" in said or "method" in said.lower()):
                version = getattr(self, "version", "this")
                raise TrueNasError(f"TrueNAS {version} has no method {method}: {said}")
            raise TrueNasError(f"{method}: {said}")
        return parse_output(out)

    def job(self, method: str, *arguments: Any) -> Any:
        """Start a job, wait for its end, and return its result."""
        return self.wait(method, self.call(method, *arguments))

    def wait(self, method: str, number: Any) -> Any:
        """Wait for a job; TrueNasError if it failed, or is not done in time. Portable: ``-j`` differs on CORE."""
        if not isinstance(number, int):
            raise TrueNasError(f"{method}: TrueNAS {self.version} answered {str(number)[:60]!r} and not a job's number")
        until = time.monotonic() + self._patience
        while True:
            jobs = self.call("core.get_jobs", [["id", "=", number]])
            if not jobs:
                raise TrueNasError(f"{method}: TrueNAS {self.version} has no job {number} any more")
            if jobs[0]["state"] in _DONE:
                break
            if time.monotonic() > until:
                raise TrueNasError(f"{method}: job {number} is not done after {self._patience:.0f} seconds")
            time.sleep(_POLL)
        if jobs[0]["state"] != "SUCCESS":
            raise TrueNasError(f"{method}: {complaint(str(jobs[0].get('error') or ''), jobs[0]['state'])}")
        return jobs[0].get("result")

    def finish_running(self, method: str) -> None:
        """Wait for jobs that somebody started before, as a run that was killed."""
        for job in self.call("core.get_jobs", [["method", "=", method], ["state", "in", ["WAITING", "RUNNING"]]]):
            self.wait(method, job["id"])
