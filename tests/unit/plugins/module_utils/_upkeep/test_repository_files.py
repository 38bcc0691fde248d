# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root among a repository's files: its user cannot lead it elsewhere, and a power cut leaves a whole repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import File
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import repository_files
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.repository_files import (
    carry_nonce,
    copy_repository,
    cut,
    keep_evidence,
    segment_files,
    swap_in,
)
from disk_order import DiskOrder
from fake_repository import FakeRepository, key

TRANSACTIONS = "transaction 2, UTC time a\ntransaction 5, UTC time b\ntransaction 8, UTC time c\n"


def make(path: Path) -> FakeRepository:
    """A repository of three transactions that end with segments 2, 5 and 8."""
    made = FakeRepository(path)
    for number in range(3):
        made.session([(key(number), b"x" * 100)])
    (path / "transactions").write_text(TRANSACTIONS)
    return made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make(tmp_path / "web1/repository").path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """What the repository's user may not touch: another client's repository."""
    return make(tmp_path / "web2/repository").path


def content(path: Path) -> dict[str, bytes]:
    return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}


def swap_after_listing(monkeypatch: pytest.MonkeyPatch, path: Path, target: Path) -> None:
    """Have the repository's user put a link in the place of a directory between two looks of root."""

    def listed(repository: str) -> list[File]:
        found = segment_files(repository)
        path.rename(path.with_name("aside"))
        path.symlink_to(target)
        return found

    monkeypatch.setattr(repository_files, "segment_files", listed)


@pytest.mark.parametrize("name", ["data", "data/0"])
def test_a_swap_does_not_cut_another_repository(
    repository: Path, other: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = content(other)
    swap_after_listing(monkeypatch, repository / name, other / name)
    with pytest.raises(OSError, match=name):
        cut(str(repository), 2, None)
    assert content(other) == before


@pytest.mark.parametrize("name", ["data", "data/0"])
def test_a_swap_brings_nothing_of_another_into_the_evidence(
    repository: Path, other: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    evidence = repository.with_name("evidence")
    swap_after_listing(monkeypatch, repository / name, other / name)
    with pytest.raises(OSError, match=name):
        keep_evidence(str(repository), str(evidence))
    assert [one for one in evidence.rglob("*") if one.is_file() and one.parent.parent.name == "data"] == []


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, secret: path.symlink_to(secret),
    "pipe": lambda path, _secret: os.mkfifo(path),
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("how", ["evidence", "copy"])
def test_a_swap_before_a_copy_gives_nothing_away(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str, how: str
) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("secret")
    secret.chmod(0o640)
    real = repository_files._copy_file

    def copy(source: int, target: int, name: str, owner: tuple[int, int] | None) -> None:
        if name == "config":
            (repository / name).unlink()
            PLANTS[plant](repository / name, secret)
        real(source, target, name, owner)

    monkeypatch.setattr(repository_files, "_copy_file", copy)
    target = repository.with_name("target")
    with pytest.raises(OSError, match=r"config|regular"):
        if how == "evidence":
            keep_evidence(str(repository), str(target))
        else:
            copy_repository(str(repository), str(target), (os.getuid(), os.getgid()))
    assert b"secret" not in content(target).values()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["data", "data/0"])
def test_a_link_is_no_directory_of_segments(repository: Path, other: Path, name: str) -> None:
    (repository / name).rename(repository / "aside")
    (repository / name).symlink_to(other / name)
    with pytest.raises(SessionError, match=f"{name} is not a directory: somebody replaced it"):
        segment_files(str(repository))


def test_a_copy_of_what_is_no_file_is_refused(repository: Path) -> None:
    (repository / "data/0/77").symlink_to("/etc/passwd")
    with pytest.raises(SessionError, match="data/0/77 is neither a file nor a directory"):
        copy_repository(str(repository), str(repository) + ".new", None)


def test_the_nonce_replaces_a_link_and_leaves_evidence_alone(repository: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (repository / "nonce").unlink()
    (repository / "nonce").symlink_to(victim)
    carry_nonce(5, str(repository), (os.getuid(), os.getgid()))
    assert victim.read_text() == "untouched"
    assert ((repository / "nonce").read_text(), (repository / "nonce").is_symlink()) == (f"{5:016x}", False)


def test_what_is_cut_is_what_came_later(repository: Path) -> None:
    before = content(repository)
    keep_evidence(str(repository), str(repository.with_name("evidence")))
    cut(str(repository), 5, None)
    assert content(repository.with_name("evidence")) == before
    kept = {f"data/0/{number}": before[f"data/0/{number}"] for number in range(6)}
    transactions = "".join(TRANSACTIONS.splitlines(keepends=True)[:2]).encode()
    unchanged = {name: before[name] for name in ("config", "nonce")}
    assert content(repository) == {**kept, **unchanged, "transactions": transactions}


def test_evidence_is_on_disk_before_the_nonce_and_the_nonce_before_anything_goes(
    repository: Path, disk_order: DiskOrder
) -> None:
    keep_evidence(str(repository), str(repository.with_name("evidence")))
    assert disk_order.events[-1] == ("sync all", Path("/"))
    disk_order.events.clear()
    carry_nonce(7, str(repository), None)
    assert [what for what, _ in disk_order.events] == ["sync", "replace", "sync"]
    assert disk_order.events[1:] == [("replace", repository / "nonce"), ("sync", repository)]
    disk_order.events.clear()
    cut(str(repository), 2, None)
    segments = [("unlink", repository / f"data/0/{number}") for number in (8, 7, 6, 5, 4, 3)]
    expendable = {("unlink", repository / name) for name in ("index.8", "hints.8")}
    assert set(disk_order.events[:2]) == expendable
    assert disk_order.events[2:9] == [*segments, ("sync", repository / "data/0")]
    assert [what for what, _ in disk_order.events[9:]] == ["sync", "replace", "sync"]


def test_a_copy_is_on_disk_before_it_takes_the_place(repository: Path, other: Path, disk_order: DiskOrder) -> None:
    fresh, evidence = Path(f"{repository}.new"), repository.with_name("evidence")
    before = content(other)
    (other / "lock.roster").write_text("{}")
    copy_repository(str(other), str(fresh), None)
    assert disk_order.events == [("sync all", Path("/"))]
    swap_in(str(repository), str(evidence))
    assert disk_order.events[1:] == [("rename", evidence), ("rename", repository), ("sync", repository.parent)]
    assert content(repository) == before
    modes = {stat.S_IMODE(one.stat().st_mode) for one in repository.rglob("*") if one.is_file()}
    assert modes == {0o600}


def test_a_copy_is_the_users_as_old_as_it_was_and_replaces_a_half_one(repository: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    (fresh / "data").mkdir(parents=True)
    (fresh / "half").touch()
    os.utime(repository / "data/0/5", ns=(5, 5))
    owner = (12345, 12346) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    copy_repository(str(repository), str(fresh), owner)
    assert content(fresh) == content(repository)
    assert {(one.stat().st_uid, one.stat().st_gid) for one in (fresh, *fresh.rglob("*"))} == {owner}
    assert (fresh / "data/0/5").stat().st_mtime_ns == 5


def test_evidence_and_copy_are_for_root_only_until_they_are_the_users(repository: Path, tmp_path: Path) -> None:
    """A copy is not its user's before it is whole; the evidence never is."""
    mask = os.umask(0)
    try:
        keep_evidence(str(repository), str(tmp_path / "evidence"))
        copy_repository(str(repository), str(tmp_path / "copy"), None)
    finally:
        os.umask(mask)
    for root in (tmp_path / "evidence", tmp_path / "copy"):
        directories = [root, *(one for one in root.rglob("*") if one.is_dir())]
        assert {stat.S_IMODE(one.stat().st_mode) for one in directories} == {0o700}
        assert len(directories) == 3


def test_what_is_no_file_is_left_out_of_the_evidence(repository: Path, tmp_path: Path) -> None:
    os.mkfifo(repository / "pipe")
    (repository / "link").symlink_to("/etc/passwd")
    keep_evidence(str(repository), str(tmp_path / "evidence"))
    assert {"pipe", "link"} & set(os.listdir(tmp_path / "evidence")) == set()
    assert (tmp_path / "evidence/config").exists()


def test_a_nonce_of_0_is_carried_and_an_unknown_one_is_not(repository: Path) -> None:
    before = (repository / "nonce").read_bytes()
    carry_nonce(None, str(repository), None)
    assert (repository / "nonce").read_bytes() == before
    carry_nonce(0, str(repository), None)
    assert (repository / "nonce").read_text() == "0" * 16


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_a_rollback_writes_is_the_users(repository: Path) -> None:
    carry_nonce(7, str(repository), (12345, 12346))
    cut(str(repository), 5, (12345, 12346))
    for name in ("nonce", "transactions"):
        assert ((repository / name).stat().st_uid, (repository / name).stat().st_gid) == (12345, 12346)


def test_a_cut_removes_every_index_and_needs_no_list_of_transactions(repository: Path) -> None:
    (repository / "integrity.8").touch()
    (repository / "transactions").unlink()
    cut(str(repository), 5, None)
    names = os.listdir(repository)
    assert not [name for name in names if name.startswith(("index.", "hints.", "integrity."))]
    assert "transactions" not in names


def test_a_segment_that_became_a_link_brings_no_other_file_into_the_evidence(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("secret")

    def listed(path: str) -> list[File]:
        found = segment_files(path)
        (repository / "data/0/8").unlink()
        (repository / "data/0/8").symlink_to(secret)
        return found

    monkeypatch.setattr(repository_files, "segment_files", listed)
    keep_evidence(str(repository), str(tmp_path / "evidence"))
    assert (tmp_path / "evidence/data/0/8").is_symlink() and secret.stat().st_nlink == 1
