# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The id of a repository is read from a file that its user may have replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import index_size, repository_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError

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
