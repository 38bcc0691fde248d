# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client tries against the server's memory and time."""

from __future__ import annotations

import os
import random
import resource
import struct
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from history import assert_history_stays
from hostile import Closed, Refusal
from real import Borg, Gate

OBJECTS = 40_000


def hold_to(gate: Gate, more: int) -> None:
    """Let the gate have ``more`` bytes beyond what it has now."""
    with open(f"/proc/{gate.process.pid}/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.prlimit(gate.process.pid, resource.RLIMIT_AS, (size + more, size + more))


@pytest.mark.parametrize("method", ["check", "put"])
def test_a_gate_without_memory_ends_and_nothing_is_overwritten(borg: Borg, method: str) -> None:
    gate = Gate("append", borg.repository)
    gate.client.hello()
    for _ in range(4):
        gate.client.call("put", id=os.urandom(32), data=os.urandom(2**20))
    gate.client.call("commit", compact=False)
    old = next(key for key in gate.client.call("list") if key != bytes(32))
    hold_to(gate, 2**18)
    with suppress(Closed, Refusal):
        if method == "check":
            gate.client.call("check", repair=False, max_duration=0)
        else:
            gate.client.call("put", id=os.urandom(32), data=bytes(16 * 2**20))
    with pytest.raises(Closed):
        gate.client.call("put", id=old, data=b"other")
        gate.client.call("commit", compact=False)
    end = gate.finish()[-1]
    assert end["event"] == "end" and end["reason"] == "error"
    assert "it needs more memory than the server gives" in end["detail"]
    again = Gate("append", borg.repository)
    again.client.hello()
    with pytest.raises(Refusal, match="overwriting what is already stored"):
        again.client.call("put", id=old, data=b"other")
    again.finish()
    assert_history_stays(borg)


def store(borg: Borg, prefix: Callable[[int], bytes]) -> tuple[float, dict[str, object]]:
    """Store empty objects with these beginnings; return the seconds it took, and the end of the report."""
    gate = Gate("append", borg.repository)
    gate.client.hello()
    started = time.perf_counter()
    with suppress(Closed):
        for number in range(0, OBJECTS, 100):
            for one in range(number, number + 100):
                gate.client.post("put", id=prefix(one) + os.urandom(28), data=b"")
            for _ in range(100):
                with suppress(Refusal):
                    gate.client.receive()
    seconds = time.perf_counter() - started
    return seconds, gate.finish()[-1]


@pytest.mark.parametrize(
    "prefix",
    [lambda _number: b"same", lambda number: struct.pack("<I", number % 60_000 * 65537)],
    ids=["the same first bytes", "the same bucket"],
)
def test_ids_that_make_the_index_slow_are_refused(borg: Borg, prefix: Callable[[int], bytes]) -> None:
    bits = random.Random(1)
    honest, end = store(borg, lambda _number: bits.randbytes(4))
    assert (end["put"], end["refused"]) == (OBJECTS, 0)
    hostile, end = store(borg, prefix)
    assert end["reason"] == "protocol" and "put" in end and int(str(end["put"])) < 2000
    assert hostile < honest, f"{hostile:.1f} s against {honest:.1f} s for honest ids"
    assert_history_stays(borg)
