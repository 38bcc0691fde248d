# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the gate's report, as the examples in `tests/vectors/gate_report.json` have them, and their bounds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from paranoid_gate import events
from paranoid_gate.events import Report
from tool import ROOT

VECTORS = json.loads((ROOT / "tests/vectors/gate_report.json").read_text())
WRITTEN = [vector for vector in VECTORS if "recorded" in vector]


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = os.memfd_create("report")
    yield descriptor
    os.close(descriptor)


def lines(descriptor: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in os.pread(descriptor, 1_000_000, 0).splitlines()]


@pytest.mark.parametrize("vector", WRITTEN, ids=lambda vector: vector["name"])
def test_the_gate_writes_the_examples(descriptor: int, vector: dict[str, Any]) -> None:
    report = Report(descriptor)
    for method, *arguments in vector["recorded"]:
        getattr(report, method)(*arguments)
    for name, value in vector["counts"].items():
        setattr(report.counts, name, value)
    report.record_end(*vector["ending"])
    assert lines(descriptor) == vector["lines"]
    assert list(map(list, lines(descriptor))) == list(map(list, vector["lines"])), "the order, too"


def test_every_event_has_an_example() -> None:
    written = {line["event"] for vector in VECTORS for line in vector["lines"]} - {"weather"}
    assert written == {"open", "begin", "progress", "refused", "commit", "end"}


def test_a_hostile_client_fills_no_report(descriptor: int) -> None:
    report = Report(descriptor)
    for number in range(500):
        report.record_refusal("append", f"{number}" * 100, "x" * 1000)
    report.record_end("protocol", "y" * 1000)
    *refusals, end = lines(descriptor)
    assert len(refusals) == 100 and end["refused"] == 500
    assert max(len(line["call"]) for line in refusals) == 64
    assert {len(line["detail"]) for line in (*refusals, end)} == {300}
    assert b"\n" not in json.dumps(refusals[0]).encode()


def test_progress_comes_while_bytes_move_or_a_call_is_long(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_TICK", 0.01)
    report, ticks = Report(descriptor), []
    report.start(lambda: ticks.append(1))

    def wait_for_ticks(count: int) -> None:
        until = time.monotonic() + 60
        while len(ticks) < count and time.monotonic() < until:
            time.sleep(0.005)

    wait_for_ticks(3)
    assert lines(descriptor) == [], "nothing moved"
    report.counts.received, report.counts.sent = 5, 6
    wait_for_ticks(len(ticks) + 3)
    assert lines(descriptor) == [{"event": "progress", "received": 5, "sent": 6}]
    report.is_busy = True
    wait_for_ticks(len(ticks) + 3)
    assert len(lines(descriptor)) >= 3, "a long call moves no byte"
    report.record_end(None, "")
    last = lines(descriptor)
    time.sleep(0.05)
    assert lines(descriptor) == last and last[-1]["event"] == "end", "nothing comes after the end"


def test_nobody_left_to_read_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    report = Report(writing)
    report.record_open()
    report.record_end(None, "")
    os.close(writing)
