# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random calls and random bytes against the gate's own classes, without a process around them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from borg.logger import setup_logging
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paranoid_gate.calls import Calls
from paranoid_gate.errors import EndOfConnection
from paranoid_gate.events import Report
from paranoid_gate.policy import POLICIES, Options
from paranoid_gate.rpc import Reader, pack_error, pack_result
from real import Borg

_IDS = st.one_of(st.binary(min_size=32, max_size=32), st.just(bytes(32)), st.just(b"n" * 32), st.binary(max_size=33))
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), _IDS)
_METHODS = st.sampled_from([*sorted(POLICIES["append"].calls - {"check"}), "destroy", "save_key", "x"])
_NAMES = ("id", "data", "limit", "marker", "compact", "lock", "exclusive", "next_unreserved", "start_nonce", "create")
_CALL = st.tuples(_METHODS, st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=3))
_PUT = st.tuples(st.just("put"), st.fixed_dictionaries({"id": _IDS, "data": st.binary(max_size=50)}))
_BUDGET = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared(origin: Borg, tmp_path_factory: pytest.TempPathFactory) -> Borg:
    setup_logging(stream=sys.stderr, env_var=None, level="critical")
    return origin.copy(tmp_path_factory.mktemp("fuzz") / "copy")


def drive(repository: Path, policy: str, data: bytes) -> str | None:
    """Feed ``data`` to a gate's insides and return how it ends."""
    with open(os.devnull, "wb") as nowhere:
        calls = Calls(Options(POLICIES[policy], str(repository), quota=10**9), Report(nowhere.fileno()))
        try:
            for message in Reader().feed(data):
                try:
                    answer = pack_result(message, calls.answer(message.method, message.arguments))
                except EndOfConnection:
                    raise
                except Exception as error:
                    answer = pack_error(message, error, str(repository))
                assert answer
        except EndOfConnection as end:
            return end.reason
        finally:
            calls.close()
    return None


def pack(calls: list[tuple[str, dict[str, Any]]]) -> bytes:
    opening = [("open", {"exclusive": True, "lock_wait": 0})]
    return b"".join(
        msgpack.packb({"i": number, "m": method, "a": arguments}, use_bin_type=False)
        for number, (method, arguments) in enumerate(opening + calls)
    )


def objects(repository: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (repository / "data").rglob("*") if path.is_file()}


@_BUDGET
@given(st.lists(st.one_of(_CALL, _PUT), max_size=25), st.binary(max_size=40))
def test_no_sequence_of_calls_touches_history(
    shared: Borg, origin: Borg, calls: list[tuple[str, dict[str, Any]]], tail: bytes
) -> None:
    assert drive(shared.repository, "append", pack(calls) + tail) in (None, "protocol")
    history = objects(origin.repository)
    now = objects(shared.repository)
    assert {name: now.get(name) for name in history} == history


@_BUDGET
@given(st.lists(_CALL, max_size=25))
def test_reading_writes_no_object(shared: Borg, calls: list[tuple[str, dict[str, Any]]]) -> None:
    before = objects(shared.repository)
    assert drive(shared.repository, "read", pack(calls)) in (None, "protocol")
    assert objects(shared.repository) == before


@_BUDGET
@given(st.binary(max_size=300))
def test_bytes_are_messages_or_the_end(data: bytes) -> None:
    with suppress(EndOfConnection):
        assert all(isinstance(message.method, str) for message in Reader().feed(data))


def test_shared_repository_is_still_good(shared: Borg) -> None:
    assert shared.local("check", "--repository-only").returncode == 0
