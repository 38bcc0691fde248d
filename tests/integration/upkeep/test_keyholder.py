# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verb maintain while the client is switched off: a keyholder deletes and checks in its stead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper import Keeper
from keyholder import NAME, Keyholder
from session_world import CLIENT, OK, Sshd, came_to
from thinking_client import HONEST_TRIM, think


@pytest.fixture
def keyholder(keeper: Keeper) -> Iterator[Keyholder]:
    """The keeper's client is switched off, and another host is there that may have its key."""
    home = keeper.world.path / NAME
    home.mkdir()
    host = Keyholder(keeper, Sshd(home))
    host.provision()
    keeper.world.sshd.stop()
    yield host
    host.sshd.stop()


def test_exactly_the_named_archives_go_while_the_client_is_off(keeper: Keeper, keyholder: Keyholder) -> None:
    keyholder.give()
    oldest, older, newest = keeper.contents
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    assert (outcome.client, outcome.changed) == (CLIENT, True)
    assert outcome.maintain and outcome.maintain["deleted"] == sorted([oldest, older])
    assert (outcome.maintain["check"], outcome.maintain["missing"], outcome.maintain["unknown"]) == ("ok", [], [])
    assert outcome.audit and outcome.audit["verdict"] == "expected"
    assert set(keeper.listed()) == keeper.known() == {newest}
    assert keeper.restored(newest) == keeper.contents[newest]
    assert len(keeper.entries("trim")) == 1
    assert f"{NAME} (keyholder of {CLIENT}) performs it" in Path(outcome.log).read_text()
    keeper.world.sshd.start()
    keeper.backup(4)


def test_everything_else_still_goes_to_the_client(keeper: Keeper, keyholder: Keyholder) -> None:
    keyholder.give()
    for verb in ("backup", "info", "open"):
        assert keeper.world.session(verb).conclusion.code == "unreachable"


def test_a_missing_passphrase_is_named(keeper: Keeper, keyholder: Keyholder) -> None:
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "client_failed"
    wanted = (
        f"{NAME} (keyholder of {CLIENT}): {keyholder.kept}/passphrase is missing: put the passphrase of {CLIENT} there"
    )
    assert outcome.conclusion.reason.startswith(wanted), outcome.conclusion
    assert set(keeper.listed()) == set(keeper.contents)


def test_a_host_that_is_no_keyholder_does_nothing(keeper: Keeper, keyholder: Keyholder) -> None:
    keyholder.give()
    keyholder.write(keyholder_for=["web2"])
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "no_dispatcher", outcome.conclusion
    assert f"this host is no keyholder of {CLIENT}" in outcome.conclusion.reason
    assert set(keeper.listed()) == set(keeper.contents)


def test_a_keyholder_that_the_server_does_not_know_is_named(keeper: Keeper, keyholder: Keyholder) -> None:
    (keeper.world.path / f"etc/clients/{NAME}.json").unlink()
    outcome = keeper.maintain(check=True)
    assert (
        outcome.conclusion.code == "not_provisioned"
        and f"client {NAME} is not provisioned" in outcome.conclusion.reason
    )


def test_more_than_the_budget_is_refused_here_too(keeper: Keeper, keyholder: Keyholder) -> None:
    keyholder.give()
    keeper.world.write(trim_max_objects=3)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "refused" and "deleting more than 3 objects" in outcome.conclusion.reason
    assert set(keeper.listed()) == keeper.known() == set(keeper.contents)


def test_a_keyholder_fills_the_disk_up_to_its_clients_quota(keeper: Keeper, keyholder: Keyholder) -> None:
    """The gate of a trim stores for whoever maintains: what does not fit is not kept, and costs no archive."""
    used = sum(path.stat().st_size for path in keeper.repository.rglob("*") if path.is_file())
    keeper.world.write(quota=used + 2 * 1024**2)
    calls = [("put", {"id": os.urandom(32).hex(), "data": os.urandom(1024**2).hex()}) for _ in range(4)]
    think(keyholder, "maintain", calls, HONEST_TRIM)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "quota", (outcome.conclusion, outcome.gate)
    assert sum(path.stat().st_size for path in keeper.repository.rglob("*") if path.is_file()) <= used + 2 * 1024**2
    keyholder.serve()
    keyholder.give()
    assert came_to(keeper.maintain()) == OK
    newest = list(keeper.contents)[-1]
    assert keeper.restored(newest) == keeper.contents[newest]


def test_after_a_rollback_the_keyholder_forgets_too(keeper: Keeper, keyholder: Keyholder) -> None:
    """Borg takes an older state for an attack, on whichever host it saw the newer one."""
    keyholder.give()
    newest = list(keeper.contents)[-1]
    before = keeper.transaction(newest)
    assert came_to(keeper.maintain()) == OK
    done = keeper.module("rollback", transaction=before, reason="a test")
    assert not done["failed"], done
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "client_failed" and "newer than repository" in outcome.conclusion.reason, (
        outcome.conclusion
    )
    keyholder.forget(done["repository_id"])
    assert came_to(keeper.maintain()) == OK
    assert set(keeper.listed()) == {newest}
