# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module nas makes of a program's words: a document, a snapshot's name, or one line of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.modules import nas
from module_call import call

TOOK = "took tank/backup@paranoid-20261126T030000Z-maintenance"


@pytest.mark.parametrize(
    ("what", "script", "said"),
    [
        ("status", "echo '{\"problems\": []}'", {"status": {"problems": []}}),
        ("status", "echo '{\"problems\": [1]}'; echo pool >&2; exit 1", {"status": {"problems": [1]}}),
        ("status", "echo '[]'; echo a; echo no pools >&2; exit 1", {"problem": "no pools"}),
        ("status", "exit 0", {"problem": "it did not say how it is"}),
        ("status", "head -c 4400000 /dev/zero | tr '\\0' ' '; echo '{}'", {"problem": "it did not say how it is"}),
        ("snapshot", f"echo {TOOK}", {"snapshot": TOOK[5:], "changed": True}),
        ("snapshot", f"echo {TOOK}; echo a hold failed >&2; exit 1", {"problem": "a hold failed"}),
        ("snapshot", "echo took something", {"problem": "it took no snapshot, and gave no reason"}),
        ("snapshot", "echo 'took a@paranoid-1-daily'", {"problem": "it took no snapshot, and gave no reason"}),
    ],
)
def test_what_the_program_said(
    what: str, script: str, said: dict[str, Any], tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    told = call(nas, {"ask": what, "program": str(program)}, capsys, monkeypatch)
    told.pop("invocation", None)  # newer cores leave it out
    assert told == {"changed": False, "status": {}, "snapshot": "", "problem": "", **said}


def test_a_program_that_is_missing_or_too_slow(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = call(nas, {"program": str(tmp_path / "none")}, capsys, monkeypatch)
    assert told["problem"].endswith("cannot be started (No such file or directory): run site.yml for this NAS")
    checked = call(nas, {"ask": "snapshot", "program": "/none", "_ansible_check_mode": True}, capsys, monkeypatch)
    assert checked["changed"] and not checked["problem"]
    monkeypatch.setitem(nas.SECONDS, "status", 0.1)
    (tmp_path / "slow").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "slow").chmod(0o755)
    assert (
        "was not done after 0 seconds" in call(nas, {"program": str(tmp_path / "slow")}, capsys, monkeypatch)["problem"]
    )
