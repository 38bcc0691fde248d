# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a run is asked to end, how long it is waited for, and what it is started with; no playbook is started."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible_runner
import pytest
from paranoid_runner import playing
from paranoid_runner.config import Config, load_config
from paranoid_runner.judgement import Ended
from paranoid_runner.playing import END_SECONDS, Play, Stop, perform
from runner_files import write_config

PLAY = Play("r-1", "p.yml", ["--limit", "@/a b"], {"PARANOID_BACKUP_SCHEDULED": "/s"})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(write_config(tmp_path, hours=2, notify="/etc/notify.yml"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a clock that stands still; ``asked`` are the signals that children got."""
    made = SimpleNamespace(now=1000.0, asked=[])
    monkeypatch.setattr(playing, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(playing, "signal_children", made.asked.append)
    return made


def test_a_run_has_its_time_is_asked_once_and_then_waited_for(clock: SimpleNamespace) -> None:
    stop, looks = Stop(7200), []
    for passed, asked, is_over in [
        (7200, 0, False),
        (7201, 1, False),
        (7201 + END_SECONDS, 1, False),
        (7202 + END_SECONDS, 1, True),
    ]:
        clock.now = 1000 + passed
        assert stop.is_over(lambda: looks.append(1)) is is_over
        assert clock.asked == [signal.SIGTERM] * asked
    assert stop.reason == "it took longer than 2 h (backup_runner_hours)" and not stop.by_signal and len(looks) == 4


def test_a_signal_to_the_runner_ends_the_run_and_is_the_reason_that_stays(clock: SimpleNamespace) -> None:
    stop = Stop(7200)
    assert not stop.is_over(lambda: None) and clock.asked == []
    stop.on_signal(signal.SIGTERM, None)
    stop.on_signal(signal.SIGINT, None)
    clock.now += 7201
    assert not stop.is_over(lambda: None) and clock.asked == [signal.SIGTERM]
    assert (stop.reason, stop.by_signal) == ("the runner got SIGTERM", True)


def prepare(monkeypatch: pytest.MonkeyPatch, ran: Any) -> list[float]:
    """Return how long what was left of a run was waited for; 0 is when it became the reaper."""
    ended: list[float] = []
    monkeypatch.setattr(ansible_runner, "run", ran)
    monkeypatch.setattr(playing, "become_reaper", lambda: ended.append(0))
    monkeypatch.setattr(playing, "end_children", ended.append)
    return ended


def test_a_run_has_what_the_callback_needs_and_its_output_is_kept(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config.state / "run-left").mkdir()
    given: dict[str, Any] = {}

    def ran(**options: Any) -> SimpleNamespace:
        given.update(options)
        assert not (config.state / "run-left").exists() and Path(options["private_data_dir"]).is_dir()
        output = Path(options["private_data_dir"]) / "artifacts" / "r-1" / "stdout"
        output.parent.mkdir(parents=True)
        output.write_text("said")
        return SimpleNamespace(rc=4)

    ended = prepare(monkeypatch, ran)
    before = signal.getsignal(signal.SIGTERM)
    assert perform(config, PLAY, lambda: None) == Ended(4)
    assert given["cmdline"] == "--limit '@/a b'" and given["playbook"] == "p.yml" and given["ident"] == "r-1"
    told = {"PARANOID_BACKUP_RUN_ID": "r-1", "PARANOID_REPORT_DIR": str(config.reports)}
    told |= {"PARANOID_BACKUP_SPOOL": str(config.state / "spool"), "PARANOID_REPORT_NOTIFY_FILE": "/etc/notify.yml"}
    told |= {"PARANOID_BACKUP_SCHEDULED": "/s", "ANSIBLE_CONFIG": str(config.project / "ansible.cfg")}
    assert told.items() <= given["envvars"].items()
    assert given["envvars"]["PATH"].split(":")[0] == str(config.programs)
    log = config.state / "logs" / "r-1.log"
    assert log.read_text() == "said" and log.stat().st_mode & 0o777 == 0o600
    assert not Path(given["private_data_dir"]).exists() and ended == [0, playing.LEFT_SECONDS]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("outcome", "found"),
    [
        (SimpleNamespace(rc=0), Ended(0)),
        (SimpleNamespace(rc=None), Ended(None)),
        (OSError(28, "full"), Ended(None, "the runner cannot start it: [Errno 28] full")),
        (ansible_runner.ConfigurationError("no"), Ended(None, "the runner cannot start it: no")),
    ],
)
def test_a_run_that_could_not_begin_has_no_code(
    config: Config, monkeypatch: pytest.MonkeyPatch, outcome: Any, found: Ended
) -> None:
    def ran(**_options: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    ended = prepare(monkeypatch, ran)
    assert perform(config, PLAY, lambda: None) == found
    assert ended == [0, playing.LEFT_SECONDS], "what is left of it is ended in any case"


def test_a_run_whose_runner_got_a_signal_is_the_last(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(**_options: Any) -> SimpleNamespace:
        signal.raise_signal(signal.SIGTERM)
        return SimpleNamespace(rc=1)

    prepare(monkeypatch, ran)
    assert perform(config, PLAY, lambda: None) == Ended(1, "the runner got SIGTERM", True)
