# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client behind another host: the session goes through its sshd, whose keys are pinned as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from session_world import CLIENT, OK, Sshd, World, came_to, make_key


@pytest.fixture
def jump(world: World, tmp_path: Path) -> Iterator[Sshd]:
    """A host that lets the server's key through to the client's sshd, and do nothing else."""
    between = Sshd(world.path / "jump")
    between.home.mkdir()
    make_key(between.home / "host_key")
    target = f"127.0.0.1:{world.sshd.port}"
    public = (world.home / "id_ed25519.pub").read_text()
    (between.home / "authorized_keys").write_text(f'restrict,port-forwarding,permitopen="{target}" {public}')
    between.start(f"AllowTcpForwarding yes\nPermitOpen {target}\nPermitRootLogin yes")
    world.write(proxy_jump={"host": "127.0.0.1", "port": between.port, "user": world.client["user"]})
    pin(world, between.home / "host_key.pub")
    yield between
    between.stop()


def pin(world: World, key: Path) -> None:
    world.pin(world.sshd.home / "host_key.pub")
    with (world.path / "known_hosts").open("a") as handle:
        handle.write(f"jump.{CLIENT} {key.read_text()}\n")


def test_a_session_goes_through_it(world: World, jump: Sshd) -> None:
    outcome = world.session("backup")
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    assert "Accepted publickey" in (jump.home / "sshd.log").read_text()


def test_without_it_there_is_no_session(world: World, jump: Sshd) -> None:
    jump.stop()
    assert world.session("backup").conclusion.code == "unreachable"


def test_its_key_is_pinned(world: World, jump: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    pin(world, (tmp_path / "other").with_suffix(".pub"))
    outcome = world.session("backup")
    assert outcome.conclusion.code == "host_key_changed", outcome.conclusion


def test_the_clients_own_key_is_pinned_behind_it(world: World, jump: Sshd, tmp_path: Path) -> None:
    """Who owns the host between is not believed to be the client."""
    make_key(tmp_path / "other")
    lines = (tmp_path / "other").with_suffix(".pub").read_text()
    jump_key = (jump.home / "host_key.pub").read_text()
    (world.path / "known_hosts").write_text(f"{CLIENT} {lines}\njump.{CLIENT} {jump_key}\n")
    assert world.session("backup").conclusion.code == "host_key_changed"


@pytest.mark.parametrize("wrong", [{"host": "x"}, {"host": "x", "port": "22", "user": "y"}, {}])
def test_a_record_of_another_form_is_refused(world: World, wrong: dict[str, str]) -> None:
    world.write(proxy_jump=wrong)
    assert world.session("backup").conclusion.code == "not_provisioned"


@pytest.mark.parametrize("host", ["$(touch /tmp/pwned)", "a b", "%h", "-oProxyCommand=x"])
def test_no_name_of_it_becomes_a_command(world: World, host: str) -> None:
    world.write(proxy_jump={"host": host, "port": 22, "user": "x'; id"})
    assert world.session("backup").conclusion.status == "failed"
    world.write(proxy_jump={"host": "127.0.0.1", "port": 22, "user": "x"}, host=f"a' {host}")
    assert world.session("backup").conclusion.status == "failed"
    assert not Path("/tmp/pwned").exists()
