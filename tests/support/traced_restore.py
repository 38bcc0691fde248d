# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore that tells what it waited for.

``traced_restore.py FILE borg ARGUMENTS...`` for Borg, ``traced_restore.py FILE LIB CONFIG ARGUMENTS...`` for ours. FILE
gets JSON: ``wall``, ``own`` and ``others`` (CPU seconds of this process, and of the gate with what leads to it),
``waits`` (seconds of each wait for the gate), ``requests`` and ``received`` (bytes).
"""

from __future__ import annotations

import json
import resource
import select
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import borg.remote


class Trace:
    """What is measured, from now on."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._waits: list[float] = []
        self._requests = self._received = 0
        borg.remote.select = SimpleNamespace(select=self._select)
        self._close = borg.remote.RemoteRepository.close
        borg.remote.RemoteRepository.close = lambda repository: self._closing(repository)

    def _select(self, *arguments: Any) -> Any:
        began = time.perf_counter()
        found = select.select(*arguments)
        self._waits.append(time.perf_counter() - began)
        return found

    def _closing(self, repository: Any) -> None:
        if repository.p:
            self._requests += repository.msgid
            self._received += repository.rx_bytes
        self._close(repository)

    def write(self, path: str) -> None:
        """Write what was measured."""
        own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        told = {"wall": time.perf_counter() - self._began, "waits": self._waits}
        told |= {"own": own.ru_utime + own.ru_stime, "others": others.ru_utime + others.ru_stime}
        told |= {"requests": self._requests, "received": self._received}
        Path(path).write_text(json.dumps(told))


def main(words: list[str]) -> None:
    """Restore, by Borg or by ours."""
    if words[0] == "borg":
        from borg.archiver import main as extract

        sys.argv = words
        extract()
    else:
        sys.path.insert(0, words[0])
        from paranoid_restore.main import main as restore

        sys.exit(restore(words[2:], Path(words[1])))


if __name__ == "__main__":
    trace, (file, *rest) = Trace(), sys.argv[1:]
    try:
        main(rest)
    finally:
        trace.write(file)
