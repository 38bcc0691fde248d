# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's Borg begins in the upper half of all nonces, above what an earlier installation can have used."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from paranoid_dispatcher import nonces
from paranoid_dispatcher.pythons import python_of

ID = "ab" * 32


@pytest.fixture
def security(tmp_path: Path) -> Path:
    """What Borg remembers of one repository."""
    path = tmp_path / ".config/borg/security" / ID
    path.mkdir(parents=True)
    return path


def nonce(security: Path) -> int:
    text = (security / "nonce").read_text()
    assert len(text) == 16, "Borg reads no other form"
    return int(text, 16)


@pytest.mark.parametrize("before", [None, 0, 2**28, 2**63 - 1])
def test_below_the_upper_half_the_clock_says_where_to_begin(
    tmp_path: Path, security: Path, monkeypatch: pytest.MonkeyPatch, before: int | None
) -> None:
    if before is not None:
        (security / "nonce").write_text(f"{before:016x}")
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.9)
    nonces.keep_apart(tmp_path)
    assert nonce(security) == 2**63 + 1_800_000_000 * 2**28


@pytest.mark.parametrize("before", [2**63, 2**63 + 7, 2**64 - 2])
def test_what_this_host_used_itself_stays(tmp_path: Path, security: Path, before: int) -> None:
    (security / "nonce").write_text(f"{before:016x}")
    nonces.keep_apart(tmp_path)
    assert nonce(security) == before


def test_a_clock_of_the_far_future_leaves_a_quarter(
    tmp_path: Path, security: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e12)
    nonces.keep_apart(tmp_path)
    assert nonce(security) == 2**63 + 2**62


def test_a_number_that_is_none_is_not_replaced(tmp_path: Path, security: Path) -> None:
    (security / "nonce").write_text("half a numb")
    with pytest.raises(ValueError, match="half a numb"):
        nonces.keep_apart(tmp_path)
    assert (security / "nonce").read_text() == "half a numb"


def test_a_host_is_new_until_borg_remembers_a_list(tmp_path: Path, security: Path) -> None:
    assert nonces.is_new(tmp_path)
    (security / "manifest-timestamp").touch()
    assert not nonces.is_new(tmp_path)
    assert nonces.is_new(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("first", "beside", "expected"),
    [
        ("#!/opt/venv/bin/python", False, "/opt/venv/bin/python"),
        ("#! /usr/bin/python3.11", True, "/usr/bin/python3.11"),
        ("#!/bin/sh", True, "beside"),
        ("#!/bin/sh", False, ""),
        ("\x7fELF", True, ""),
        ("", True, ""),
    ],
)
def test_the_python_of_borg(tmp_path: Path, first: str, beside: bool, expected: str) -> None:
    (tmp_path / "borg").write_text(f"{first}\nrest\n")
    if beside:
        (tmp_path / "python3").touch()
    assert python_of(tmp_path / "borg") == (str(tmp_path / "python3") if expected == "beside" else expected)
