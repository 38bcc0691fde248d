# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module writes what the server's configuration wants, as a whole or not at all."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.modules import page
from module_call import call
from page_world import HOSTS, make_server

Write = Callable[..., dict[str, Any]]


@pytest.fixture
def server(tmp_path: Path) -> Path:
    return make_server(tmp_path, HOSTS[:4], days=3, now=datetime.now(UTC))


@pytest.fixture
def write(server: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Write:
    return lambda **options: call(page, {"config_dir": str(server), **options}, capsys, monkeypatch)


def configure(server: Path, **settings: str) -> None:
    path = server / "server.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_page_status_and_metrics(server: Path, write: Write) -> None:
    result = write(clients=["db2"])
    files = [server / "page/index.html", server / "page/status.json", server / "metrics/paranoid_backup.prom"]
    assert (result["changed"], result["files"]) == (True, [str(path) for path in files])
    assert [path.stat().st_mode & 0o777 for path in files] == [0o640, 0o640, 0o644]
    assert result["counts"] == json.loads(files[1].read_text())["counts"]
    assert [path.name for path in (server / "page").iterdir() if path.name.startswith(".")] == []
    assert b"db2" in files[0].read_bytes()


def test_a_client_that_is_gone_is_gone_from_everything(server: Path, write: Write) -> None:
    """Ids and digests are others in each run, and one in some hundred has these three letters in it."""
    paths = [server / path for path in ("page/index.html", "page/status.json", "metrics/paranoid_backup.prom")]
    name = re.compile(rb"(?<![0-9a-f])db2(?![0-9a-f])")
    write()
    assert all(name.search(path.read_bytes()) for path in paths)
    (server / "clients/db2.json").unlink()
    write()
    assert not any(name.search(path.read_bytes()) for path in paths)


def test_check_mode_writes_nothing(server: Path, write: Write) -> None:
    result = write(_ansible_check_mode=True)
    assert len(result["files"]) == 3
    assert os.listdir(server / "page") == os.listdir(server / "metrics") == []


def test_what_nobody_wants_is_not_written(server: Path, write: Write) -> None:
    configure(server, metrics_dir="")
    assert len(write()["files"]) == 2
    configure(server, page_dir="")
    assert (write()["files"], write()["changed"]) == ([], False)
    assert os.listdir(server / "metrics") == []


def test_what_cannot_be_written_is_one_line_and_the_old_one_stays(server: Path, write: Write) -> None:
    write()
    old = (server / "page/index.html").read_bytes()
    configure(server, page_dir=str(server / "elsewhere"))
    result = write()
    assert result["failed"]
    assert result["msg"] == f"the page cannot be written: {server}/elsewhere: No such file or directory"
    assert (server / "page/index.html").read_bytes() == old
    (server / "state/ledger.sqlite").unlink()
    assert "there is none yet" in write()["msg"]
    (server / "server.json").unlink()
    assert "not a provisioned server" in write()["msg"]
