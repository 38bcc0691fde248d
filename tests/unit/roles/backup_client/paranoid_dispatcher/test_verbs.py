# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs do around borgmatic, without one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paranoid_dispatcher import verbs
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.evidence import Evidence
from paranoid_dispatcher.owner import Owner
from paranoid_dispatcher.owner_hooks import OwnerHooks
from paranoid_dispatcher.server_link import ServerLink
from paranoid_dispatcher.tagged import load_tagged
from paranoid_dispatcher.toolbox import Toolbox

SIZES = {"original_size": 3, "compressed_size": 2, "deduplicated_size": 1, "nfiles": 4}
MADE = {"name": "a", "id": "b" * 64, "start": "2026-11-21T06:30:00", "end": "2026-11-21T06:30:01", "duration": 1}
ANSWER = json.dumps([{"archive": {**MADE, "stats": SIZES}}])


@pytest.fixture
def back_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A backup of sources by a borgmatic that only does what it is given to do."""
    monkeypatch.setattr(verbs, "keep_description", lambda _config, _link: [])

    def perform(sources: list[str], work: Callable[[], None] = lambda: None) -> dict[str, Any]:
        configuration = tmp_path / "borgmatic.yaml"
        configuration.write_text(json.dumps({"source_directories": sources}))
        config = SimpleNamespace(config=str(configuration), owner_dir="", base_dir=str(tmp_path), mounts={}, saved="")
        config.accept_unreadable = config.may_be_empty = ()
        evidence = Evidence()
        evidence.tagged.add("/srv/cache")

        def borgmatic(*_arguments: str) -> str:
            work()
            return ANSWER

        tools = SimpleNamespace(
            config=config, owner=Owner(), link=None, evidence=evidence, told={}, borgmatic=borgmatic
        )
        return verbs._back_up(cast(Toolbox, tools), OwnerHooks())

    return perform


def test_what_tags_left_out_is_remembered_for_the_next_backup(
    tmp_path: Path, back_up: Callable[..., dict[str, Any]]
) -> None:
    back_up(["/etc"])
    assert load_tagged(tmp_path) == {"/srv/cache"}


def test_a_source_that_goes_while_borg_reads_is_told(tmp_path: Path, back_up: Callable[..., dict[str, Any]]) -> None:
    (tmp_path / "source").mkdir()
    assert back_up([str(tmp_path / "source")])["sources"]["refused"] == []
    told = back_up([str(tmp_path / "source")], (tmp_path / "source").rmdir)
    assert f"source {tmp_path}/source is not there" in told["sources"]["refused"][0] and told["archive"]["nfiles"] == 4


def test_a_backup_of_dumps_alone_needs_no_source_and_one_of_sources_needs_one(
    back_up: Callable[..., dict[str, Any]],
) -> None:
    assert back_up([])["sources"] == {"refused": [], "mounts": {}, "filled": {}}
    with pytest.raises(Failed, match="source /7c1e is not there"):
        back_up(["/7c1e"])


@pytest.fixture
def opened(tmp_path: Path) -> SimpleNamespace:
    """What ``open`` needs, and a link whose waiting is what a test says."""
    return SimpleNamespace(config=SimpleNamespace(base_dir=str(tmp_path)), socket="/run/socket", link=ServerLink(60))


@pytest.mark.parametrize("end", ["server", "owner", "signal"])
def test_a_tunnel_is_open_until_the_server_or_the_owner_ends_it(
    opened: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    link, marker = opened.link, tmp_path / "open"

    def wait(_seconds: float) -> None:
        assert marker.read_text() == "/run/socket\n"
        if end == "server":
            link._closed = True
        elif end == "signal":
            link.on_signal(signal.SIGTERM, None)
        else:
            marker.unlink()

    monkeypatch.setattr(ServerLink, "wait", lambda _link, seconds: wait(seconds))
    if end == "signal":
        with pytest.raises(Failed, match=f"ended by signal {signal.SIGTERM:d}"):
            verbs.open_(cast(Toolbox, opened))
    else:
        assert verbs.open_(cast(Toolbox, opened)) == {}
    assert not marker.exists()
