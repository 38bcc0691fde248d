# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An owner asks for a tunnel: what he leaves is for people to read, and gives no right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from paranoid_dispatcher.owner import look_at_owner
from paranoid_restore.main import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a client whose state is in the same directory."""
    path = tmp_path / "client.json"
    path.write_text(json.dumps(dict.fromkeys(("base_dir", "relay", "passphrase_file", "repository"), str(tmp_path))))
    return path


def test_an_owner_asks_and_takes_it_back(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--request", "first"], config) == 0
    assert main(["--request", "the shop\n lost its\x1b[2J pictures"], config) == 0
    assert "asked" in capsys.readouterr().out
    request = look_at_owner(str(config.parent), config.parent).request
    assert request and request["why"] == "the shop lost its?[2J pictures"
    assert request["made"].endswith("+00:00")
    assert main(["--withdraw"], config) == 0 == main(["--withdraw"], config)
    assert look_at_owner(str(config.parent), config.parent).request is None


@pytest.mark.parametrize("why", ["", " \n", "x" * 301])
def test_a_request_needs_a_reason_that_can_be_read(config: Path, capsys: pytest.CaptureFixture[str], why: str) -> None:
    assert main(["--request", why], config) == 2
    assert "say in 1 to 300 characters why" in capsys.readouterr().err
    assert not (config.parent / "request.json").exists()


def test_nobody_asks_for_a_tunnel_that_is_open(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "open").write_text("/run/x")
    assert main(["--request", "again"], config) == 2
    assert "a tunnel is open already" in capsys.readouterr().err


def test_who_restores_without_a_tunnel_is_told_how_to_ask(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("borg")
    assert main(["etc/nginx"], config) == 2
    assert "--request 'why'" in capsys.readouterr().err


RUBBISH = ["", "{", "[]", "7", '{"why": 1}', "[" * 5000, '{"why": "x", "made": null, "more": 1}', "\x00"]


@pytest.mark.parametrize("text", RUBBISH)
def test_whatever_lies_there_stops_no_session(tmp_path: Path, text: str) -> None:
    (tmp_path / "request.json").write_text(text)
    request = look_at_owner(str(tmp_path), tmp_path).request
    assert request is None or set(request) == {"why", "made"}


def test_a_request_that_is_a_link_or_a_pipe_is_none(tmp_path: Path) -> None:
    (tmp_path / "request.json").symlink_to("/etc/passwd")
    assert look_at_owner(str(tmp_path), tmp_path).request is None
    (tmp_path / "request.json").unlink()
    (tmp_path / "request.json").mkdir()
    assert look_at_owner(str(tmp_path), tmp_path).request is None
