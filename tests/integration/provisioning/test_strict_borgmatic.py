# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's borgmatic: an exit code that borgmatic's own loop has missed is not lost."""

from __future__ import annotations

import importlib.util
import subprocess
from types import ModuleType

import pytest
from tool import ROOT

SOURCE = ROOT / "roles/backup_client/files/strict_borgmatic.py"


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launcher, above a borgmatic that lost every race."""
    spec = importlib.util.spec_from_file_location("paranoid_borgmatic", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_log_outputs", lambda *arguments: iter(()))
    return module


def ended(command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sh", "-c", command])
    process.wait()
    return process


def test_a_failure_that_was_missed_is_raised(launcher: ModuleType) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        list(launcher.log_outputs([ended("exit 0"), ended("exit 1")], (), None, "borg", None))
    assert raised.value.returncode == 1


@pytest.mark.parametrize("command", ["exit 0", "kill -9 $$"])
def test_what_went_well_or_was_killed_is_not(launcher: ModuleType, command: str) -> None:
    assert list(launcher.log_outputs([ended(command)], (), None, "borg", None)) == []
