# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate against a client without manners: each refusal, each bound, each way to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from fake_repository import key
from history import disk_use
from hostile import MANIFEST_ID, Closed, Hostile, Refusal
from real import Borg, Gate

NEW = b"n" * 32


@contextmanager
def gate(policy: str, borg: Borg, *options: str) -> Iterator[Gate]:
    running = Gate(policy, borg.repository, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def stored(client: Hostile) -> list[bytes]:
    """Ids of all objects, the manifest's last."""
    return sorted(client.call("list", limit=1000), reverse=True)


def refusal(client: Hostile, method: str, **arguments: Any) -> str:
    with pytest.raises(Refusal) as caught:
        client.call(method, **arguments)
    return caught.value.message


def test_what_is_stored_cannot_be_deleted_or_overwritten(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        for key in stored(running.client)[:-1]:
            assert "deleting what" in refusal(running.client, "delete", id=key)
            assert "overwriting" in refusal(running.client, "put", id=key, data=b"garbage")
        assert "deleting the manifest" in refusal(running.client, "delete", id=MANIFEST_ID)
        end = running.finish()[-1]
    assert end["reason"] is None
    assert end["put"] == end["delete"] == 0
    assert borg.run("read", "check", "--verify-data").returncode == 0


def test_own_objects_may_be_deleted_and_replaced_also_after_a_commit(borg: Borg) -> None:
    with gate("append", borg) as running:
        client = running.client
        client.hello()
        for _ in range(2):
            client.call("put", id=NEW, data=b"first")
            client.call("put", id=NEW, data=b"second")
            client.call("commit", compact=False)
        assert client.call("get", id=NEW) == b"second"
        client.call("delete", id=NEW)
        client.call("commit", compact=False)
        events = running.finish()
    assert [event["event"] for event in events].count("commit") == 3


def test_what_a_connection_has_put_is_history_for_the_next(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        running.client.call("put", id=NEW, data=b"mine")
        running.client.call("commit", compact=False)
        running.finish()
    with gate("append", borg) as running:
        running.client.hello()
        assert "deleting what" in refusal(running.client, "delete", id=NEW)


UNLISTED = ("destroy", "break_lock", "save_key", "inject_exception", "__init__", "close", "io")


@pytest.mark.parametrize("policy", ["append", "read", "trim", "create"])
def test_unlisted_calls_are_refused(borg: Borg, policy: str) -> None:
    with gate(policy, borg) as running:
        running.client.hello()
        for method in UNLISTED:
            said = refusal(running.client, method, keydata=b"x", kind=b"divide")
            assert f"'{policy}' does not allow: {method}" in said


def test_writing_needs_the_exclusive_lock(borg: Borg) -> None:
    for options in ({"lock": False}, {"exclusive": False}, {"exclusive": None}):
        with gate("append", borg) as running:
            running.client.hello(**options)
            for method, arguments in (
                ("put", {"id": NEW, "data": b""}),
                ("commit", {"compact": False}),
                ("check", {}),
                ("commit_nonce_reservation", {"next_unreserved": 2**30, "start_nonce": None}),
            ):
                assert "exclusive lock" in refusal(running.client, method, **arguments)
            assert running.client.call("list", limit=10)


def test_two_connections_do_not_write_together(borg: Borg) -> None:
    with gate("append", borg) as first, gate("append", borg) as second:
        first.client.hello()
        second.client.negotiate()
        with pytest.raises(Refusal) as caught:
            second.client.open(lock_wait=0)
        assert caught.value.kind == "LockTimeout"


def test_open_has_one_repository_and_one_try(borg: Borg, tmp_path: Path) -> None:
    with gate("append", borg) as running:
        identity = running.client.hello(path=str(tmp_path / "elsewhere"), make_parent_dirs=True)
        assert f"id = {identity.hex()}" in (borg.repository / "config").read_text()
        assert "opening twice" in refusal(running.client, "open", path="/")
        assert not (tmp_path / "elsewhere").exists()
    with gate("append", borg) as running:
        running.client.negotiate()
        assert "creating" in refusal(running.client, "open", path="/x", create=True)


def test_nonces_only_move_forward_and_not_far(borg: Borg) -> None:
    with gate("append", borg) as running:
        client = running.client
        client.hello()
        free = client.call("get_free_nonce")
        for wrong in (free, free - 1, 0, -1, free + 2**41, 2**64 - 2, b"1", None):
            assert "nonce" in refusal(client, "commit_nonce_reservation", next_unreserved=wrong, start_nonce=free)
        steps = [free + 2**28, free + 2**39, free + 2**40]
        for before, after in zip([free, *steps], steps, strict=False):
            client.call("commit_nonce_reservation", next_unreserved=after, start_nonce=before)
        assert "nonce" in refusal(
            client, "commit_nonce_reservation", next_unreserved=free + 2**40 + 2**28, start_nonce=free + 2**40
        )


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("get", {"id": b"short"}),
    ("get", {}),
    ("delete", {"id": b"x" * 33}),
    ("put", {"id": 7, "data": b""}),
    ("put", {"id": NEW, "data": 7}),
    ("put", {"id": NEW}),
    ("list", {"limit": 0}),
    ("list", {"limit": 10**9}),
    ("list", {"marker": b"x"}),
    ("scan", {"limit": -1}),
    ("scan", {"marker": b"x" * 32}),
    ("check", {"repair": True}),
    ("check", {"max_duration": b"x"}),
    ("commit", {}),
    ("commit", {"compact": True}),
    ("commit", {"compact": False}),
    ("open", {}),
]


def test_wrong_arguments_are_answered_and_harm_nothing(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        before = stored(running.client)
        for method, arguments in WRONG:
            refusal(running.client, method, **arguments)
            assert stored(running.client) == before, (method, arguments)
        end = running.finish()[-1]
    assert (end["reason"], end["put"], end["delete"], end["commits"]) == (None, 0, 0, 0)


def test_an_ignored_quota_ends_the_connection_and_leaves_nothing(borg: Borg) -> None:
    used = sum(path.stat().st_size for path in borg.repository.rglob("*"))
    with gate("append", borg, "--quota", str(used + 2_000_000)) as running:
        running.client.hello()
        with pytest.raises(Closed):
            for number in range(400):
                running.client.post("put", id=number.to_bytes(32, "big")[::-1], data=bytes(100_000))
        running.wait_closed()
        end = running.finish()[-1]
    assert end["reason"] == "quota"
    assert end["put"] < 21
    assert sum(path.stat().st_size for path in borg.repository.rglob("*")) <= used
    assert borg.run("read", "check").returncode == 0


def test_quota_counts_empty_commits_and_tiny_manifests(borg: Borg) -> None:
    used = sum(path.stat().st_size for path in borg.repository.rglob("*"))
    with gate("append", borg, "--quota", str(used + 1_000_000)) as running:
        running.client.hello()
        with pytest.raises(Refusal) as caught:
            for _ in range(1000):
                running.client.call("put", id=MANIFEST_ID, data=b"x")
                running.client.call("commit", compact=False)
        assert caught.value.kind == "StorageQuotaExceeded"
        assert refusal(running.client, "commit", compact=False).startswith("The storage quota")


@pytest.mark.parametrize("kind", ["empty objects", "objects that come and go"])
def test_quota_counts_what_the_repository_remembers_of_objects(borg: Borg, kind: str) -> None:
    """An empty object takes more room in the index than in its segment, one that is gone more in the hints."""
    quota = disk_use(borg.repository) + 500_000
    with gate("append", borg, "--quota", str(quota)) as running, suppress(Refusal, Closed):
        running.client.hello()
        objects = running.client.call("__len__")
        for number in range(1, 50_000):
            running.client.call("put", id=key(number), data=b"")
            objects += 1
            if kind != "empty objects":
                running.client.call("delete", id=key(number))
            if number % 1000 == 0:
                running.client.call("commit", compact=False)
    assert disk_use(borg.repository) <= quota
    assert quota - 300_000 < objects * 512 <= quota + 512, "the memory that they take is at the quota, too"


def test_commit_after_a_refused_quota_is_refused(borg: Borg) -> None:
    with gate("append", borg, "--quota", "1") as running:
        running.client.hello()
        for method, arguments in (("put", {"id": NEW, "data": b"x"}), ("commit", {"compact": False})):
            with pytest.raises(Refusal) as caught:
                running.client.call(method, **arguments)
            assert caught.value.kind == "StorageQuotaExceeded"
        assert running.finish()[-1]["commits"] == 0


def test_trim_counts_the_objects_that_it_deletes(borg: Borg) -> None:
    with gate("trim", borg, "--max-objects", "3", "--max-bytes", "1000000", "--max-archives", "1") as running:
        client = running.client
        client.hello()
        keys = stored(client)
        for key in keys[:3]:
            client.call("delete", id=key)
        assert "storing again" in refusal(client, "put", id=keys[0], data=b"other")
        assert "more than 3 objects" in refusal(client, "delete", id=keys[3])
        assert "more than 3 objects" in refusal(client, "commit", compact=False)
        running.finish()
    assert borg.run("read", "check").returncode == 0


@pytest.mark.parametrize(("short", "passes"), [(1, False), (0, True)])
def test_trim_counts_the_bytes_that_it_deletes(borg: Borg, short: int, passes: bool) -> None:
    """Both objects are what it says on the disk: 41 bytes and the data."""
    with gate("read", borg) as running:
        running.client.hello()
        first, second = stored(running.client)[:2]
        limit = sum(41 + len(running.client.call("get", id=key)) for key in (first, second)) - short
        running.finish()
    with gate("trim", borg, "--max-objects", "9", "--max-bytes", str(limit), "--max-archives", "1") as running:
        running.client.hello()
        running.client.call("delete", id=first)
        if passes:
            running.client.call("delete", id=second)
        else:
            assert f"or {limit} bytes" in refusal(running.client, "delete", id=second)
            assert f"or {limit} bytes" in refusal(running.client, "commit", compact=False)
        assert running.finish()[-1]["delete"] == (2 if passes else 1)


def test_trim_refuses_a_manifest_of_half_the_size(borg: Borg) -> None:
    with gate("trim", borg, "--max-objects", "3", "--max-archives", "1") as running:
        running.client.hello()
        size = len(running.client.call("get", id=MANIFEST_ID))
        floor = (size - 128) // 2
        assert "loses more than 1 archives" in refusal(running.client, "put", id=MANIFEST_ID, data=bytes(floor - 1))
        running.client.call("rollback")
        running.client.call("put", id=MANIFEST_ID, data=bytes(floor))


def test_save_key_takes_nothing_that_config_could_read_as_a_line(tmp_path: Path) -> None:
    borg = Borg.make(tmp_path)
    with gate("create", borg) as running:
        running.client.hello(create=True)
        for key in (b"", b"abc\rappend_only = 0", b"abc\n\n[x]", b"abc\n=\x0b", b"a = b", b"\xff", b"A" * 40_000):
            assert "does not allow" in refusal(running.client, "save_key", keydata=key)
        running.client.call("save_key", keydata=b"QUJD\nREVG")
        assert "replacing" in refusal(running.client, "save_key", keydata=b"QUJD")
        assert "anything but the first manifest" in refusal(running.client, "put", id=NEW, data=b"")
        assert running.client.call("load_key").split() == [b"QUJD", b"REVG"]


def test_create_without_a_commit_leaves_an_empty_directory(tmp_path: Path) -> None:
    borg = Borg.make(tmp_path)
    with gate("create", borg) as running:
        running.client.hello(create=True)
        running.client.call("save_key", keydata=b"QUJD")
        running.client.call("put", id=MANIFEST_ID, data=b"x")
        running.finish()
    assert not list(borg.repository.iterdir())


def test_create_reads_after_its_commit(tmp_path: Path) -> None:
    borg = Borg.make(tmp_path)
    with gate("create", borg) as running:
        running.client.hello(create=True)
        running.client.call("put", id=MANIFEST_ID, data=b"x")
        running.client.call("commit", compact=False)
        assert "'create' does not allow: put" in refusal(running.client, "put", id=MANIFEST_ID, data=b"y")
        assert running.client.call("get", id=MANIFEST_ID) == b"x"


def test_check_keeps_its_progress_only_where_writing_is_allowed(borg: Borg) -> None:
    for policy, kept in (("read", False), ("append", True)):
        with gate(policy, borg) as running:
            running.client.hello()
            assert running.client.call("check", repair=False, max_duration=1e-9) is True
            running.finish()
        assert ("last_segment_checked" in (borg.repository / "config").read_text()) is kept


def _map(depth: int) -> bytes:
    return b"\x81\xa1a" * depth + b"\xc0"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00",
        b"GET / HTTP/1.0\r\n\r\n",
        bytes(range(256)),
        msgpack.packb({"i": 1, "m": "get"}),
        msgpack.packb({"i": -1, "m": "get", "a": {}}),
        msgpack.packb({"i": 1, "m": 5, "a": {}}),
        msgpack.packb({"i": 1, "m": "g" * 65, "a": {}}),
        msgpack.packb({"i": 1, "m": "get", "a": {1: 2}}),
        msgpack.packb({"i": 1, "m": b"\xff", "a": {}}),
        msgpack.packb([1, 1, "get", [b"x" * 32]]),
        msgpack.packb([]),
        msgpack.packb({"i": 1, "m": "get", "a": {str(n): n for n in range(40)}}),
        msgpack.packb({"i": 1, "m": "get", "a": {"id": {"x": {"y": {"z": 1}}}}}),
        _map(5),
        _map(100_000),
        b"\xdd\xff\xff\xff\xff",
        b"\xc9\x00\x00\x00\x01\x05x",
    ],
    ids=range(17),
)
def test_rubbish_ends_the_connection(borg: Borg, rubbish: bytes) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        running.client.send(rubbish)
        running.wait_closed()
        assert running.finish()[-1]["reason"] == "protocol"
        assert running.process.returncode == 1


def test_calls_before_open_end_the_connection(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.negotiate()
        running.client.post("get", id=NEW)
        running.wait_closed()
        assert running.finish()[-1]["reason"] == "protocol"


@pytest.mark.parametrize("length", [b"\xdb\x7f\xff\xff\xff", b"\xdb\x01\x40\x00\x00"], ids=["2 GiB", "20 MiB"])
def test_a_message_too_long_needs_little_memory(borg: Borg, length: bytes) -> None:
    head = b"\x83\xa1i\x01\xa1m\xa3put\xa1a\x82\xa2id\xa1x\xa4data"
    with gate("append", borg) as running:
        running.client.hello()
        peak = running.peak_memory()
        with pytest.raises(Closed):
            running.client.send(head + length)
            for _ in range(400):
                running.client.send(bytes(2**20))
                peak = max(peak, running.peak_memory())
        running.wait_closed()
        end = running.finish()[-1]
    assert end["reason"] == "protocol"
    assert end["received"] < 23 * 2**20 and end["refused"] == 0, "it was taken for a message"
    assert 10 * 2**20 < peak < 200 * 2**20


def test_half_a_message_and_silence_ends_with_the_signal(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        running.client.call("put", id=NEW, data=b"x")
        running.client.send(b"\x83\xa1i\x01\xa1m")
        started = time.monotonic()
        running.stop()
        running.wait_closed()
        assert time.monotonic() - started < 10
        assert running.finish()[-1]["reason"] == "error"
    assert not list(borg.repository.glob("lock.*"))
    assert borg.run("append", "create", "::three", "tree").returncode == 0


def test_a_killed_gate_leaves_a_repository_that_works(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        for number in range(1, 50):
            running.client.call("put", id=number.to_bytes(32, "big"), data=os.urandom(1000))
        running.stop(signal.SIGKILL)
        running.process.wait()
    assert list(borg.repository.glob("lock.*"))
    assert borg.run("append", "create", "::three", "tree").returncode == 0
    assert borg.run("read", "check", "--verify-data").returncode == 0


def test_what_is_not_committed_is_gone_at_the_end(borg: Borg) -> None:
    before = sorted(path for path in borg.repository.rglob("*"))
    with gate("append", borg) as running:
        running.client.hello()
        running.client.call("put", id=NEW, data=b"x" * 100_000)
        running.finish()
    assert sorted(path for path in borg.repository.rglob("*")) == before


def test_deaf_clients_are_hung_up_on(borg: Borg) -> None:
    with gate("read", borg) as running:
        running.client.hello()
        with pytest.raises(Closed):
            for _ in range(2000):
                running.client.post("put", id=NEW, data=b"")
                with suppress(Refusal):
                    running.client.receive()
        events = running.finish()
    assert events[-1]["reason"] == "protocol"
    assert [event["event"] for event in events].count("refused") == 1


def test_errors_tell_nothing_about_the_server(borg: Borg) -> None:
    with gate("append", borg) as running:
        running.client.hello()
        message = refusal(running.client, "get", id=NEW)
        assert str(borg.repository) not in message


@pytest.mark.parametrize("kind", ["missing", "file", "link", "config-link", "config-broken"])
def test_only_a_real_repository_is_served(borg: Borg, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("x")
    elif kind == "link":
        place.symlink_to(borg.repository)
    elif kind.startswith("config"):
        place = borg.repository
        (place / "config").rename(tmp_path / "config")
        if kind == "config-link":
            (place / "config").symlink_to(tmp_path / "config")
        else:
            (place / "config").write_bytes(b"[repository]\nid = zz\n\xff")
    running = Gate("append", place)
    running.wait_closed()
    end = running.finish()[-1]
    assert (end["event"], end["reason"]) == ("end", "error")


def test_a_client_that_leaves_while_it_waits_for_the_lock_takes_its_gate_along(borg: Borg) -> None:
    with gate("append", borg) as holder, gate("append", borg) as waiting:
        holder.client.hello()
        waiting.client.negotiate()
        waiting.client.post("open", path="/x", exclusive=True, lock_wait=30)
        time.sleep(0.5)
        started = time.monotonic()
        events = waiting.finish()
        assert time.monotonic() - started < 15
        assert events[-1]["reason"] == "error"
