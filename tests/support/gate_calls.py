# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate's calls in the test's own process, on any repository: for what needs no socket and no client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from borg.logger import setup_logging
from paranoid_gate.calls import Calls
from paranoid_gate.events import Report
from paranoid_gate.policy import POLICIES, Options

setup_logging(stream=sys.stderr, env_var=None, level="critical")  # Borg wants it before the first call


class GateCalls:
    """One connection's calls. ``events`` is its report so far."""

    def __init__(self, policy: str, repository: Path, report: int, **options: Any) -> None:
        self._report = report
        self.inside = Calls(Options(POLICIES[policy], str(repository), **options), Report(report))

    def __call__(self, method: str, **arguments: Any) -> Any:
        """Make one call; raise what the client would get."""
        return self.inside.answer(method, arguments)

    def events(self) -> list[dict[str, Any]]:
        """Return what was reported."""
        content = os.pread(self._report, 1_000_000, 0)
        return [json.loads(line) for line in content.splitlines()]


@contextmanager
def gate_calls(policy: str, repository: Path, **options: Any) -> Iterator[GateCalls]:
    """Open the repository for writing; close it at the end."""
    report = os.memfd_create("report")
    try:
        calls = GateCalls(policy, repository, report, **options)
        try:
            yield calls
        finally:
            calls.inside.close()
    finally:
        os.close(report)
