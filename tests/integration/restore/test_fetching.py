# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks come in their order and are asked for ahead; one that is not there costs its file, and no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import borg.remote
import pytest
from borg.repository import Repository
from paranoid_restore import repository, working
from paranoid_restore.repository import Source
from restore_world import LIB


@dataclass
class Remote:
    """Borg's remote repository, as far as fetching goes: it answers what was asked for, in that order."""

    missing: frozenset[bytes]
    msgid: int = 0
    chunkid_to_msgids: dict[bytes, list[int]] = field(default_factory=dict)
    asked: int = 0
    answered: int = 0

    @property
    def to_send(self) -> SimpleNamespace:
        """Borg's queue of what is to be sent."""
        return SimpleNamespace(push_back=self._push)

    def _push(self, data: bytes) -> None:
        self.asked += 1

    def get_many(self, identifiers: list[bytes], is_preloaded: bool) -> Iterator[bytes]:
        """Yield what was asked for before; what was is passed over after an error, as Borg does."""
        assert is_preloaded
        numbers = [self.chunkid_to_msgids[identifier].pop(0) for identifier in identifiers]
        assert numbers == sorted(numbers)
        for identifier in identifiers:
            self.answered += 1
            if identifier in self.missing:
                raise Repository.ObjectNotFound(identifier, "here")
            yield b"content of " + identifier


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "GROUP_CHUNKS", 4)


def fetch(remote: Remote, names: list[bytes]) -> list[tuple[bytes, bytes | None]]:
    source = Source.__new__(Source)
    source._repository = remote
    return list(source.fetch(SimpleNamespace(id=name, size=1) for name in names))


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("count", [0, 1, 4, 5, 23])
@pytest.mark.parametrize("missing", [(), (0,), (3,), (2, 3, 7)])
def test_each_comes_in_its_order(count: int, missing: tuple[int, ...]) -> None:
    names = [b"%d" % (number % 19) for number in range(count)]
    lost = frozenset(names[number] for number in missing if number < count)
    remote = Remote(lost)
    assert fetch(remote, names) == [(n, None if n in lost else b"content of " + n) for n in names]
    assert not any(remote.chunkid_to_msgids.values()), "what was asked for is all taken"


@pytest.mark.parametrize(
    ("size", "chunks"), [(1, repository.AHEAD_CHUNKS), (repository.GROUP_BYTES, 8), (2 * repository.GROUP_BYTES, 4)]
)
def test_those_behind_are_asked_for_before_the_first_has_come_and_not_all_at_once(size: int, chunks: int) -> None:
    """128 MiB are what a line of 200 ms holds at 640 MiB a second; Borg's own way is to ask for all there are."""
    remote = Remote(frozenset())
    source = Source.__new__(Source)
    source._repository = remote
    stream = source.fetch(SimpleNamespace(id=b"%d" % number, size=size) for number in range(9000))
    next(stream)
    assert (remote.asked, remote.answered) == (chunks, 1)


@pytest.mark.parametrize(
    ("count", "opening", "sizes"),
    [
        (0, 0.1, []),
        (1_500, 0.1, [1_500]),  # 94 MiB as long as 0.4 s
        (2_000, 0.1, [1_205, 795]),  # 26 MiB come before the other is there
        (10_000, 0.1, [3_607, 3_197, 3_196]),
        (10_000, 1.0, [10_000]),  # so long takes the opening at 150 ms
        (20_000, 1.0, [12_048, 7_952]),
        (10_000, 0.0, [3_334, 3_333, 3_333]),
    ],
)
def test_another_connection_is_opened_where_it_brings_more_than_its_opening(
    count: int, opening: float, sizes: list[int]
) -> None:
    steps = [SimpleNamespace(size=0, path=str(number)) for number in range(count)]
    found = working.split(steps, 3, opening)  # type: ignore[arg-type]
    assert [len(part) for part in found] == sizes
    assert [step for part in found for step in part] == steps


FAULTS = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
from borg.constants import BUFSIZE
from paranoid_restore import repository
repository._keep_memory()
into, out = os.pipe()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _turn in range(200):
    os.write(out, bytes(65536))
    os.read(into, BUFSIZE)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_what_a_read_took_is_used_for_the_next_one() -> None:
    """Otherwise each of 200 has its 16 pages fetched from the system anew, and given back."""
    done = subprocess.run([sys.executable, "-I", "-c", FAULTS, LIB], stdout=subprocess.PIPE, text=True, check=True)
    assert int(done.stdout) < 200 * 16 / 4


def test_an_end_in_the_middle_waits_for_nothing_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C on a slow line: what was asked for ahead would come first."""
    ended = []

    class Under:
        def __enter__(self) -> Under:
            return self

        def __exit__(self, *_why: object) -> None:
            ended.append("rollback")

        def close(self) -> None:
            ended.append("close")

    monkeypatch.setattr(borg.remote, "MAX_INFLIGHT", 100)
    monkeypatch.setattr(borg.remote, "RemoteRepository", lambda *_all, **_more: Under())
    monkeypatch.setattr(repository, "Source", lambda *_all: None)
    monkeypatch.setattr(repository, "setup_logging", lambda **_more: None)
    with pytest.raises(KeyboardInterrupt), repository.opened("ssh://server/repo"):
        raise KeyboardInterrupt
    assert ended == ["close"]
