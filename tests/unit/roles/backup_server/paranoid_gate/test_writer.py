# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection writes, and what stays out of its reach, also where the server's disk or Borg itself fails."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from borg.helpers import IntegrityError
from borg.repository import Repository
from fake_repository import MANIFEST_ID, FakeRepository, key
from gate_calls import gate_calls
from history import disk_use
from paranoid_gate.errors import Refused
from paranoid_gate.events import Report
from paranoid_gate.kept import Kept
from paranoid_gate.policy import Budget
from paranoid_gate.quota import Space

OLD = key(1)


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(number), os.urandom(100 * number)) for number in range(1, 5)])
    return made


def segments(repository: FakeRepository) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repository.path / "data").rglob("*") if path.is_file()}


def stored_size(repository: FakeRepository, number: int) -> int:
    return repository.objects[key(number)][2]


def trim(objects: int = 9, size: int = 10**6, archives: int = 1) -> Budget:
    return Budget(objects, size, archives)


@pytest.mark.parametrize(("short", "passes"), [(1, False), (0, True)])
def test_the_bytes_of_a_trim_are_exact(repository: FakeRepository, short: int, passes: bool) -> None:
    limit = stored_size(repository, 1) + stored_size(repository, 4) - short
    with gate_calls("trim", repository.path, budget=trim(size=limit)) as calls:
        calls("open", exclusive=True)
        calls("delete", id=key(1))
        if passes:
            calls("delete", id=key(4))
            calls("commit", compact=False)
        else:
            for method, arguments in (("delete", {"id": key(4)}), ("commit", {"compact": False})):
                with pytest.raises(Refused, match=f"deleting more than 9 objects or {limit} bytes"):
                    calls(method, **arguments)
    with gate_calls("read", repository.path) as calls:
        calls("open")
        assert calls("__len__") == (3 if passes else 5)


def test_a_transaction_that_went_too_far_can_only_be_rolled_back(repository: FakeRepository) -> None:
    with gate_calls("trim", repository.path, budget=trim(objects=1)) as calls:
        calls("open", exclusive=True)
        calls("delete", id=key(1))
        with pytest.raises(Refused, match="deleting more than 1 objects"):
            calls("delete", id=key(2))
        for method, arguments in (
            ("put", {"id": key(9), "data": b"x"}),
            ("delete", {"id": key(1)}),
            ("commit", {"compact": False}),
        ):
            with pytest.raises(Refused, match="deleting more than 1 objects"):
                calls(method, **arguments)
        calls("rollback")
        assert calls("__len__") == 5
        calls("put", id=key(9), data=b"x")
        calls("commit", compact=False)
        with pytest.raises(Refused, match="deleting more than 1 objects"):
            calls("delete", id=key(2))


def test_a_session_deletes_its_own_objects_free_of_charge(repository: FakeRepository) -> None:
    with gate_calls("trim", repository.path, budget=trim(objects=1)) as calls:
        calls("open", exclusive=True)
        calls("delete", id=key(1))
        calls("put", id=key(9), data=b"x")
        calls("delete", id=key(9))
        calls("put", id=key(9), data=b"y")
        calls("commit", compact=False)


def test_what_was_deleted_is_not_stored_again_in_the_next_transaction_either(repository: FakeRepository) -> None:
    with gate_calls("trim", repository.path, budget=trim()) as calls:
        calls("open", exclusive=True)
        calls("delete", id=key(1))
        calls("commit", compact=False)
        with pytest.raises(Refused, match="storing again"):
            calls("put", id=key(1), data=b"other")


@pytest.mark.parametrize(("archives", "floor"), [(1, (500 - 128) // 2), (3, (500 - 384) // 2)])
def test_a_manifest_that_lost_too_much_dooms_the_transaction(
    repository: FakeRepository, archives: int, floor: int
) -> None:
    """The stored one has 500 bytes."""
    with gate_calls("trim", repository.path, budget=trim(archives=archives)) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match=f"loses more than {archives} archives"):
            calls("put", id=MANIFEST_ID, data=bytes(floor - 1))
        with pytest.raises(Refused, match=f"loses more than {archives} archives"):
            calls("commit", compact=False)
        calls("rollback")
        calls("put", id=MANIFEST_ID, data=bytes(floor))
        calls("commit", compact=False)


def test_the_floor_of_the_manifest_does_not_sink_with_each_commit(repository: FakeRepository) -> None:
    """Else a client halves the list of archives, commits, and halves it again."""
    floor = (500 - 128) // 2
    with gate_calls("trim", repository.path, budget=trim()) as calls:
        calls("open", exclusive=True)
        calls("put", id=MANIFEST_ID, data=bytes(floor))
        calls("commit", compact=False)
        with pytest.raises(Refused, match="loses more than 1 archives"):
            calls("put", id=MANIFEST_ID, data=bytes(floor - 1))


@pytest.mark.parametrize("by", ["its id", "its place"])
def test_what_must_stay_dooms_the_transaction_that_deletes_it(repository: FakeRepository, by: str) -> None:
    segment, offset, _size = repository.objects[OLD]
    place = (((segment, offset), (segment, offset + 1)),)
    kept = Kept(frozenset([OLD])) if by == "its id" else Kept(frozenset(), place)
    with gate_calls("trim", repository.path, budget=trim(), kept=kept) as calls:
        calls("open", exclusive=True)
        calls("delete", id=key(2))
        for method, arguments in (("delete", {"id": OLD}), ("commit", {"compact": False})):
            with pytest.raises(Refused, match="an archive that stays"):
                calls(method, **arguments)
        calls("rollback")
        assert calls("__len__") == 5


def test_a_refused_deletion_dooms_nothing(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="deleting what is already stored"):
            calls("delete", id=OLD)
        with pytest.raises(Refused, match="deleting the manifest"):
            calls("delete", id=MANIFEST_ID)
        calls("put", id=key(9), data=b"x")
        calls("commit", compact=False)


def test_a_later_connection_of_a_session_owns_what_came_from_its_first_segment_on(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        calls("put", id=key(9), data=b"x")
        calls("commit", compact=False)
        (begin,) = [event["first_segment"] for event in calls.events() if event["event"] == "begin"]
    for first, owned in ((begin, True), (begin + 1, False), (0, True)):
        with gate_calls("append", repository.path, first_segment=first) as calls:
            calls("open", exclusive=True)
            with suppress(Refused):
                calls("delete", id=key(9))
                assert owned
            if first == begin:
                with pytest.raises(Refused):
                    calls("delete", id=OLD)
            assert not [event for event in calls.events() if event["event"] == "begin"], "the first one said so"


def test_what_the_quota_refuses_leaves_the_transaction_doomed(repository: FakeRepository) -> None:
    used = disk_use(repository.path)
    with gate_calls("append", repository.path, quota=used + 40_000) as calls:
        calls("open", exclusive=True)
        calls("put", id=key(9), data=bytes(10_000))
        with pytest.raises(Repository.StorageQuotaExceeded):
            calls("put", id=key(10), data=bytes(40_000))
        with pytest.raises(Repository.StorageQuotaExceeded):
            calls("put", id=key(11), data=b"")
        with pytest.raises(Repository.StorageQuotaExceeded):
            calls("commit", compact=False)
        assert calls.inside.over_quota
    assert disk_use(repository.path) <= used


def test_nonces_go_by_what_this_connection_received(repository: FakeRepository) -> None:
    free = 2**28
    with gate_calls("append", repository.path) as calls:
        counts = calls.inside._report.counts
        counts.received = 1600
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="moving the nonce"):
            calls("commit_nonce_reservation", next_unreserved=free + 2**40 + 1, start_nonce=free)
        counts.received += 16
        calls("commit_nonce_reservation", next_unreserved=free + 2**40 + 1, start_nonce=free)
        assert calls("get_free_nonce") == free + 2**40 + 1


@pytest.mark.parametrize(
    ("method", "arguments", "cost"),
    [
        ("put", {"id": key(9), "data": bytes(100)}, 41 + 41 + 48 + 100),  # the object, and that another one is gone
        ("put", {"id": key(10), "data": bytes(100)}, 41 + 100),
        ("put", {"id": MANIFEST_ID, "data": bytes(100)}, 41 + 41 + 100 + 2 * 4096),
        ("delete", {"id": key(9)}, 41 + 48),
        ("commit", {"compact": False}, 9 + 2 * 4096),  # two files end
    ],
)
def test_what_a_call_costs(repository: FakeRepository, method: str, arguments: dict[str, Any], cost: int) -> None:
    with gate_calls("append", repository.path, quota=10**9) as calls:
        calls("open", exclusive=True)
        calls("put", id=key(9), data=b"first")
        writer = calls.inside._writer
        assert writer is not None
        before = writer._space._used
        calls(method, **arguments)
        assert writer._space._used - before == cost


def test_a_commit_of_nothing_is_refused(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="a commit of nothing"):
            calls("commit", compact=False)


def test_a_commit_tells_its_transaction(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        calls("put", id=key(9), data=b"x")
        calls("commit", compact=False)
        told = [event["transaction"] for event in calls.events() if event["event"] == "commit"]
    assert (repository.path / f"index.{told[0]}").exists() and len(told) == 1


@pytest.mark.parametrize(
    ("keydata", "passes"),
    [
        (b"A" * 256, True),
        (b"A" * 257, False),
        (b"\n".join([b"A" * 255] * 128), True),
        (b"\n".join([b"A" * 255] * 129), False),
        (b"QUJD\n", True),
        (b"QUJD\n\n", False),
        (b"\nQUJD", False),
        (b"QU JD", False),
    ],
)
def test_the_form_of_a_key(tmp_path: Path, keydata: bytes, passes: bool) -> None:
    with gate_calls("create", tmp_path) as calls:
        calls("open", exclusive=True, create=True)
        if passes:
            calls("save_key", keydata=keydata)
        else:
            with pytest.raises(Refused, match="a key of unknown form"):
                calls("save_key", keydata=keydata)


@pytest.mark.parametrize("policy", ["append", "trim"])
def test_what_is_stored_again_is_left_as_it_is(repository: FakeRepository, policy: str) -> None:
    """Of the same id and size it may be the same, packed anew; of another size it is something else."""
    before = segments(repository)
    with gate_calls(policy, repository.path, budget=trim() if policy == "trim" else Budget()) as calls:
        calls("open", exclusive=True)
        calls("put", id=OLD, data=bytes(100))
        calls("put", id=key(99), data=b"new")
        calls("commit", compact=False)
        assert calls("get", id=OLD) != bytes(100)
        for size in (99, 101, 0):
            with pytest.raises(Refused, match="overwriting what is already stored"):
                calls("put", id=OLD, data=bytes(size))
    now = segments(repository)
    assert {name: now[name] for name in before} == before
    assert not any(OLD in content for name, content in now.items() if name not in before)


def test_a_nonce_moves_from_where_it_is(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        free = calls("get_free_nonce")
        for start in (None, 0, free - 1, free + 1):
            with pytest.raises(Refused, match=f"moving the nonce from {start}, but it is {free}"):
                calls("commit_nonce_reservation", next_unreserved=free + 5, start_nonce=start)
        assert calls("get_free_nonce") == free


def test_a_check_that_fails_opens_no_way_to_history(
    repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Borg's check works on an empty index; what ends it early must not leave that to the calls after it."""

    def check(self: Repository, **_: object) -> bool:
        self.prepare_txn(None)
        raise MemoryError

    monkeypatch.setattr(Repository, "check", check)
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(MemoryError):
            calls("check")
        with pytest.raises(Refused, match="overwriting what is already stored"):
            calls("put", id=OLD, data=b"other")
        with pytest.raises(Refused, match="deleting what is already stored"):
            calls("delete", id=OLD)


@pytest.mark.parametrize("method", ["get", "list", "__len__"])
def test_a_read_that_fails_opens_no_way_to_history(
    repository: FakeRepository, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Borg replays in a transaction; what ends that early leaves an index of which nothing is true."""

    def open_index(self: Repository, *_arguments: object) -> None:
        monkeypatch.undo()
        self.prepare_txn(None)
        raise IntegrityError("broken")

    monkeypatch.setattr(Repository, "open_index", open_index)
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(IntegrityError):
            calls(method, **({"id": OLD} if method == "get" else {}))
        with pytest.raises(Refused, match="a commit of nothing"):
            calls("commit", compact=False)
        with pytest.raises(Refused, match="overwriting what is already stored"):
            calls("put", id=OLD, data=b"other")
        with pytest.raises(Refused, match="deleting what is already stored"):
            calls("delete", id=OLD)


def test_a_beginning_that_fails_makes_everything_history(
    repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is known what came first, nothing is this session's own."""
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(Report, "record_begin", lambda *_: (_ for _ in ()).throw(MemoryError))
            patch.setattr(Space, "measure", lambda *_: (_ for _ in ()).throw(MemoryError))
            calls("put", id=key(9), data=b"x")
        for method, more in (("put", {"data": b"x"}), ("delete", {})):
            with pytest.raises(Refused, match="already stored"):
                calls(method, id=OLD, **more)


@pytest.mark.parametrize("deleted", [False, True])
def test_objects_cost_memory_whether_they_are_there_or_were(repository: FakeRepository, deleted: bool) -> None:
    """The quota has room for all bytes, and for the memory of 400 objects; five are there."""
    with gate_calls("append", repository.path, quota=400 * 512) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Repository.StorageQuotaExceeded):
            for number in range(10, 500):
                calls("put", id=key(number), data=b"")
                if deleted:
                    calls("delete", id=key(number))
        counts = calls.inside._report.counts
        assert counts.put == 396, "the first one beyond is told of by the next call"


@pytest.mark.parametrize("method", ["put", "check"])
def test_segments_without_any_commit_are_left_to_a_person(repository: FakeRepository, method: str) -> None:
    """A repository whose commits cannot be read is damaged, not empty."""
    (repository.segment(repository.last)).unlink()
    for name in ("index", "hints"):
        next(repository.path.glob(f"{name}.*")).unlink()
    before = segments(repository)
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with suppress(OSError):
            calls("check") if method == "check" else calls("put", id=MANIFEST_ID, data=b"x")
    after = segments(repository)
    assert {name: after.get(name) for name in before} == before
