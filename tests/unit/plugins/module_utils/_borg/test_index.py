# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readers of index and hints, against Borg's own format and against broken files."""

from __future__ import annotations

import struct
from pathlib import Path

import msgpack
import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._borg.hints import freeable_bytes
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from fake_repository import FakeRepository, key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_index_and_hints(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session([(key(number), b"x") for number in range(3000)])
    repository.session(deletes=[key(1)])
    with newest_index(str(repository.path)) as index:
        assert index is not None
        assert (index.transaction, index.objects) == (repository.last, 3000)
        assert set(index.places()) == {(one, *at[:2]) for one, at in repository.objects.items()}
        for one in (key(0), key(2), key(2999), bytes(32)):
            assert index.find(one) == repository.objects[one][:2]
        assert index.find(key(1)) is None
    assert freeable_bytes(str(repository.path), repository.last) == sum(repository.compact.values())


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=100))
def test_any_hints_are_a_number_or_unreadable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hints.1").write_bytes(content)
    try:
        freeable = freeable_bytes(str(tmp_path), 1)
    except Unreadable:
        return
    assert freeable is not None
    assert freeable >= 0


@pytest.mark.parametrize(
    "head", [b"", b"BORG_IDX", b"BORG_IDX" + b"\xff" * 10, b"BORG_IDX\1\0\0\0\xff\xff\xff\x7f\x20\x08"]
)
def test_broken_index(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "index.4").write_bytes(head)
    with pytest.raises(Unreadable, match=r"index\.4"), newest_index(str(tmp_path)):
        pass


DELETED, EMPTY = 0xFFFFFFFE, 0xFFFFFFFF  # segment numbers, ``_hashindex.c``


def identifier(number: int, last: int) -> bytes:
    """Return an id that belongs into bucket ``number`` of four or eight."""
    return struct.pack("<I", number) + bytes(27) + bytes([last])


def write_index(path: Path, buckets: list[tuple[bytes, int, int]], objects: int) -> None:
    head = struct.pack("<8siibb", b"BORG_IDX", objects, len(buckets), 32, 8)
    path.write_bytes(head + b"".join(struct.pack("<32sII", *bucket) for bucket in buckets))


def test_a_deleted_bucket_is_no_object_and_no_end_and_the_search_goes_round(tmp_path: Path) -> None:
    gone, here, there = (identifier(3, last) for last in range(3))
    empty = (bytes(32), EMPTY, 0)
    write_index(tmp_path / "index.7", [(here, 5, 8), (there, 6, 9), empty, (gone, DELETED, 4)], 2)
    with newest_index(str(tmp_path)) as index:
        assert index is not None
        assert list(index.places()) == [(here, 5, 8), (there, 6, 9)]
        assert [index.find(one) for one in (gone, here, there)] == [None, (5, 8), (6, 9)]


def test_a_full_index_is_searched_once(tmp_path: Path) -> None:
    write_index(tmp_path / "index.7", [(identifier(number, 0), 1, 8) for number in range(4)], 4)
    with newest_index(str(tmp_path)) as index:
        assert index is not None
        assert index.find(identifier(2, 1)) is None


def test_the_newest_index_is_the_one_of_the_highest_transaction(tmp_path: Path) -> None:
    with newest_index(str(tmp_path)) as index:
        assert index is None
    for transaction in (9, 10):
        write_index(tmp_path / f"index.{transaction}", [(identifier(0, transaction), 1, 8)], 1)
    (tmp_path / "index.11.tmp").touch()
    with newest_index(str(tmp_path)) as index:
        assert index is not None
        assert (index.transaction, index.find(identifier(0, 10))) == (10, (1, 8))


def test_more_objects_than_buckets_is_no_index(tmp_path: Path) -> None:
    write_index(tmp_path / "index.1", [(bytes(32), EMPTY, 0)], 2)
    with pytest.raises(Unreadable, match=r"index\.1 is no index"), newest_index(str(tmp_path)):
        pass


def test_an_index_that_shrinks_while_it_is_read_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "index.1"
    write_index(path, [(identifier(number, 0), 1, 8) for number in range(20_000)], 20_000)
    with newest_index(str(tmp_path)) as index:
        assert index is not None
        places = index.places()
        next(places)
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(Unreadable, match=r"index\.1 is cut off"):
            list(places)


def test_hints_say_what_is_freeable(tmp_path: Path) -> None:
    hints = {"version": 2, "segments": {1: 5}, "compact": {1: 70_000, 2: -5, 3: 2**40}, "shadow_index": {}}
    (tmp_path / "hints.4").write_bytes(msgpack.packb(hints, use_bin_type=False))
    assert freeable_bytes(str(tmp_path), 4) == 70_000 + 2**40
    assert freeable_bytes(str(tmp_path), 5) is None


def test_a_copy_of_an_index_replaces_nothing(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session([(key(1), b"x")])
    (tmp_path / "copy").write_bytes(b"somebody's")
    with newest_index(str(repository.path)) as index:
        assert index is not None
        with pytest.raises(FileExistsError):
            index.save(str(tmp_path / "copy"))
        index.save(str(tmp_path / "index.1"))
    assert (tmp_path / "copy").read_bytes() == b"somebody's"
    assert (tmp_path / "index.1").stat().st_mode & 0o777 == 0o600
    with newest_index(str(tmp_path)) as copied:
        assert copied is not None and copied.find(key(1)) == repository.objects[key(1)][:2]


@pytest.mark.parametrize("more", [-1, 1, 40])
def test_an_index_has_as_many_bytes_as_its_head_says(tmp_path: Path, more: int) -> None:
    content = struct.pack("<8siibb", b"BORG_IDX", 0, 4, 32, 8) + bytes(4 * 40 + more)
    (tmp_path / "index.4").write_bytes(content)
    with pytest.raises(Unreadable, match=r"index\.4 is cut off"), newest_index(str(tmp_path)):
        pass


def test_an_index_without_room_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "index.4").write_bytes(struct.pack("<8siibb", b"BORG_IDX", 0, 0, 32, 8))
    with newest_index(str(tmp_path)) as index:
        assert index is not None and index.find(key(1)) is None and list(index.places()) == []


def test_a_last_word_of_hints_is_read_to_its_end(tmp_path: Path) -> None:
    content = msgpack.packb({b"compact": {1: 5}, b"z": b"end"})
    (tmp_path / "hints.1").write_bytes(content)
    assert freeable_bytes(str(tmp_path), 1) == 5
    (tmp_path / "hints.2").write_bytes(msgpack.packb({b"a": b"compact"}))
    with pytest.raises(Unreadable):
        freeable_bytes(str(tmp_path), 2)
