# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate and an audit on a repository with broken bytes: each ends by itself, with its report or verdict, and soon."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from hostile import MANIFEST_ID, Closed, Hostile, Refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real import Borg, Gate

_REASONS = {None, "error", "protocol"}
_MEMORY = 200 * 2**20  # bytes
_BUDGET = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
_FILES = ("data/0/0", "data/0/[1-9]*", "config", "nonce", "index.*", "hints.*", "integrity.*")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "repo"


def use(client: Hostile) -> None:
    """All that a session does: look, read, write, commit, check."""
    client.hello()
    keys = [MANIFEST_ID]
    with suppress(Refusal):
        keys += list(client.call("list", limit=10_000))[:5]
    for key in keys:
        with suppress(Refusal):
            client.call("get", id=key)
    for method, arguments in (
        ("put", {"id": b"n" * 32, "data": b"new"}),
        ("commit", {"compact": False}),
        ("check", {"max_duration": 0}),
    ):
        with suppress(Refusal):
            client.call(method, **arguments)


@_BUDGET
@given(st.sampled_from(_FILES), st.integers(0, 3000), st.binary(max_size=40), st.booleans(), st.data())
def test_broken_bytes_end_in_a_report_and_a_verdict(
    origin: Borg, damaged: Path, name: str, offset: int, junk: bytes, cut: bool, data: st.DataObject
) -> None:
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(origin.repository, damaged)
    baseline = audit(str(damaged), None, "append")[1]
    target = data.draw(st.sampled_from(sorted(damaged.glob(name))))
    content = target.read_bytes()
    target.write_bytes(content[:offset] + junk + (b"" if cut else content[offset + len(junk) :]))
    for policy in ("append", "create"):
        gate = Gate(policy, damaged)
        with suppress(Closed, Refusal):
            use(gate.client)
        peak = gate.peak_memory() if gate.process.poll() is None else 0
        report = gate.finish()
        assert report[-1]["event"] == "end" and report[-1]["reason"] in _REASONS, report
        assert "Traceback" not in gate.errors and "\n" not in report[-1]["detail"]
        assert peak < _MEMORY
    assert audit(str(damaged), baseline, "append")[0].verdict in ("clean", "expected", "alarm")
    assert full_audit(str(damaged)).verdict in ("clean", "alarm")
    assert all(os.path.lexists(path) for path in (damaged, damaged / "config"))
