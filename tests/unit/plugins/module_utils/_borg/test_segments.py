# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of segments, against Borg's own format and against broken files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg import segments as _segments
from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import File
from fake_repository import FakeRepository, entry, key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MAGIC = b"BORG_SEG"


def segment(directory: Path, content: bytes) -> File:
    path = directory / "5"
    path.write_bytes(content)
    return File(5, len(content), str(directory), ("5",))


def walk(file: File, whole: bool = False) -> list[tuple[int, bytes, int, int]]:
    return list(_segments.entries(file, whole))


def test_entries_of_every_kind(tmp_path: Path) -> None:
    content = MAGIC + entry(0, key(1), b"data") + entry(1, key(2)) + entry(2)
    expected = [(0, key(1), 8, 45), (1, key(2), 53, 41), (2, b"", 94, 9)]
    for whole in (False, True):
        assert walk(segment(tmp_path, content), whole) == expected
    assert _segments.ends_with_commit(segment(tmp_path, content))
    assert not _segments.ends_with_commit(segment(tmp_path, content[:-1]))
    assert not _segments.ends_with_commit(segment(tmp_path, b""))


def test_entries_larger_than_a_read(tmp_path: Path) -> None:
    large = [entry(0, key(number), bytes(200_000 * (number % 4 + 1))) for number in range(20)]
    assert [found[1] for found in walk(segment(tmp_path, MAGIC + b"".join(large)), whole=True)] == [
        key(number) for number in range(20)
    ]


@pytest.mark.parametrize(
    ("content", "offset", "words"),
    [
        (b"", 0, "no segment"),
        (b"ATTICSEG", 0, "no segment"),
        (MAGIC + b"x", 8, "ends inside"),
        (MAGIC + entry(0, key(1), b"data")[:-1], 8, "ends inside"),
        (MAGIC + entry(0, key(1))[:20], 8, "ends inside"),
        (MAGIC + entry(2) + entry(7, key(1)), 17, "no entry"),
        (MAGIC + entry(0, b"short"), 8, "no entry"),
        (MAGIC + entry(1, key(1), b"data"), 8, "no entry"),
        (MAGIC + b"\0\0\0\0\xff\xff\xff\xff\0" + bytes(40), 8, "no entry"),
        (MAGIC + b"\0\0\0\0\0\0\0\0\0" + bytes(40), 8, "no entry"),
    ],
)
def test_broken_segments_say_where(tmp_path: Path, content: bytes, offset: int, words: str) -> None:
    with pytest.raises(Broken, match=words) as caught:
        walk(segment(tmp_path, content))
    assert (caught.value.segment, caught.value.offset) == (5, offset)


def test_wrong_checksum_shows_only_where_data_is_read(tmp_path: Path) -> None:
    content = bytearray(MAGIC + entry(0, key(1), b"data"))
    content[-1] ^= 1
    file = segment(tmp_path, bytes(content))
    assert len(walk(file)) == 1
    with pytest.raises(Broken, match="wrong checksum"):
        walk(file, whole=True)


@settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.binary(max_size=80), st.builds(entry, st.integers(0, 3), st.just(key(1))))), st.booleans())
def test_any_bytes_are_entries_or_broken(tmp_path: Path, parts: list[bytes], whole: bool) -> None:
    file = segment(tmp_path, MAGIC + b"".join(parts))
    seen = 8
    with suppress(Broken):
        for _, _, offset, size in _segments.entries(file, whole):
            assert offset == seen
            seen += size
            assert seen <= file.size


@pytest.mark.parametrize("name", ["12345678901", "4294967296", "-1", "٣", "5.tmp"])
def test_only_numbers_that_borg_writes_are_segments(tmp_path: Path, name: str) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session()
    (repository.path / "data/0" / name).write_bytes(b"x")
    (repository.path / "data" / name).mkdir()
    (directory,) = _segments.directories(str(repository.path))
    found = _segments.files(str(repository.path), directory)
    assert [file.number for file in found] == list(range(repository.last + 1))


def test_a_segment_that_shrank_since_it_was_listed_is_broken(tmp_path: Path) -> None:
    content = MAGIC + entry(0, key(1), b"data")
    file = segment(tmp_path, content)
    (tmp_path / "5").write_bytes(content[:20])
    with pytest.raises(Broken, match="ends inside"):
        walk(file)


def test_an_object_is_read_from_its_place_and_nothing_else(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session([(key(1), b"one"), (key(2), b"two")])
    path = str(repository.path)
    number, offset, _size = repository.objects[key(2)]
    assert _segments.read_object(path, key(2), number, offset, 3) == b"two"
    for wrong in ((key(1), number, offset, 3), (key(2), number, offset + 1, 3), (key(2), number, offset, 2)):
        with pytest.raises(Broken, match="not the object that should be here"):
            _segments.read_object(path, *wrong)
    with pytest.raises(Broken, match="ends inside an entry"):
        _segments.read_object(path, key(2), number, 10_000, 3)
    with pytest.raises(Broken, match="the file is not there"):
        _segments.read_object(path, key(2), 7, offset, 3)
    content = repository.segment(number).read_bytes()
    repository.segment(number).write_bytes(content.replace(b"two", b"tow"))
    with pytest.raises(Broken, match="wrong checksum"):
        _segments.read_object(path, key(2), number, offset, 3)


def test_what_is_no_directory_or_no_plain_file_is_refused(tmp_path: Path) -> None:
    """A link of the repository's user leads to segments of another repository, or to none that stay."""
    repository = FakeRepository(tmp_path / "repo")
    repository.session([(key(1), b"one")])
    path = str(repository.path)
    (directory,) = _segments.directories(path)
    plain = repository.segment(repository.objects[key(1)][0])
    plain.rename(tmp_path / "elsewhere")
    plain.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Broken, match="not a plain file"):
        _segments.files(path, directory)
    plain.unlink()
    (tmp_path / "elsewhere").rename(plain)
    (repository.path / "data/1").symlink_to("0")
    with pytest.raises(NotADirectoryError):
        _segments.directories(path)


@pytest.mark.parametrize(
    "content",
    [
        entry(1, key(1)),  # a deletion that names it
        b"\0\0\0\0" + (40).to_bytes(4, "little") + b"\0" + key(1),  # a size that ends before its data
    ],
)
def test_only_a_put_is_an_object(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data/0").mkdir(parents=True)
    (tmp_path / "data/0/5").write_bytes(MAGIC + content)
    with pytest.raises(Broken, match="not the object that should be here"):
        _segments.read_object(str(tmp_path), key(1), 5, 8, 100)
