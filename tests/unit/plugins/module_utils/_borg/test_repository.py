# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of a repository is read from a file that its user may have replaced."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import (
    check_place,
    end_swap,
    index_size,
    recorded_id,
    repository_id,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"[repository]\nversion = 1\nid = {ID}\n", ID),
        (f"[repository]\nid = {ID}\nkey = a\n\tb%(c)s\n", ID),
        ("[repository]\nversion = 1\n", None),
        (f"[repository]\nid = {ID[:-1]}\n", None),
        (f"[repository]\nid = {ID.upper()}\n", None),
        ("", None),
    ],
)
def test_repository_id(tmp_path: Path, text: str, found: str | None) -> None:
    (tmp_path / "config").write_text(text)
    assert repository_id(str(tmp_path)) == found


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"id = 1\n", b"[repository]\nid = 1\nid = 2\n", b"[repository\n"])
def test_rubbish_is_one_line(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "config").write_bytes(raw)
    with pytest.raises(SessionError) as caught:
        repository_id(str(tmp_path))
    assert caught.value.code == "wrong_repository" and "\n" not in caught.value.reason


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(f"[repository]\nid = {ID}\n")
    (tmp_path / "config").symlink_to("real")
    with pytest.raises(SessionError):
        repository_id(str(tmp_path))


def test_without_config_there_is_no_repository(tmp_path: Path) -> None:
    assert repository_id(str(tmp_path)) is None
    assert repository_id(str(tmp_path / "nowhere")) is None


def test_index_and_hints_are_measured_and_no_link_is_followed(tmp_path: Path) -> None:
    assert index_size(str(tmp_path / "nowhere")) == 0
    for name, size in (("index.7", 1000), ("hints.7", 200), ("integrity.7", 30), ("nonce", 4)):
        (tmp_path / name).write_bytes(bytes(size))
    assert index_size(str(tmp_path)) == 1200
    (tmp_path / "large").write_bytes(bytes(10**6))
    (tmp_path / "index.8").symlink_to("large")
    assert index_size(str(tmp_path)) < 1300


def site(path: Path, require_mount: bool = False) -> Site:
    """The site of a client whose repository is ``<path>/web1/repo``, this process's user's."""
    server = SimpleNamespace(repository_root=str(path), require_mount=require_mount, state_dir=str(path / "state"))
    me = pwd.getpwuid(os.geteuid()).pw_name
    client = SimpleNamespace(client="web1", repository=str(path / "web1/repo"), repository_user=me)
    return Site(server, client)  # type: ignore[arg-type]


def refusal(of: Site) -> str:
    with pytest.raises(SessionError) as caught:
        check_place(of)
    return caught.value.code


def test_a_place_is_mounted_if_it_must_be(tmp_path: Path) -> None:
    (tmp_path / "web1/repo").mkdir(parents=True)
    check_place(site(tmp_path))
    assert refusal(site(tmp_path, require_mount=True)) == "not_mounted"


@pytest.mark.parametrize("name", ["web1", "web1/repo"])
def test_a_place_is_no_link_and_no_file(tmp_path: Path, name: str) -> None:
    """The client's directory counts as well as the repository: a link there leads to another client's."""
    assert refusal(site(tmp_path)) == "repository_missing"
    (tmp_path / "other/repo").mkdir(parents=True)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(tmp_path / ("other" if name == "web1" else "other/repo"))
    assert refusal(site(tmp_path)) == "wrong_repository"
    (tmp_path / name).unlink()
    (tmp_path / name).touch()
    assert refusal(site(tmp_path)) in ("wrong_repository", "repository_missing")


def test_a_place_belongs_to_the_clients_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web1/repo").mkdir(parents=True)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: SimpleNamespace(pw_uid=os.geteuid() + 1))
    assert refusal(site(tmp_path)) == "wrong_repository"


def test_a_copy_takes_an_empty_place_alone(tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    (tmp_path / "repo.new").mkdir()
    repository.symlink_to("nowhere")
    end_swap(str(repository))
    assert repository.is_symlink() and (tmp_path / "repo.new").is_dir()
    repository.unlink()
    end_swap(str(repository))
    assert repository.is_dir() and not (tmp_path / "repo.new").exists()


def test_a_recorded_id_that_cannot_be_read_is_no_missing_one(tmp_path: Path) -> None:
    """As if there were none, verb create would make another repository."""
    assert recorded_id(site(tmp_path)) is None
    record = tmp_path / "state/web1/repository.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"schema": 1, "id": ID}))
    assert recorded_id(site(tmp_path)) == ID
    for rubbish in (b"", b"{", b"\xff"):
        record.write_bytes(rubbish)
        with pytest.raises(SessionError) as caught:
            recorded_id(site(tmp_path))
        assert caught.value.code == "server_error"
