# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of real gates and a client whose conversations go wrong: none needs much, and none leaves what nobody sees.

A long run: ``PARANOID_CONVERSATIONS=3000 PARANOID_SEED=2``, and ``pytest -s``.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, Budget
from conversations import Talker, say
from real import Borg, Gate
from restored import read_list, read_objects

_SESSIONS = int(os.environ.get("PARANOID_CONVERSATIONS", "24"))
_SEED = int(os.environ.get("PARANOID_SEED", "1"))
_MEMORY = 150 * 2**20  # bytes of one gate
_CPU = 10  # seconds of one session's gates: 0.2 each to begin with
_QUOTA = 40_000_000
_BUDGET = Budget(objects=5, bytes=10**6, archives=1)
_REASONS = {None, "protocol", "quota"}


@dataclass
class Repository:
    """One repository over many sessions, and what the last audit left."""

    path: Path
    baseline: Baseline | None = None

    def begin(self, origin: Borg) -> None:
        """Have it as it was in the beginning."""
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(origin.repository, self.path)
        self.baseline = audit(str(self.path), None, "append")[1]


def talk(repository: Repository, policy: str, conversations: list[bytes]) -> list[str | None]:
    """Hold one session, its connections at the same time; return how each ended."""
    limits = [f"--max-{name}={getattr(_BUDGET, name)}" for name in ("objects", "bytes", "archives")]
    options = (*(limits if policy == "trim" else ()), f"--quota={_QUOTA}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Only one connection of a session gets the budget, as `Gates` does it.
    gates = [
        Gate(policy, repository.path, *(options if number == 0 else options[-1:]))
        for number in range(len(conversations))
    ]
    peaks: list[int] = []

    def one(gate: Gate, data: bytes) -> None:
        say(gate.socket, data)
        peaks.append(gate.peak_memory() if gate.process.poll() is None else 0)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(gates, conversations, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = []
    for gate in gates:
        end = gate.finish(60)[-1]
        assert "Traceback" not in gate.errors, gate.errors
        assert end["event"] == "end", gate.errors
        assert end["reason"] in _REASONS or end["detail"] == "stopped", (end, gate.errors)
        ends.append(end["reason"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(peaks) == len(gates) and max(peaks) < _MEMORY
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < _CPU * len(gates)
    return ends


def test_conversations_that_go_wrong(origin: Borg, tmp_path: Path) -> None:
    bits, seen = random.Random(_SEED), Counter[str]()
    repository = Repository(tmp_path / "repo")
    repository.begin(origin)
    for number in range(_SESSIONS):
        policy = bits.choice(("append", "append", "trim", "read", "create"))
        objects, listed = read_objects(repository.path), read_list(repository.path)
        talker = Talker(_SEED * 10_000 + number, list(objects))
        conversations = [talker.conversation() for _ in range(bits.choice((1, 1, 2, 3)))]
        ends = talk(repository, policy, conversations)
        seen.update(f"{policy}: ended by {end}" for end in ends)
        assert repository.baseline is not None
        before = repository.baseline
        verdict, repository.baseline = audit(str(repository.path), before, policy, _BUDGET)
        now = read_objects(repository.path)
        gone = [key for key, data in objects.items() if now.get(key) != data]
        assert len(gone) <= (_BUDGET.objects if policy == "trim" else 0), (number, policy)
        if verdict.verdict == ALARM:  # in a trim it may also store anew what another connection has deleted
            assert read_list(repository.path) != listed or policy == "trim", verdict.findings
        else:
            assert (verdict.changes.gone, verdict.changes.overwritten) == (len(gone), 0)
        assert full_audit(str(repository.path)).findings == ()
        seen[f"{policy}: {verdict.verdict}"] += 1
        if number % 100 == 99:
            print(f"{number + 1} sessions", flush=True)
        if verdict.verdict == ALARM or gone or len(now) > 20_000:
            repository.begin(origin)
    print("\n".join(f"{count:6} {what}" for what, count in sorted(seen.items())))
