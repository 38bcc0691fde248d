# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run is shown while it goes on: what is estimated, and that no name harms a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from paranoid_runner.documents import describe_history, describe_report, describe_status, describe_turns, to_json
from paranoid_runner.following import read_notes
from paranoid_runner.lines import Lines
from paranoid_runner.pasts import add_record, find_usual
from paranoid_runner.plan import Planned
from paranoid_runner.records import Record, Result
from paranoid_runner.schedule.turns import Past, Turn
from paranoid_runner.screen import Screen, draw, draw_end
from paranoid_runner.standing import Standing, find_rates, find_standing
from paranoid_runner.wording import format_bytes, format_clock, format_seconds, summarize
from report_samples import HOSTILE
from rich.console import Console
from schemas import check_document

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def running(name: str, seconds: float = 60) -> Result:
    return Result(name, "backup", "running", began=NOON - timedelta(seconds=seconds))


def record(*results: Result, **changes: Any) -> Record:
    whole = Record(
        "20261126T110000Z-00000000", "RUNNING", False, NOON - timedelta(hours=1), None, "pending", "", results
    )
    return replace(whole, **changes)


def usual(**seconds: float) -> dict[tuple[str, str], float]:
    return {("backup", name): value for name, value in seconds.items()}


def stand(
    *results: Result, known: Mapping[tuple[str, str], float], received: Mapping[str, int] | None = None
) -> Standing:
    return find_standing(record(*results), received or {}, known, NOON)


WAITING = tuple(Result(name, "backup", "planned") for name in "xyz")


@pytest.mark.parametrize(
    ("results", "known", "left"),
    [
        ((running("a"),), usual(a=100), 40),
        ((running("a"),), usual(a=30), 0),
        ((running("a"), running("b")), usual(a=100, b=400), 340),
        ((running("a", 0), *WAITING), usual(a=100, x=100, y=100, z=100), 400),
        ((running("a", 0), running("b", 0), *WAITING), usual(a=100, b=100, x=100, y=100, z=100), 250),
        ((running("a", 0), WAITING[0]), usual(a=100), 200),
        ((running("a"), *WAITING), usual(a=100), None),
        ((running("a"),), {}, None),
        (WAITING, usual(x=1, y=1, z=1), None),
        ((Result("a", "backup", "running"),), usual(a=100), 100),
    ],
)
def test_the_time_left_follows_from_what_is_usual(
    results: tuple[Result, ...], known: Mapping[tuple[str, str], float], left: float | None
) -> None:
    assert stand(*results, known=known).left == left


def test_what_is_usual_is_the_median_of_the_last_good_ones() -> None:
    pasts: dict[tuple[str, str], Past] = {}
    for seconds, state in ((900, "ok"), (10, "ok"), (20, "ok"), (7, "failed"), (30, "ok"), (40, "ok"), (50, "ok")):
        one = Result("a", "backup", state, seconds=seconds)
        pasts = add_record(pasts, record(one, finished=NOON), ["a", "b"])
    assert find_usual(pasts) == usual(a=30)
    assert pasts["backup", "a"].took == (10, 20, 30, 40, 50)


def test_rates_are_of_those_that_were_seen_twice() -> None:
    before = stand(running("a"), running("b"), known={}, received={"a": 1000, "b": 5000})
    later = replace(
        stand(running("a"), running("c"), known={}, received={"a": 3000, "c": 9}), at=NOON + timedelta(seconds=4)
    )
    assert find_rates(before, later) == {"a": 500}
    assert find_rates(None, later) == find_rates(later, later) == {}
    again = replace(stand(running("a"), known={}, received={"a": 10}), at=NOON + timedelta(seconds=8))
    assert find_rates(later, again) == {"a": 0}, "it began anew"


def test_numbers_in_words() -> None:
    sizes = (0, 999, 1000, 1024**2, 1300 * 1024**2, 250 * 1024**3)
    assert list(map(format_bytes, sizes)) == ["0 B", "999 B", "0.98 KiB", "1.00 MiB", "1.27 GiB", "250 GiB"]
    assert list(map(format_clock, (0, 61.9, 3723))) == ["0:00", "1:01", "1:02:03"]
    assert list(map(format_seconds, (0, 89.4, 90, 5399, 7500))) == [
        "0 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 h 5 min",
    ]


def crowd() -> Standing:
    """300 clients, of which some are hostile, many are at work, and many have failed."""
    names = [HOSTILE + "x" * 200, *(f"web{place:03}.acme.example.org" for place in range(299))]
    states = ["running"] * 40 + ["failed"] * 20 + ["ok"] * 100 + ["planned"] * 140
    results = [
        Result(name, "backup", state, HOSTILE * 5 if state == "failed" else "", NOON - timedelta(seconds=place))
        for place, (name, state) in enumerate(zip(reversed(names), states, strict=True))
    ] + [running(HOSTILE)]
    return stand(*results, known=usual(web000=5), received={HOSTILE: 2**31})


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_picture_fits_its_terminal_and_names_do_nothing_to_it(width: int, encoding: str) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=output, width=width, height=24, force_terminal=True, color_system=None, highlight=False)
    standing = crowd()
    console.print(draw(standing, {HOSTILE: 3e7}, console))
    output.flush()
    shown = output.buffer.getvalue().decode(encoding)
    lines = shown.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= width
    assert not set(shown) & set("\x1b\x07\x00\u202e\u200b\r")
    if width == 140:
        for word in (
            "41 at work",
            "140 waiting",
            "100 ok",
            "20 failed",
            "and 34 more",
            "and 15 more",
            "28.6 MiB/s",
            "2.00 GiB",
        ):
            assert word in shown, (word, shown)


def test_what_stays_names_all_that_failed_and_why() -> None:
    console = Console(file=io.StringIO(), width=100, height=50, color_system=None)
    failed = Result("web1", "backup", "unreachable", "start sshd")
    ended = record(
        failed,
        Result("b", "backup", "ok"),
        Result("c", "backup", "planned"),
        finished=NOON,
        status="FAILURE",
        mail="sent",
    )
    console.print(draw_end(ended, console))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "web1" in shown and "start sshd" in shown
    assert "FAILURE, 1 ok, 1 failed, 1 never begun in 60 min; mail sent" in shown


def test_lines_say_each_thing_once() -> None:
    said: list[str] = []
    lines = Lines(said.append)
    lines.show(None)
    first = stand(running("a"), running(HOSTILE), known={})
    lines.show(first)
    lines.show(first)
    done = Result("a", "backup", "ok", seconds=75, received=5000)
    lines.show(stand(done, running(HOSTILE), known={}))
    ended = record(
        done, Result(HOSTILE, "backup", "failed", "no such luck"), finished=NOON, status="FAILURE", mail="sent"
    )
    lines.close(ended)
    lines.close(record(done))
    assert len(said) == 5 and all(line.endswith("\n") and line[:-1].isprintable() for line in said)
    assert said[0] == "a: backup begins\n" and said[2] == "a: backup ok after 75 s, 4.88 KiB\n"
    assert "backup failed: no such luck" in said[3] and said[4] == summarize(ended) + "\n"


def test_a_screen_is_drawn_in_place_and_leaves_the_end() -> None:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
    screen = Screen(console)
    screen.show(None)
    screen.show(stand(running("a"), known={}))
    screen.close(record(finished=NOON, status="SUCCESS", mail="sent"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is there again"
    assert "SUCCESS" in shown.rpartition("\x1b[?25h")[2]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"run_id": "run-1"}', '{"run_id": "run-1", "received": "x"}', "[" * 5000]
)
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "a").write_text(content)
    (tmp_path / "b").write_text('{"run_id": "run-1", "received": 5}')
    (tmp_path / "c").write_text('{"run_id": "run-0", "received": 5}')
    assert read_notes(tmp_path, "run-1", ["a", "b", "c", "d", "../b"]) == {"b": 5, "../b": 5}


def check(name: str, document: Mapping[str, Any]) -> None:
    check_document(name, json.loads(to_json(document)))


def test_documents_are_as_their_schemas_say() -> None:
    ended = record(
        Result("a", "backup", "ok", seconds=1.5, received=7), Result("b", "maintain", "planned"), finished=NOON
    )
    standing = stand(running("a"), Result("c", "backup", "running"), *WAITING, known=usual(a=5), received={"a": 7})
    check(
        "next",
        describe_turns(
            [Planned("backup", "a", Past(NOON), Turn(NOON, "why")), Planned("audit", "", Past(), Turn(None, ""))]
        ),
    )
    check("status", describe_status(True, standing, ended, ["b"]))
    check("status", describe_status(False, None, None, []))
    check("history", describe_history([ended, record()]))
    check("report", describe_report(ended))
    check("report", describe_report(None))
    with pytest.raises(jsonschema.ValidationError):
        check("report", {"run": {}})
