# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore by several processes: whatever one of them did not say is no success."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from paranoid_restore import working
from paranoid_restore.errors import RestoreError

PROGRESS: Any = SimpleNamespace(show=lambda: None)


def write(monkeypatch: pytest.MonkeyPatch, *answers: tuple[list[tuple[str, str]], str] | None) -> list[tuple[str, str]]:
    """Have as many processes as there are answers give them; None is one that is killed before it says anything."""

    def make_worker(_job: Any, number: str, _part: Any, _progress: Any, queue: Any) -> Callable[[], None]:
        def work() -> None:
            answer = answers[int(number) - 1]
            if answer is not None:
                queue.put(answer)
            os._exit(0)

        return work

    monkeypatch.setattr(working, "_worker", make_worker)
    job: Any = None
    return working._write_apart(job, [[] for _one in answers], PROGRESS, lambda: None)


def test_what_each_could_not_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert write(monkeypatch) == []
    errors = write(monkeypatch, ([("a", "no")], ""), ([], ""), ([("b", "no")], ""))
    assert sorted(errors) == [("a", "no"), ("b", "no")]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([None], "a process of the restore was killed"),
        ([([], ""), None], "a process of the restore was killed"),
        ([([], "the tunnel is closed"), ([], "")], "the tunnel is closed"),
        ([([], ""), ([], "the tunnel is closed")], "the tunnel is closed"),
    ],
)
def test_one_that_was_killed_or_lost_its_connection_is_no_success(
    monkeypatch: pytest.MonkeyPatch, answers: list[tuple[list[tuple[str, str]], str] | None], said: str
) -> None:
    with pytest.raises(RestoreError, match=said):
        write(monkeypatch, *answers)
