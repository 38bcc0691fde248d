# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions that go well and are unlike those before them, with the counters of real Borg and real gates."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from datetime import timedelta

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import boot_name, utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import load_site
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import waits_for_person
from ansible_collections.paranoid.backup.plugins.modules.accept import accept_client, accept_clock
from session_world import CLIENT, OK, World, came_to

MB = 1_000_000
YEAR = 365 * 86_400


def waits(world: World, ahead: float | None = None) -> str:
    """Return what waits for a person on this world's server."""
    with closing(load_site(str(world.path / "etc"), CLIENT)) as site:
        return waits_for_person(site, site.ledger.history(CLIENT), utc_now(), ahead)


def test_who_reads_the_history_with_the_credential_of_a_backup_is_noticed(world: World) -> None:
    world.grow(80)
    outcome = world.session("backup")
    assert came_to(outcome) == OK and outcome.held and (outcome.held["bytes"] or 0) > 80 * MB
    assert 0 < outcome.gate.read < outcome.gate.sent < MB
    shutil.rmtree(world.own / "borg/.cache")
    outcome = world.session("backup")
    assert came_to(outcome) == OK and outcome.gate.read < MB, "a lost cache costs the lists of files alone"
    assert outcome.unusual and (outcome.unusual["anomaly"], outcome.unusual["since"]) == (False, "")
    assert waits(world) == ""

    (world.own / "thief").touch()
    outcome = world.session("backup")
    assert came_to(outcome) == OK, "a backup it is, and it is none the worse"
    assert outcome.gate.sent > outcome.gate.read > 80 * MB
    assert outcome.unusual and outcome.unusual["anomaly"]
    assert [one["name"] for one in outcome.unusual["signals"]] == ["read"]
    assert "read back 80" in waits(world) and "accept.yml" in waits(world)

    (world.own / "thief").unlink()
    outcome = world.session("backup")
    assert outcome.unusual and not outcome.unusual["anomaly"]
    assert (outcome.unusual["normal"], outcome.unusual["needed"], bool(outcome.unusual["since"])) == (1, 5, True)
    with closing(load_site(str(world.path / "etc"), CLIENT)) as site:
        assert accept_client(site, "a test", "alice", check=True)["noticed"]
        assert accept_client(site, "a test", "alice", check=False)["sessions"]
        assert accept_client(site, "a test", "alice", check=False)["noticed"] == ""
    assert waits(world) == ""


def test_a_controller_that_says_another_year_keeps_everything_as_it_is(world: World) -> None:
    assert came_to(world.session("info", asked_at=time.time() - YEAR, asked_on=boot_name())) == OK
    assert waits(world) == "", "the same machine is no witness"
    outcome = world.session("info", asked_at=time.time() - YEAR, asked_on="another machine")
    assert came_to(outcome) == OK and outcome.clock
    assert outcome.clock["doubt"] == "it is 365.0 days ahead of the controller's or the watch's"
    assert "the server's clock cannot be believed" in waits(world) and "backup_accept=clock" in waits(world)
    assert waits(world, ahead=5.0) == ""
    assert "it was set while the machine ran" in doubt_in(world, timedelta(days=400))
    with closing(load_site(str(world.path / "etc"), CLIENT)) as site:
        assert accept_clock(site, "a test", "alice", check=False)["noticed"]
    assert waits(world) == ""


def doubt_in(world: World, time_on: timedelta) -> str:
    """Return what waits when the clock shows so much later, and only the kernel's count tells."""
    world.session("info", asked_at=time.time(), asked_on="another machine")
    with closing(load_site(str(world.path / "etc"), CLIENT)) as site:
        found = waits_for_person(site, site.ledger.history(CLIENT), utc_now() + time_on)
    world.session("info", asked_at=time.time() - YEAR, asked_on="another machine")
    return found
