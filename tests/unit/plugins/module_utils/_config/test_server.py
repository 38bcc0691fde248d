# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records are taken only as the role writes them, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common import files
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ConfigError,
    list_clients,
    load_client,
    load_peer,
)

RECORD: dict[str, Any] = {
    "schema": 1,
    "client": "web1",
    "host": "192.0.2.7",
    "port": 22,
    "user": "backup",
    "transport": "socket",
    "remote_dir": "/run/x",
    "listen_port": 64064,
    "repository": "/srv/r",
    "repository_user": "bk-web1",
    "known_hosts_file": "/etc/k",
    "quota": None,
}


def load(directory: Path, text: str) -> Any:
    """Write the record of web1 and load it."""
    (directory / "clients").mkdir()
    (directory / "clients/web1.json").write_text(text)
    return load_client(str(directory), "web1")


def test_a_good_record(tmp_path: Path) -> None:
    record = load(tmp_path, json.dumps({**RECORD, "idle_timeout": 9, "of_a_later_release": 1}))
    assert (record.port, record.quota, record.idle_timeout, record.total_timeout) == (22, None, 9, None)


def test_a_missing_record(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"client web1 is not provisioned on this server: run site\.yml"):
        load_client(str(tmp_path), "web1")


def test_the_usual_place_is_another_on_freebsd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, other = tmp_path / "etc", tmp_path / "local"
    monkeypatch.setattr(files, "_USUAL", str(usual))
    monkeypatch.setattr(files, "_ON_FREEBSD", str(other))
    other.mkdir()
    load(other, json.dumps(RECORD))
    assert load_client(str(usual), "web1").host == "192.0.2.7"
    with pytest.raises(ConfigError, match="elsewhere/clients/web1"):
        load_client(str(tmp_path / "elsewhere"), "web1")
    usual.mkdir()
    with pytest.raises(ConfigError, match="etc/clients/web1"):
        load_client(str(usual), "web1")


WRONG = [
    ({"schema": 2}, "not of schema 1"),
    ({"client": "web2"}, "does not describe client web1"),
    ({"transport": "carrier pigeon"}, "does not describe client web1"),
    *[({key: []}, f"{key} is of the wrong type") for key in RECORD if key != "schema"],
    ({"port": "22"}, "port is of the wrong type"),
    ({"port": True}, "port is of the wrong type"),
    ({"port": None}, "port is of the wrong type"),
    ({"keyholder": 1}, "keyholder is of the wrong type"),
    ({"idle_timeout": 1.5}, "idle_timeout is of the wrong type"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, json.dumps({**RECORD, **changes}))


@pytest.mark.parametrize("key", [key for key in RECORD if key not in ("schema", "quota")])
def test_a_missing_field_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=f"'{key}'"):
        load(tmp_path, json.dumps({name: value for name, value in RECORD.items() if name != key}))


def test_the_keyholder_works_in_the_clients_stead(tmp_path: Path) -> None:
    client = load(tmp_path, json.dumps({**RECORD, "keyholder": "keeper1"}))
    keyholder = {**RECORD, "client": "keeper1", "host": "192.0.2.8", "transport": "ssh"}
    (tmp_path / "clients/keeper1.json").write_text(json.dumps(keyholder))
    found = load_peer(str(tmp_path), client)
    assert (found.client, found.host) == ("keeper1", "192.0.2.8")


def test_without_a_keyholder_the_client_maintains_itself(tmp_path: Path) -> None:
    client = load(tmp_path, json.dumps(RECORD))
    assert load_peer(str(tmp_path), client) is client


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keeper1", "client keeper1 is not provisioned"),
        ("web1", "web1 has no valid keyholder"),
        ("../web1", "web1 has no valid keyholder"),
        ("", "web1 has no valid keyholder"),
    ],
)
def test_a_keyholder_that_cannot_be_is_named(tmp_path: Path, name: str, words: str) -> None:
    client = load(tmp_path, json.dumps({**RECORD, "keyholder": name}))
    with pytest.raises(ConfigError, match=words):
        load_peer(str(tmp_path), client)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "\x00", json.dumps({**RECORD, "host": "x" * 70_000})])
def test_rubbish(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


JUMP = {"host": "192.0.2.9", "port": 22, "user": "jump"}


def test_a_host_between_is_whole_or_refused(tmp_path: Path) -> None:
    """What ssh is told to jump through is three words of the role's own, and nothing beside them."""
    client = load(tmp_path, json.dumps({**RECORD, "proxy_jump": JUMP}))
    assert client.proxy_jump == JUMP
    for wrong in ({"host": "192.0.2.9"}, {**JUMP, "port": "22"}, {**JUMP, "command": "sh"}):
        (tmp_path / "clients/web1.json").write_text(json.dumps({**RECORD, "proxy_jump": wrong}))
        with pytest.raises(ConfigError, match="does not describe client web1"):
            load_client(str(tmp_path), "web1")


def test_only_what_can_name_a_client_is_listed(tmp_path: Path) -> None:
    (tmp_path / "clients").mkdir()
    for name in ("web1.json", "db1.json", ".web1.json.12.new", "..json", ".hidden.json", "a..b.json", "notes.txt"):
        (tmp_path / "clients" / name).touch()
    assert list_clients(str(tmp_path)) == ["db1", "web1"]
