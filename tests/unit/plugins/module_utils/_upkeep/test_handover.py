# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from another machine become their client's and nobody else's, whatever a client left among them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.handover import Links, hand_over

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
WEB, DB, OLD = (1, 1), (2, 2), (4711, 4711)


def make_client(place: Path, name: str = "web1") -> Path:
    """Make a client's directory as another machine left it: a repository, evidence that shares a segment, escrow."""
    own = place / name
    for directory in ("repo/data/0", "evidence-1/data/0", "escrow"):
        (own / directory).mkdir(parents=True)
    for file in ("repo/config", "repo/data/0/1", "evidence-1/config", "escrow/1.age"):
        (own / file).write_text(file)
    os.link(own / "repo/data/0/1", own / "evidence-1/data/0/1")
    for path in (own, *own.rglob("*")):
        os.chown(path, *OLD)
    return own


def owners(own: Path) -> dict[str, tuple[int, int]]:
    found = {str(path.relative_to(own)): path.lstat() for path in (own, *own.rglob("*"))}
    return {name: (status.st_uid, status.st_gid) for name, status in found.items()}


def test_the_repository_is_the_clients_and_the_rest_is_roots(tmp_path: Path) -> None:
    own = make_client(tmp_path)
    assert hand_over(str(own), "web1", WEB, {}) == len(owners(own)) - 1  # one file has two names
    found = owners(own)
    shared = {"evidence-1/data/0/1"}
    assert {owner for name, owner in found.items() if name.startswith("repo") or name in shared} == {WEB}
    assert {owner for name, owner in found.items() if name.startswith(("evidence", "escrow"))} == {WEB, (0, 0)}
    assert [name for name, owner in found.items() if not name.startswith("repo") and owner == WEB] == [*shared]
    assert (found["."], own.stat().st_mode & 0o7777) == ((0, 1), 0o750)
    assert hand_over(str(own), "web1", WEB, {}) == 0


def test_check_counts_and_changes_nothing(tmp_path: Path) -> None:
    own = make_client(tmp_path)
    before = owners(own)
    assert hand_over(str(own), "web1", WEB, {}, check=True) > 0
    assert owners(own) == before


@pytest.mark.parametrize("kind", ["file", "directory", "dangling", "pipe", "device"])
def test_what_is_no_plain_file_is_refused_and_nothing_outside_is_given_away(tmp_path: Path, kind: str) -> None:
    own, outside = make_client(tmp_path), tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").touch()
    planted = own / "repo/data/0/2"
    if kind in ("file", "directory", "dangling"):
        planted.symlink_to({"file": outside / "secret", "directory": outside, "dangling": Path("/nowhere")}[kind])
    elif kind == "pipe":
        os.mkfifo(planted)
    else:
        os.mknod(planted, 0o600 | 0o020000, os.makedev(1, 3))
    before = planted.lstat().st_uid
    with pytest.raises(SessionError, match="is neither a file nor a directory") as told:
        hand_over(str(own), "web1", WEB, {})
    assert told.value.code == "wrong_repository"
    assert ((outside / "secret").stat().st_uid, outside.stat().st_uid, planted.lstat().st_uid) == (0, 0, before)


def test_a_link_beside_the_repository_is_not_followed(tmp_path: Path) -> None:
    own, outside = make_client(tmp_path), tmp_path / "outside"
    outside.mkdir()
    os.chown(outside, *OLD)
    (own / "evidence-2").symlink_to(outside)
    hand_over(str(own), "web1", WEB, {})
    assert outside.stat().st_uid == OLD[0]


def test_the_repository_itself_may_be_no_link(tmp_path: Path) -> None:
    own, other = make_client(tmp_path), make_client(tmp_path, "db1")
    os.rename(own / "repo", own / "away")
    (own / "repo").symlink_to(other / "repo")
    with pytest.raises(SessionError, match="repo is neither a file nor a directory"):
        hand_over(str(own), "web1", WEB, {})
    assert owners(other)["repo/config"] == OLD


def test_a_file_of_two_clients_is_given_to_one_alone(tmp_path: Path) -> None:
    web, db = make_client(tmp_path), make_client(tmp_path, "db1")
    os.link(web / "repo/config", db / "repo/data/0/7")
    links: Links = {}
    hand_over(str(web), "web1", WEB, links)
    with pytest.raises(SessionError, match="is a file of web1's, too"):
        hand_over(str(db), "db1", DB, links)
    assert owners(web)["repo/config"] == WEB
