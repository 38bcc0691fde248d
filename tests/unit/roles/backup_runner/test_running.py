# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one wake-up of the runner does and tells, with invented runs; real ones are in integration/runner."""

from __future__ import annotations

import argparse
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from paranoid_runner import running
from paranoid_runner.config import Config, load_config
from paranoid_runner.errors import UsageError
from paranoid_runner.following import CURRENT
from paranoid_runner.judgement import Ended
from paranoid_runner.locking import LOCK, hold_lock, is_busy
from paranoid_runner.pasts import gather_pasts, note_digest, note_run
from paranoid_runner.plan import plan
from paranoid_runner.running import BAD, GOOD, Job, make_jobs, run_due, run_now, work
from paranoid_runner.schedule.turns import Past
from paranoid_runner.telling import Notice
from runner_files import write_config, write_record

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(minutes=1)
DONE = "2026-11-26T12:00:00Z"


@dataclass
class Play:
    """What a playbook would be started with."""

    run_id: str
    playbook: str
    words: list[str]
    environment: dict[str, str]
    limit: list[str] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)


@dataclass
class World:
    """A runner whose runs end as they are told to, and what it did and told."""

    place: Path
    config: Config
    moment: datetime = NOON
    end: Callable[[Play], Ended] = lambda _play: Ended(0)
    plays: list[Play] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    digests: list[timedelta] = field(default_factory=list)
    trouble: str = ""  # what telling comes to

    def perform(self, config: Config, play: Play, _look: Callable[[], None]) -> Ended:
        limit, scheduled = config.state / "limit", play.environment.get("PARANOID_BACKUP_SCHEDULED")
        play.limit = limit.read_text().split() if play.words == ["--limit", f"@{limit}"] else []
        play.scheduled = Path(scheduled).read_text().split() if scheduled else []
        self.plays.append(play)
        return self.end(play)

    def tell(self, _config: Config, notice: Notice) -> str:
        self.told.append(notice)
        return self.trouble

    def send_digest(self, _config: Config, about: timedelta, _clients: Mapping[str, bool]) -> str:
        self.digests.append(about)
        return self.trouble

    def set_back(self, **days: float) -> None:
        """Have these clients had a success so many days ago, which they would have been told of."""
        for name, age in days.items():
            finished = f"{NOON - timedelta(days=age):%Y-%m-%dT%H:%M:%SZ}"
            clients = [{"name": name, "work": "backup", "state": "ok", "session": None}]
            write_record(self.place, f"past-{name}", "ok", finished, clients=clients)

    def leave_record(self, *states: str, **changes: Any) -> Callable[[Play], Ended]:
        """Return how a run ends that leaves a record with the states of a, b, …."""

        def end(play: Play) -> Ended:
            clients = [
                {"name": name, "work": Path(play.playbook).name, "state": state, "session": None}
                for name, state in zip("abcdef", states, strict=False)
            ]
            write_record(self.place, play.run_id, "", changes.pop("finished", DONE), clients=clients, **changes)
            return Ended(0 if changes.get("status", "SUCCESS") == "SUCCESS" else 2)

        return end


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


def make_world(place: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> World:
    books = {verb: f"/p/{verb}" for verb in ("backup", "maintain", "compact", "audit", "drill")}
    made = World(place, load_config(write_config(place, playbooks=books, **{"upkeep": {}, **changes})))
    monkeypatch.setattr(running, "_load_player", lambda: (made.perform, Play))
    monkeypatch.setattr(running, "tell", made.tell)
    monkeypatch.setattr(running, "send_spooled", lambda _config: "")
    monkeypatch.setattr(running, "send_digest", made.send_digest)
    monkeypatch.setattr(running, "now", lambda: made.moment)
    return made


def test_only_who_is_due_is_in_the_run_and_the_others_are_not_called_left_out(world: World) -> None:
    world.set_back(a=0.5, b=2)
    world.end = world.leave_record("skipped", "ok")
    assert run_due(world.config) == GOOD
    (play,) = world.plays
    assert (play.playbook, play.limit, play.scheduled) == ("/p/backup", ["b"], ["b", "a"])
    assert world.told == [] and not (world.config.state / "current.json").exists()
    assert run_due(world.config) == GOOD and len(world.plays) == 1, "nobody is due any more"


def test_a_runner_whose_libraries_are_gone_says_so_and_not_that_it_was_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of the system, when the virtual environment has another Python."""

    def load() -> Any:
        raise UsageError("gone: run the role")

    monkeypatch.setattr(running, "_load_player", load)
    assert [run_due(world.config) for _wake_up in range(2)] == [BAD, GOOD], "the next try has its pause"
    (notice,) = world.told
    assert notice.line.endswith(": the runner cannot start it: gone: run the role")
    assert not (world.config.state / CURRENT).exists()


def test_who_only_looks_keeps_nobody_from_beginning_and_is_no_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookers = [os.open(world.config.state / LOCK, os.O_RDWR | os.O_CREAT)]
    fcntl.flock(lookers[0], fcntl.LOCK_SH)
    assert not is_busy(world.config)
    monkeypatch.setattr(time, "sleep", lambda seconds: os.close(lookers.pop()) if seconds else None)
    with hold_lock(world.config) as is_free:
        assert is_free and is_busy(world.config)


def test_while_a_run_is_at_work_its_mark_names_it(world: World) -> None:
    def end(play: Play) -> Ended:
        mark = json.loads((world.config.state / "current.json").read_bytes())
        assert mark == {"run_id": play.run_id, "verb": "backup", "chosen": ["a", "b"]}
        with hold_lock(world.config) as is_free:
            assert not is_free
        assert run_due(world.config) == GOOD, "another wake-up leaves it alone"
        with pytest.raises(UsageError, match="a run is at work already"):
            run_now(world.config, Job("backup"))
        return Ended(0)

    world.end = end
    run_due(world.config)
    assert len(world.plays) == 1


@pytest.mark.parametrize(
    ("states", "changes", "code", "said"),
    [
        (("ok", "ok"), {}, GOOD, ""),
        (("ok", "failed"), {"status": "FAILURE"}, BAD, ""),  # its own mail has told it
        (("ok", "ok"), {"mail": {"state": "failed", "error": "refused"}}, BAD, "was not delivered: refused"),
        (("ok", "running"), {"finished": ""}, BAD, "it died: ansible-playbook ended with exit code 0; 1 of 2 clients"),
        ((), None, BAD, "it left no record"),
    ],
)
def test_what_nobody_has_heard_of_is_told_and_whoever_came_to_no_end_has_failed(
    world: World, states: tuple[str, ...], changes: dict[str, Any] | None, code: int, said: str
) -> None:
    if changes is not None:
        world.end = world.leave_record(*states, **changes)
    assert run_due(world.config) == code
    assert [notice.run_id for notice in world.told] == [world.plays[0].run_id] * bool(said)
    assert all(said in notice.line and notice.line.startswith("backup run ") for notice in world.told)
    pasts, ended = gather_pasts(world.config), dict(zip("ab", (*states, "", "")[:2], strict=True))
    for name, state in ended.items():
        good = pasts["backup", name].succeeded is not None
        assert good is (state == "ok"), "a run that dies must not be started again and again"
        assert len(pasts["backup", name].failed) == (0 if good else 1)


def test_a_runner_that_is_asked_to_end_starts_nothing_more(world: World) -> None:
    world.end = lambda _play: Ended(None, "the runner got SIGTERM", True)
    world.config = load_config(write_config(world.place, upkeep={"audit": {}}, page="/p/page"))
    assert run_due(world.config) == BAD and run_now(world.config, Job("audit")) == BAD
    assert len(world.plays) == 2 and "the runner got SIGTERM" in world.told[0].line


def test_the_worst_of_several_runs_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path, monkeypatch, upkeep={"maintain": {"every": "1w"}, "audit": {"every": "1w"}})
    good, bad = world.leave_record("ok", "ok"), world.leave_record("failed", "ok", status="FAILURE")
    world.end = lambda play: bad(play) if play.playbook == "/p/maintain" else good(play)
    assert run_due(world.config) == BAD
    assert sorted(play.playbook for play in world.plays) == ["/p/audit", "/p/backup", "/p/maintain"]
    assert [play.words for play in world.plays if play.playbook != "/p/backup"] == [[], []], "upkeep is for all"


@pytest.mark.parametrize(
    ("mark", "clients", "said"),
    [
        ('{"run_id": "r-1", "verb": "backup", "chosen": ["b"]}', ["b"], "backup run r-1: it left no record"),
        ("{", ["a", "b"], "it left no record"),
        ('{"run_id": "r-1"}', ["a", "b"], "it left no record"),
    ],
)
def test_a_run_whose_runner_was_killed_is_told_by_the_next(
    world: World, mark: str, clients: list[str], said: str
) -> None:
    world.set_back(a=0.1, b=0.1)
    gather_pasts(world.config, remember=True)
    (world.config.state / "current.json").write_text(mark)
    assert run_due(world.config) == BAD
    (notice,) = world.told
    assert said in notice.line and "the runner itself was killed, or the machine went down" in notice.line
    assert [name for name in "ab" if gather_pasts(world.config)["backup", name].failed] == clients
    assert not (world.config.state / "current.json").exists() and world.plays == []
    assert run_due(world.config) == GOOD and len(world.told) == 1


def test_mail_that_cannot_be_sent_is_an_exit_code_every_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.set_back(a=0.1, b=0.1)
    monkeypatch.setattr(running, "send_spooled", lambda _config: "a mail waits in the spool")
    assert run_due(world.config) == run_due(world.config) == BAD and world.plays == []
    assert (world.config.state / "pasts.json").exists(), "each record is read once, for there may be thousands"


@pytest.mark.parametrize(("last", "about"), [(None, 7), (8, 8), (7.5, 7.5), (6.5, None)])
def test_a_digest_is_about_all_since_the_last_and_one_that_failed_is_due_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: float | None, about: float | None
) -> None:
    world = make_world(tmp_path, monkeypatch, digest={"every": "1w"}, clients={})
    if last is not None:
        note_digest(world.config, NOON - timedelta(days=last))
    world.trouble = "the digest waits for the next wake-up"
    assert run_due(world.config) == (GOOD if about is None else BAD)
    world.trouble = ""
    assert run_due(world.config) == run_due(world.config) == GOOD, "it goes out, and is due no more"
    assert world.digests == [timedelta(days=about)] * 2 if about else world.digests == []


def test_a_run_is_told_since_when_the_next_digest_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path, monkeypatch, digest={"every": "1w"})
    note_digest(world.config, BEFORE)
    run_due(world.config)
    assert world.plays[0].environment["PARANOID_BACKUP_DIGEST"] == BEFORE.isoformat()


def test_pages_are_made_after_runs_and_what_is_wrong_with_them_is_told_once_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path, monkeypatch, page="/p/page")
    good = world.leave_record("ok", "ok")
    world.end = lambda play: Ended(2) if play.playbook == "/p/page" else good(play)
    assert run_due(world.config) == BAD
    assert [play.playbook for play in world.plays] == ["/p/backup", "/p/page"]
    assert [notice.line for notice in world.told] == [
        "the page is not new any more: ansible-playbook ended with exit code 2"
    ]
    assert run_due(world.config) == GOOD and len(world.plays) == 2, "nothing was done, and it is not old"
    assert running.page_now(world.config, ["a"]) == BAD and len(world.told) == 1
    assert json.loads(world.plays[-1].words[1]) == {"backup_page_clients": ["a"]}
    set_age(world.config.state / "page-trouble", 24.1)
    assert running.page_now(world.config, []) == BAD and len(world.told) == 2
    world.end = lambda _play: Ended(0)
    assert running.page_now(world.config, []) == GOOD and not (world.config.state / "page-trouble").exists()
    set_age(world.config.state / "page", 6.1)
    assert run_due(world.config) == GOOD and world.plays[-1].playbook == "/p/page"


def set_age(path: Path, hours: float) -> None:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))


def test_a_runner_that_cannot_write_tells_it_once_a_day_and_fails_each_time(world: World) -> None:
    def fail() -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/state/x")

    assert work(world.config, fail) == work(world.config, fail) == BAD
    assert [one.line for one in world.told] == ["the runner cannot work: No space left on device: /state/x"]
    set_age(world.config.state / "trouble", 24.1)
    assert work(world.config, fail) == BAD and len(world.told) == 2
    assert work(world.config, lambda: GOOD) == GOOD and work(world.config, fail) == BAD and len(world.told) == 3


def test_a_drill_names_its_clients_in_any_case_and_is_not_due_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(
        tmp_path,
        monkeypatch,
        clients={"a": {"blackout": ["2020-01-01..2099-12-31"]}},
        upkeep={"drill": {"every": "1w"}},
    )
    world.end = world.leave_record("ok")
    assert run_due(world.config) == GOOD and run_due(world.config) == GOOD
    assert run_now(world.config, Job("drill", ["a"])) == GOOD
    assert [(play.playbook, play.limit) for play in world.plays] == [("/p/drill", ["a"])] * 2


def test_one_run_for_all_who_are_due_and_one_for_each_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upkeep = {verb: {"every": "1w"} for verb in ("maintain", "compact", "audit")}
    world = make_world(tmp_path, monkeypatch, upkeep=upkeep, digest={"every": "1w"})
    due = plan(world.config, {}, NOON)
    backup, *others = make_jobs(due)
    assert backup == Job("backup", ["a", "b"])
    assert sorted(others, key=lambda job: job.verb) == [Job("audit"), Job("compact"), Job("maintain")]
    assert make_jobs([]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"clients": ["a", "c"]}, "c is not among the clients"),
        ({"clients": ["a"], "due": True}, "--due and names cannot both be meant"),
    ],
)
def test_what_cannot_be_meant_starts_nothing(world: World, words: dict[str, Any], said: str) -> None:
    given = {"config": world.place / "runner.json", "verb": "backup", "due": False, **words}
    with pytest.raises(UsageError, match=said):
        running.start(argparse.Namespace(**given))
    assert world.plays == []


def test_a_person_may_start_it_before_its_turn_for_some_or_for_all(world: World) -> None:
    world.set_back(a=0.1, b=0.1)
    world.end = world.leave_record("ok")
    for clients in (["a"], []):
        given = {"config": world.place / "runner.json", "verb": "backup", "due": False, "clients": clients}
        running.start(argparse.Namespace(**given))
    assert [play.limit for play in world.plays] == [["a"], []]


def test_what_a_dead_run_was_to_do_for_all_has_failed_for_all(world: World) -> None:
    note_run(world.config, "r-0", [], BEFORE)
    run_now(world.config, Job("audit"))
    assert gather_pasts(world.config)["audit", ""] == Past(None, (NOON,))
    run_now(world.config, Job("backup"))
    assert {key for key, past in gather_pasts(world.config).items() if past.failed} > {("backup", "a"), ("backup", "b")}


def test_after_a_run_that_died_a_good_one_is_no_success_and_the_next_one_is(world: World) -> None:
    world.end = world.leave_record("ok")
    mark = {"run_id": "20261125T110000Z-00000000", "verb": "backup", "chosen": ["a"]}
    (world.config.state / CURRENT).write_text(json.dumps(mark))
    assert [run_now(world.config, Job("backup", ["a"])) for _again in range(2)] == [BAD, GOOD]
