# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the gate's end is told: each kind of error has its reason."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from paranoid_gate import main as gate
from paranoid_gate.errors import EndOfConnection
from paranoid_gate.events import Report
from paranoid_gate.policy import POLICIES, Budget, Options


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (EndOfConnection("quota", "too much"), "quota", "too much"),
        (OSError(errno.ENOSPC, "No space left"), "disk_full", "No space left"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "disk_full", "Quota exceeded"),
        (OSError(errno.EIO, "I/O error"), "error", "I/O error"),
        (OSError("of some kind"), "error", "of some kind"),
        (ValueError("one\nand two"), "error", "ValueError: one"),
    ],
)
def test_each_error_has_its_reason(error: Exception, reason: str, detail: str) -> None:
    assert gate._explain(error) == (reason, detail)


LIMITS = ["--max-objects", "7", "--max-bytes", "8", "--max-archives", "9"]


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_only_a_trim_has_a_budget(policy: str) -> None:
    argv = ["--policy", policy, "--repository", "/x/../y", "--report-fd", "3", "--quota", "5", "--first-segment", "6"]
    options = gate._options(gate._parse([*argv, *LIMITS, "--repository-id", "AB"]))
    budget = Budget(7, 8, 9) if policy == "trim" else Budget()
    assert options == Options(POLICIES[policy], "/y", "ab", budget, 5, 6)


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `main` changes of its process, as it was."""
    environment, handler, mask = dict(os.environ), signal.getsignal(signal.SIGTERM), os.umask(0o022)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    yield
    os.umask(mask)
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(environment)


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize("ending", ["stopped", "peace"])
def test_a_signal_at_any_time_is_reported(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    def run(*_: Any) -> tuple[None, str]:
        if ending == "stopped":
            os.kill(os.getpid(), signal.SIGTERM)
        return None, ""

    monkeypatch.setattr(gate, "_run", run)
    report = os.memfd_create("report")
    code = gate.main(["--policy", "read", "--repository", "/x", "--report-fd", str(report)])
    (end,) = map(json.loads, os.pread(report, 10_000, 0).splitlines())
    os.close(report)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "none disturbs the report"
    stopped = ending == "stopped"
    assert (code, end["event"], end["reason"], end["detail"]) == (
        int(stopped),
        "end",
        "error" if stopped else None,
        "stopped" if stopped else "",
    )


@pytest.mark.parametrize(
    ("version", "served"),
    [("1.4.4", False), ("1.4.5", True), ("1.4.10", True), ("1.2.9", False), ("1.4.5rc1", False), ("2.0.5", False)],
)
def test_only_a_borg_of_the_line_that_is_known_is_served(
    monkeypatch: pytest.MonkeyPatch, version: str, served: bool
) -> None:
    monkeypatch.setattr("borg.__version__", version)
    monkeypatch.setattr(gate, "_serve", lambda *_: ("quota", "what it ended with"))
    ending = gate._run(Options(POLICIES["read"], "/x"), Report(0))
    told = ("error", f"Borg {version} is not of the 1.4 line from 1.4.5 on: install that")
    assert ending == (("quota", "what it ended with") if served else told)


def test_what_nobody_foresaw_ends_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> NoReturn:
        raise ValueError("of some kind")

    monkeypatch.setattr(gate, "_serve", broken)
    assert gate._run(Options(POLICIES["read"], "/x"), Report(0)) == ("error", "ValueError: of some kind")


@pytest.mark.usefixtures("surroundings")
def test_nothing_of_the_environment_reaches_borg_but_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def run(*_: Any) -> tuple[None, str]:
        seen.update(os.environ)
        return None, ""

    monkeypatch.setattr(gate, "_run", run)
    os.environ.update(BORG_HOST_ID="server@paranoid", BORG_REPO="/elsewhere", PATH="/bin", HOME="/root", LC_ALL="de_DE")
    report = os.memfd_create("report")
    gate.main(["--policy", "read", "--repository", "/x", "--report-fd", str(report)])
    os.close(report)
    assert seen == {"BORG_HOST_ID": "server@paranoid", "PATH": "/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
