# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of calls, and what each policy answers, without a process around it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from borg.repository import Repository
from fake_repository import MANIFEST_ID, FakeRepository, key
from gate_calls import gate_calls
from paranoid_gate.calls import HANDLERS
from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.policy import POLICIES, READ_CALLS

READ = {
    "__len__", "check", "commit_nonce_reservation", "get", "get_free_nonce", "list", "load_key", "negotiate", "open",
    "rollback", "scan",
}  # fmt: skip
ANSWERED = {
    "read": READ,
    "append": READ | {"commit", "delete", "put"},
    "trim": READ | {"commit", "delete", "put"},
    "create": READ | {"commit", "put", "save_key"},
}


def test_policies_answer_these_calls_and_no_other() -> None:
    assert {name: set(policy.calls) for name, policy in POLICIES.items()} == ANSWERED
    assert set(READ_CALLS) == READ


def test_only_one_policy_creates_one_trims_and_two_write() -> None:
    able = {
        ability: {name for name, policy in POLICIES.items() if getattr(policy, ability)}
        for ability in ("may_create", "may_write", "may_trim")
    }
    assert able == {"may_create": {"create"}, "may_write": {"append", "trim"}, "may_trim": {"trim"}}


def test_the_table_has_every_call_with_the_arguments_of_its_handler() -> None:
    assert set(HANDLERS) == set.union(*ANSWERED.values())
    for handler, names in HANDLERS.values():
        assert ("self", *names) == tuple(inspect.signature(handler).parameters)


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"first")])
    return made


@pytest.mark.parametrize(("asked", "expected"), [(0, 0), (7.5, 7.5), (30, 30), (31, 30), (-1, 30), (None, 30)])
def test_a_client_waits_for_the_lock_no_longer_than_half_a_minute(
    repository: FakeRepository, monkeypatch: pytest.MonkeyPatch, asked: float | None, expected: float
) -> None:
    seen = []
    real = Repository.open

    def open_(self: Repository, *arguments: Any, lock_wait: float, **more: Any) -> None:
        seen.append(lock_wait)
        real(self, *arguments, lock_wait=lock_wait, **more)

    monkeypatch.setattr(Repository, "open", open_)
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True, lock_wait=asked)
    assert seen == [expected]


def test_the_repository_is_opened_append_only(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        opened = calls.inside._repository
        assert opened is not None and opened.append_only is True


def test_another_repository_is_not_opened_and_not_locked(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path, repository_id="cd" * 32) as calls:
        with pytest.raises(EndOfConnection, match="not cdcdcd"):
            calls("open", exclusive=True)
        assert not list(repository.path.glob("lock*"))


@pytest.mark.parametrize("method", sorted(READ - {"negotiate", "open", "check", "rollback"}))
def test_what_reads_needs_an_open_repository(repository: FakeRepository, method: str) -> None:
    with gate_calls("read", repository.path) as calls, pytest.raises(EndOfConnection, match="before"):
        calls(method, id=key(1), next_unreserved=2**29, start_nonce=2**28)


@pytest.mark.parametrize("method", ["get", "delete", "put"])
@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), "x" * 32, 7, None])
def test_an_id_is_32_bytes_and_nothing_else(repository: FakeRepository, method: str, wrong: object) -> None:
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="an id that is not 32 bytes"):
            calls(method, id=wrong, data=b"x")


def test_a_connection_opens_one_repository_and_makes_none(repository: FakeRepository) -> None:
    with gate_calls("append", repository.path) as calls:
        with pytest.raises(Refused, match="creating a repository"):
            calls("open", exclusive=True, create=True)
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="opening twice"):
            calls("open", exclusive=True)


def test_a_repository_that_is_there_is_not_made_again(repository: FakeRepository) -> None:
    with gate_calls("create", repository.path) as calls:
        with pytest.raises(Repository.AlreadyExists):
            calls("open", exclusive=True, create=True)
        calls("open", exclusive=True)
        assert calls("__len__") == 2
    assert (repository.path / "config").exists()


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_check_repairs_nothing_and_keeps_its_progress_only_where_something_may_be_written(
    repository: FakeRepository, policy: str
) -> None:
    path, config = repository.path, (repository.path / "config").read_text()
    with gate_calls(policy, path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="check with repair"):
            calls("check", repair=True)
        assert calls("check", max_duration=3600) is True
    assert ((path / "config").read_text() != config) is POLICIES[policy].may_write


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_config_that_is_a_link_is_not_read(repository: FakeRepository, policy: str, tmp_path: Path) -> None:
    """The repository's own user may leave one there, to a file that only the gate's caller may read."""
    (repository.path / "config").rename(tmp_path / "elsewhere")
    (repository.path / "config").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EndOfConnection), gate_calls(policy, repository.path):
        pass


def test_old_clients_are_told_nothing(repository: FakeRepository) -> None:
    with gate_calls("read", repository.path) as calls:
        with pytest.raises(EndOfConnection, match="the client is older than Borg"):
            calls("negotiate", client_data=b"1.0.9")
        assert calls("negotiate", client_data={b"client_version": (1, 4, 0)})["server_version"][:2] == (1, 4)


@pytest.mark.parametrize(("limit", "passes"), [(0, False), (1, True), (100_000, True), (100_001, False)])
@pytest.mark.parametrize("method", ["list", "scan"])
def test_lists_have_a_length(repository: FakeRepository, method: str, limit: int, passes: bool) -> None:
    with gate_calls("read", repository.path) as calls:
        calls("open")
        if passes:
            assert 1 <= len(calls(method, limit=limit)) <= min(limit, 2)
        else:
            with pytest.raises(Refused, match="a list of this length"):
                calls(method, limit=limit)


def test_the_client_is_hung_up_on_at_the_128th_refusal(repository: FakeRepository) -> None:
    with gate_calls("read", repository.path) as calls:
        for _ in range(127):
            with pytest.raises(Refused):
                calls("destroy")
        with pytest.raises(EndOfConnection, match="after 128 refusals"):
            calls("destroy")
        assert [event["event"] for event in calls.events()] == ["refused"]


def test_the_largest_object_is_borgs_and_not_a_byte_more(repository: FakeRepository) -> None:
    largest = 20 * 2**20 - 41
    with gate_calls("append", repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Refused, match="an object of this size"):
            calls("put", id=key(9), data=bytes(largest + 1))
        calls("put", id=key(9), data=bytes(largest))


def test_a_repository_being_made_takes_a_key_a_manifest_and_nothing_after_its_commit(tmp_path: Path) -> None:
    with gate_calls("create", tmp_path) as calls:
        with pytest.raises(Repository.DoesNotExist):
            calls("open", exclusive=True)
        calls("open", exclusive=True, create=True)
        calls("save_key", keydata=b"QUJD")
        with pytest.raises(Refused, match="anything but the first manifest"):
            calls("put", id=key(1), data=b"x")
        calls("put", id=MANIFEST_ID, data=b"x")
        calls("commit", compact=False)
        for method, arguments in (
            ("save_key", {"keydata": b"REVG"}),
            ("put", {"id": MANIFEST_ID, "data": b"y"}),
            ("commit", {"compact": False}),
        ):
            with pytest.raises(Refused, match=f"'create' does not allow: {method}"):
                calls(method, **arguments)
        config = (tmp_path / "config").read_text()
        assert calls("check") is True
        assert (tmp_path / "config").read_text() == config
    assert "QUJD" in config and (tmp_path / "data").is_dir()


def test_a_key_is_stored_once(tmp_path: Path) -> None:
    with gate_calls("create", tmp_path) as calls:
        calls("open", exclusive=True, create=True)
        with pytest.raises(Refused, match="a key of unknown form"):
            calls("save_key", keydata="QUJD")
        calls("save_key", keydata=b"QUJD")
        with pytest.raises(Refused, match="replacing the key"):
            calls("save_key", keydata=b"REVG")
        assert calls("load_key") == b"QUJD"


@pytest.mark.parametrize("policy", ["append", "trim"])
def test_nothing_is_compacted_and_nothing_deleted_that_is_not_there(repository: FakeRepository, policy: str) -> None:
    with gate_calls(policy, repository.path) as calls:
        calls("open", exclusive=True)
        with pytest.raises(Repository.ObjectNotFound):
            calls("delete", id=key(99))
        calls("put", id=key(9), data=b"x")
        with pytest.raises(Refused, match="compaction"):
            calls("commit", compact=True)
        calls("commit", compact=False)


def test_a_key_is_stored_only_under_the_exclusive_lock(tmp_path: Path) -> None:
    with gate_calls("create", tmp_path) as calls:
        calls("open", create=True)
        with pytest.raises(Refused, match="without an exclusive lock"):
            calls("save_key", keydata=b"QUJD")
    assert not list(tmp_path.iterdir())


def test_what_is_being_made_can_be_rolled_back_and_made_after_all(tmp_path: Path) -> None:
    with gate_calls("create", tmp_path) as calls:
        calls("open", exclusive=True, create=True)
        calls("put", id=MANIFEST_ID, data=b"first")
        calls("rollback")
        assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
        calls("put", id=MANIFEST_ID, data=b"second")
        calls("commit", compact=False)
        assert calls("get", id=MANIFEST_ID) == b"second"
