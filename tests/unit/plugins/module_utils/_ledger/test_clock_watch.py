# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the server's clock is believed: clocks that are set, machines that were off, and witnesses that lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import Moment, boot_name, this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import (
    ClockState,
    believe,
    judge_clock,
    look_at_clock,
    read_state,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ClockEntry,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger

START = datetime(2026, 3, 2, 3, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
YEAR = timedelta(days=365)


@dataclass
class Server:
    """A server whose real time, clock and kernel the test moves; ``off`` is by how much its clock is wrong."""

    ledger: Ledger
    real: datetime = START
    off: timedelta = timedelta(0)
    boot: str = "first boot"
    booted: datetime = START - 30 * DAY
    sessions: int = 0

    @property
    def moment(self) -> Moment:
        """What the server sees now."""
        return Moment(self.real + self.off, self.boot, (self.real - self.booted).total_seconds())

    def passes(self, time: timedelta) -> Server:
        self.real += time
        return self

    def reboot(self, off_for: timedelta, boot: str = "second boot", clock: timedelta = timedelta(0)) -> Server:
        """Start the machine again after some time, with a clock that is then so much wrong."""
        self.real += off_for
        self.boot, self.booted, self.off = boot, self.real - timedelta(minutes=5), clock
        return self

    def doubt(self, controller: timedelta | None = None) -> str:
        """Return why the clock is in doubt now; ``controller`` is by how much that one's clock is wrong."""
        return look_at_clock(self.ledger, self.moment, self._ahead(controller)).doubt

    def session(self, client: str = "web1", told: timedelta = timedelta(0), controller: timedelta | None = None) -> str:
        """Hold a session of a client whose clock is ``told`` wrong; return why the server's clock is in doubt."""
        state = look_at_clock(self.ledger, self.moment, self._ahead(controller))
        self.sessions += 1
        end = (self.real + told).replace(tzinfo=None).isoformat()
        archive = ReportedArchive(f"{self.sessions:064x}", "a", end=end)
        entry = SessionEntry(client, "backup", f"{self.sessions:032x}", "", "ok", commits=1, manifests=1)
        self.ledger.append(SessionEntry(**{**vars(entry), "archive": archive, "clock": state.to_dict()}))
        return state.doubt

    def _ahead(self, controller: timedelta | None) -> float | None:
        return None if controller is None else (self.off - controller).total_seconds()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made: list[Server] = []
    with Ledger.open(str(tmp_path / NAME), lambda: made[0].real + made[0].off) as ledger:
        made.append(Server(ledger))
        assert made[0].session() == ""
        yield made[0]


def test_nights_and_reboots_are_honest(server: Server) -> None:
    for night in range(40):
        server.passes(DAY + HOUR * (night % 7 - 3))
        if night % 10 == 9:
            server.reboot(HOUR, f"boot {night}")
        assert server.session() == "", night


def test_a_server_that_runs_without_sessions_needs_no_witness(server: Server) -> None:
    assert server.passes(200 * DAY).session() == ""
    server.reboot(HOUR)
    assert server.passes(50 * DAY).session() == "", "by the kernel it runs for fifty days"


@pytest.mark.parametrize("off", [YEAR, -YEAR, 2 * DAY, -2 * DAY])
def test_a_clock_that_is_set_while_the_machine_runs(server: Server, off: timedelta) -> None:
    server.passes(DAY).off = off
    assert "was set while the machine ran" in server.session()
    assert server.passes(DAY).session(), "time alone makes it no better"
    server.off = timedelta(0)
    assert server.passes(DAY).session() == "", "it is back"


def test_a_clock_that_is_set_in_small_steps(server: Server) -> None:
    found = []
    for _night in range(4):
        server.off += 20 * HOUR
        found.append(bool(server.passes(DAY).session()))
    assert found == [False, True, True, True]


def test_a_clock_a_year_ahead_at_boot(server: Server) -> None:
    server.reboot(HOUR, clock=YEAR)
    assert "365.0 days passed since the last session" in server.session()
    for _night in range(3):
        assert server.passes(DAY).session()
    server.off = timedelta(0)
    assert server.passes(HOUR).session() == "", "set right, it fits what the kernel counts"


def test_it_is_set_right_after_a_boot_that_nobody_knows_the_length_of(server: Server) -> None:
    assert server.reboot(4 * DAY, clock=YEAR).session()
    server.off = timedelta(0)
    assert server.passes(HOUR).session(), "nobody here can tell"
    assert server.session(controller=HOUR) == ""


def test_a_clock_a_year_back_at_boot(server: Server) -> None:
    assert "365.0 days behind" in server.reboot(HOUR, clock=-YEAR).session()
    assert server.passes(10 * DAY).session(), "it does not become right by itself"
    assert server.passes(YEAR).doubt(), "nor when it comes past where it was"


def test_ten_days_off_the_controllers_clock_is_a_witness(server: Server) -> None:
    server.reboot(10 * DAY)
    assert server.doubt(), "nobody here can tell how long it was"
    assert server.doubt(controller=2 * HOUR) == ""
    assert server.session(controller=2 * HOUR) == ""
    assert server.passes(HOUR).session() == "", "from then on it goes by itself"


@pytest.mark.parametrize("wrong", [YEAR, -YEAR])
def test_the_controllers_clock_decides_against_a_server_that_notices_nothing(server: Server, wrong: timedelta) -> None:
    assert "the controller's" in server.passes(HOUR).session(controller=wrong)
    assert server.passes(HOUR).session(), "without its word again, the doubt stays"
    assert server.session(controller=timedelta(0)) == ""


def test_a_first_session_that_the_controller_contradicts(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "new.sqlite")) as ledger:
        server = Server(ledger, off=YEAR)
        assert server.session(controller=timedelta(0))
        assert server.passes(HOUR).session(), "no reading was ever believed"


def test_ten_days_off_three_clients_are_witnesses(server: Server) -> None:
    server.reboot(10 * DAY)
    found = [bool(server.passes(HOUR / 60).session(f"client{number}", told=9 * HOUR)) for number in range(5)]
    assert found == [True, True, True, False, False]


def test_one_client_that_lies_unblocks_nothing(server: Server) -> None:
    server.reboot(HOUR, clock=YEAR)
    for _night in range(10):
        assert server.passes(DAY).session("liar", told=YEAR)
    for number in range(4):
        assert server.session(f"client{number}"), "those that are honest say that it is wrong"


def test_one_client_that_lies_blocks_nothing(server: Server) -> None:
    for _night in range(3):
        assert server.passes(DAY).session("liar", told=-YEAR) == ""
    server.reboot(10 * DAY)
    for _again in range(5):
        server.session("liar", told=-YEAR)
    for number in range(3):
        server.session(f"client{number}")
    assert server.doubt() == "", "outvoted"


def test_as_many_that_lie_as_are_honest_unblock_nothing(server: Server) -> None:
    server.reboot(HOUR, clock=YEAR)
    for number in range(3):
        server.session(f"honest{number}")
    for number in range(4):
        assert server.session(f"liar{number}", told=YEAR)


def test_what_is_no_time_is_nobodys_word(server: Server) -> None:
    server.reboot(10 * DAY)
    for number in range(5):
        state = look_at_clock(server.ledger, server.moment)
        archive = ReportedArchive(f"{number:064x}", "a", end="yesterday")
        entry = SessionEntry(f"client{number}", "backup", "1" * 32, "", "ok", commits=1, manifests=1, archive=archive)
        server.ledger.append(SessionEntry(**{**vars(entry), "clock": state.to_dict()}))
    assert server.doubt()


def test_a_person_says_that_it_is_right(server: Server) -> None:
    server.reboot(10 * DAY)
    assert server.session()
    server.ledger.append(ClockEntry("web1", "it was off", "alice", believe(server.moment).to_dict()))
    assert server.doubt() == "" and server.passes(DAY).session() == ""
    server.off = YEAR
    assert server.session(), "once"


def test_where_boots_have_no_names_the_kernels_count_still_tells(server: Server) -> None:
    server.boot = ""
    server.session()
    assert server.passes(9 * DAY).session() == ""
    server.off = YEAR
    assert server.session()
    server.off = timedelta(0)
    assert server.session() == ""
    assert server.reboot(9 * DAY, boot="").session()


def test_a_session_that_began_before_others_were_held_turns_nothing_back(server: Server) -> None:
    early = server.moment
    server.passes(23 * HOUR).session()
    newest = read_state(_last(server)).trusted
    assert newest is not None
    assert judge_clock(ClockState(newest), early) == ClockState(newest)


def test_ledgers_of_earlier_releases_are_where_it_begins(server: Server) -> None:
    server.passes(YEAR).reboot(YEAR)
    server.ledger.append(SessionEntry("web1", "backup", "1" * 32, "", "ok"))
    assert server.doubt() == "" and read_state(None) == ClockState()


def test_a_reading_is_plain_json() -> None:
    for state in (believe(this_moment()), ClockState(None, "a doubt", True)):
        assert read_state(json.loads(json.dumps(state.to_dict()))) == state
    assert boot_name() and this_moment().uptime > 0


def _last(server: Server) -> dict[str, object] | None:
    row = server.ledger.last_clock()
    assert row and isinstance(row.entry, SessionEntry)
    return row.entry.clock
