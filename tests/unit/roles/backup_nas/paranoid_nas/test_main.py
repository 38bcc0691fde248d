# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's commands: what each does, in which order, and that one failure hides no other."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paranoid_nas import main as program
from paranoid_nas.locks import EXPIRED, SNAPSHOTS, alone
from paranoid_nas.policy import Rules
from paranoid_nas.storage import NasError

CONFIG = {"schema": 1, "dataset": "tank/backup", "hold_days": 14, "copies": []}


class Nas:
    """What the commands call; ``done`` is what was done, ``wrong`` what fails of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[Any] = []
        self.wrong: tuple[str, ...] = ()
        self.path = folder / "nas.json"
        self.path.write_text(json.dumps(CONFIG))
        monkeypatch.setattr(program, "storage_of", lambda _config: self)
        monkeypatch.setattr(
            program, "take", lambda _nas, root, reason, _now, rules, _say: self.do("take", root, reason, rules)
        )
        monkeypatch.setattr(
            program, "release_expired", lambda _nas, root, _now, rules, _say: self.do("let go", root, rules)
        )
        monkeypatch.setattr(program, "note", lambda path, _change: self.do("note", path))
        monkeypatch.setattr(program, "copy_all", lambda _config, path, _say, **how: self.do("copy", path, how))
        monkeypatch.setattr(
            program, "expose", lambda _nas, root, client, name: self.do("expose", root, client, name) or "/srv"
        )
        monkeypatch.setattr(program, "look", lambda _config, _seen, _now: {"problems": list(self.wrong)})

    def do(self, what: str, *words: Any) -> list[str]:
        self.done.append((what, *words))
        if what in self.wrong:
            raise NasError(f"{what} failed")
        return []

    def hide(self, root: str, client: str) -> None:
        self.do("hide", root, client)

    def run(self, *words: str) -> int:
        self.done.clear()
        return program.main(["--config", str(self.path), *words])


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nas]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setenv("PATH", "/nowhere")
    yield Nas(tmp_path, monkeypatch)
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_what_each_command_does(nas: Nas) -> None:
    path, root, rules = str(nas.path), "tank/backup", Rules(14)
    daily = [("take", root, "daily", rules), ("let go", root, rules)]
    for words, done in (
        (["snapshot"], daily),
        (["snapshot", "--reason", "maintenance"], [("take", root, "maintenance", rules)]),
        (["daily"], [*daily, ("note", path), ("copy", path, {"is_daily": True})]),
        (["copy"], [("copy", path, {})]),
        (["expose", "web1", "paranoid-x"], [("expose", root, "web1", "paranoid-x")]),
        (["conceal", "web1"], [("hide", root, "web1")]),
        (["status"], []),
    ):
        assert (nas.run(*words), nas.done) == (0, done), words


def test_one_failure_of_a_day_hides_no_other(nas: Nas, capsys: pytest.CaptureFixture[str]) -> None:
    nas.wrong = ("take", "note")
    assert nas.run("daily") == 1 and [one[0] for one in nas.done] == ["take", "note", "copy"]
    assert capsys.readouterr().err == "take failed\nnote failed\n"
    nas.wrong = ("let go",)
    assert nas.run("daily") == 1 and [one[0] for one in nas.done] == ["take", "let go", "note", "copy"]
    nas.wrong = ("copy",)
    assert nas.run("copy") == 1 and capsys.readouterr().err == "let go failed\ncopy failed\n"
    nas.wrong = ("a pool is full",)
    assert nas.run("status") == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {"problems": ["a pool is full"]} and told.err == "a pool is full\n"


def test_what_another_run_lets_go_is_left_to_it_and_what_it_takes_is_waited_for(
    nas: Nas, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(str(nas.path), EXPIRED):
        assert nas.run("snapshot") == 0 and [one[0] for one in nas.done] == ["take"]
    monkeypatch.setattr(program, "_WAIT", 0.0)
    for words in (["snapshot"], ["expose", "web1", "x"], ["conceal", "web1"]):
        with alone(str(nas.path), SNAPSHOTS):
            assert nas.run(*words) == 1 and nas.done == []
        assert capsys.readouterr().err == "another run is at work on snapshots: let it finish\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is of another version"),
        ('{"schema": 2}', "of another version"),
    ],
)
def test_a_configuration_that_is_none_is_told_in_one_line(
    nas: Nas, text: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nas.path.unlink()
    if text is not None:
        nas.path.write_text(text)
    assert nas.run("daily") == 1 and nas.done == []
    told = capsys.readouterr().err
    assert said in told and told.endswith("run site.yml for this NAS\n") and told.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["nonsense"], ["snapshot", "--reason", "x"], ["expose", "web1"], ["conceal"]])
def test_wrong_use_is_another_exit_code(nas: Nas, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        nas.run(*words)
    assert ended.value.code == 2 and nas.done == []
