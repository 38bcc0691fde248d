# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits in the spool goes out once to each recipient, and whoever cannot be told keeps nobody else waiting."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from paranoid_runner import deliver, telling
from paranoid_runner.config import Config
from paranoid_runner.telling import MOST_SPOOLED, Answer, Notice, send_digest, send_spooled, tell

MUTE = Answer(False, "no answer within 30 s")
REFUSED = Answer(False, "refused ana", is_refused=True)
NEVER = Answer(True, "refused boss; it was accepted for ops")
LEFT = Answer(True, "refused boss for now", b"a letter for boss")
SENT = Answer(True)


class World:
    """A runner's spool, and what comes of each file of it: a mail system that is asked, in this order."""

    def __init__(self, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.spool = config, config.state / "spool"
        self.answers: Mapping[str, Answer] = {}
        self.asked: list[str] = []
        self.spool.mkdir(parents=True)
        monkeypatch.setattr(telling, "_deliver", self._deliver)

    def _deliver(self, _config: Config, content: bytes, kind: str = "mail") -> Answer:
        self.asked.append(content.decode() if content.startswith(b"r") else kind)
        return self.answers.get(self.asked[-1], SENT)

    def keep(self, *names: str) -> None:
        for name in names:
            (self.spool / name).write_text(name)

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    config = Config.__new__(Config)
    object.__setattr__(config, "state", tmp_path)
    return World(config, monkeypatch)


NAMES = ("r1.ana.letter", "r1.1.notice", "r2.ana.letter", "r2.bo.letter", "r2.1.notice", "r2.2.notice", "r3.eml")


@pytest.mark.parametrize(
    ("answers", "asked", "left"),
    [
        ({}, sorted(NAMES), []),
        # An owner who is refused each night keeps neither the team nor another owner waiting.
        ({"r1.ana.letter": REFUSED}, sorted({*NAMES} - {"r2.ana.letter"}), ["r1.ana.letter", "r2.ana.letter"]),
        # A mail server that says nothing is asked once, and the places beside mail are told.
        (
            {"r1.ana.letter": MUTE},
            ["r1.1.notice", "r1.ana.letter", "r2.1.notice", "r2.2.notice"],
            ["r1.ana.letter", "r2.ana.letter", "r2.bo.letter", "r3.eml"],
        ),
        ({"r1.1.notice": MUTE}, sorted({*NAMES} - {"r2.1.notice"}), ["r1.1.notice", "r2.1.notice"]),
        ({"r3.eml": NEVER}, sorted(NAMES), []),
        ({"r3.eml": LEFT}, sorted(NAMES), ["r3.runner.letter"]),
        ({"r2.bo.letter": LEFT}, sorted(NAMES), ["r2.bo.letter"]),
    ],
)
def test_nobody_keeps_others_waiting(
    world: World, answers: dict[str, Answer], asked: list[str], left: list[str]
) -> None:
    world.keep(*NAMES)
    world.answers = answers
    said = send_spooled(world.config)
    assert (world.asked, world.left) == (asked, left)
    assert bool(said) is bool(answers) and ("is tried again" in said) is bool(left)


def test_what_is_damaged_keeps_nobody_waiting(world: World) -> None:
    """It is the oldest for ever: each wake-up would begin with it, and end there."""
    world.keep(*NAMES)
    world.answers = {"r1.ana.letter": Answer(False, "it is no JSON", is_damaged=True)}
    said = send_spooled(world.config)
    assert (world.asked, world.left) == (sorted(NAMES), ["r1.ana.letter"])
    assert said == (
        f"{world.spool}/r1.ana.letter is damaged (it is no JSON), so nobody gets it: look at it, then remove it"
    )


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("mail", b""),
        ("mail", b"Subject: x\n\n"),
        *((kind, content) for kind in ("letter", "notice") for content in (b"", b"\0" * 9, b"[]", b"{}", b"[" * 99999)),
        ("letter", b'{"recipients": "a", "mail": "b"}'),
    ],
)
def test_what_cannot_be_read_is_damaged_before_anybody_is_asked(
    kind: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert deliver.main([kind]) == deliver.DAMAGED


def test_those_who_have_a_mail_do_not_get_it_again(world: World) -> None:
    world.keep("r1.two.letter", "r2.eml")
    world.answers = {"r1.two.letter": LEFT, "r2.eml": LEFT}
    send_spooled(world.config)
    assert [(world.spool / name).read_bytes() for name in world.left] == [LEFT.left] * 2
    assert world.left == ["r1.two.letter", "r2.runner.letter"]


@pytest.mark.parametrize(
    ("answer", "left"), [(LEFT, ["r1.runner.letter"]), (NEVER, []), (SENT, []), (MUTE, ["r1.eml"])]
)
def test_the_runners_own_mail_is_kept_for_whoever_is_to_have_it_later(
    world: World, answer: Answer, left: list[str]
) -> None:
    world.answers = {"mail": answer}
    said = tell(world.config, Notice("r1", "it died"))
    assert world.left == left and ("is tried again" in said) is bool(left) and bool(said) is bool(answer.problem)


def test_a_digest_is_kept_for_whoever_is_to_have_it_later(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.answers = {"digest": LEFT}
    assert send_digest(world.config, timedelta(days=7), {}) == ""
    (name,) = world.left
    assert name.startswith("digest-") and name.endswith(".runner.letter")
    assert "waits in the spool" in capsys.readouterr().err


def test_of_a_flood_the_newest_for_each_stay_and_a_notice_grows_old(world: World) -> None:
    world.keep(*(f"r{number:03}.ana.letter" for number in range(MOST_SPOOLED + 5)), "r000.bo.letter", "r000.1.notice")
    old = time.time() - telling.NOTICE_SECONDS - 60
    os.utime(world.spool / "r000.1.notice", (old, old))
    world.answers = {"r000.1.notice": MUTE, "r000.bo.letter": REFUSED, "r005.ana.letter": REFUSED}
    send_spooled(world.config)
    assert world.left == ["r000.bo.letter", *(f"r{number:03}.ana.letter" for number in range(5, MOST_SPOOLED + 5))]


def test_what_the_disk_does_not_take_stays_and_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wake-up that ended there would start no backup."""
    world.keep("r1.ana.letter", "r2.bo.letter")
    world.answers = {"r1.ana.letter": LEFT}

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(telling, "write_whole", full)
    assert "No space left on device" in send_spooled(world.config)
    assert world.asked == ["r1.ana.letter", "r2.bo.letter"] and world.left == ["r1.ana.letter"]
