# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/attacks.md against the tests: each test that it names exists, each attack of the suite has its row."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest
from tool import ROOT

NAMED = re.compile(r"`([\w/]+\.py::test_\w+(?:\[[^]`]+\])?)`")
PROVEN = ("a client (root)", "the network", "other clients", "an unprivileged user of a client")
UNBOUND = ("the server (root)", "a keyholder of a client (root)")
TABLES = ("test_history_survives[", "test_history_survives_stock_borg[")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return (ROOT / "docs/attacks.md").read_text().splitlines()


@pytest.fixture(scope="module")
def collected(lines: list[str]) -> set[str]:
    """Every test of the files that are named, with and without its parameters."""
    files = sorted({f"tests/{name.partition('::')[0]}" for name in NAMED.findall("\n".join(lines))})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    found = {line.removeprefix("tests/") for line in done.stdout.splitlines() if "::" in line}
    return found | {name.partition("[")[0] for name in found}


@pytest.fixture(scope="module")
def attacks(monkeypatch_module: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch_module.syspath_prepend(str(ROOT / "tests/integration/attack"))
    return import_module("test_gate_attacks")


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_each_test_that_is_named_exists(lines: list[str], collected: set[str]) -> None:
    named = NAMED.findall("\n".join(lines))
    assert len(named) > 60
    assert [name for name in named if name not in collected] == []
    assert len([name for name in "\n".join(lines).split("`") if ".py::" in name]) == len(named), "one is malformed"


def test_each_attack_of_the_suite_has_a_row(lines: list[str], collected: set[str]) -> None:
    page = "\n".join(lines)
    suite = [name for name in collected if "test_gate_attacks.py" in name and any(table in name for table in TABLES)]
    assert len(suite) > 25
    assert [name for name in suite if f"`{name}`" not in page] == []


def test_the_rows_say_what_gate_and_audit_say(lines: list[str], attacks: ModuleType) -> None:
    for attack in attacks.ATTACKS:
        (row,) = [line for line in lines if f"test_history_survives[{attack.name}]`" in line]
        cells = [cell.strip() for cell in row.split("|")]
        assert attack.says in cells[3] and cells[4] == attack.verdict, row


def test_each_cell_of_the_promise_names_a_test_or_says_why_not(lines: list[str]) -> None:
    for owner in (*PROVEN, *UNBOUND):
        (row,) = [line for line in lines if line.startswith(f"| {owner} |")]
        cells = [cell.strip() for cell in row.split("|")[2:-1]]
        assert len(cells) == 6
        others = ("the same", "the tables below", *(("nothing is promised",) if owner in UNBOUND else ()))
        assert [cell for cell in cells if not (NAMED.search(cell) or cell.endswith(others))] == []
