# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a watch signs the head that it was told, and what it hands in."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paranoid_runner.watch.chain import Head
from paranoid_runner.watch.document import Told
from paranoid_runner.watch.witness import NotSigned, is_wanted, sign

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seq", "witness", "wanted"),
    [
        (7, None, True),
        (7, (6, NOW), True),
        (7, (7, NOW - timedelta(hours=19)), False),
        (7, (7, NOW - timedelta(hours=21)), True),
        (7, (7, NOW + timedelta(hours=21)), True),  # the server's clock was ahead
        (7, (7, None), True),
        (7, (8, NOW), True),
        (1, None, True),
        (0, None, False),  # there is nothing to sign
    ],
)
def test_a_head_is_signed_when_it_is_new_or_its_signature_grows_old(
    seq: int, witness: tuple[int, datetime | None] | None, wanted: bool
) -> None:
    kept = {"other": (seq, NOW)} | ({"tower": witness} if witness else {})
    told = cast(Told, SimpleNamespace(head=Head(seq, "a" * 64), witnesses=kept))
    assert is_wanted(told, "tower", NOW) is wanted


def test_what_is_handed_in_is_what_was_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: list[Any] = [
        SimpleNamespace(returncode=0, stdout=b"signature"),
        SimpleNamespace(returncode=255, stdout=b""),
    ]
    outcomes += [FileNotFoundError(), subprocess.TimeoutExpired("x", 30)]

    def run(argv: list[str], **options: Any) -> Any:
        assert argv[-4:] == ["-f", "/key", "-n", "paranoid-backup-witness"] and options["input"] == b"message"
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(subprocess, "run", run)
    assert json.loads(sign(Path("/key"), "message")) == {"schema": 1, "message": "message", "signature": "signature"}
    while outcomes:
        with pytest.raises(NotSigned, match="ssh-keygen"):
            sign(Path("/key"), "message")
