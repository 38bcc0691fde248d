# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are shown of many clients, with names, states and reasons that would do something to a terminal."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from runner_files import write_config, write_record
from tool import ROOT

MAIN = runpy.run_path(str(ROOT / "roles/backup_runner/files/lib/__main__.py"), run_name="paranoid-backup")["main"]
HOSTILE = "\x1b[31m\u202e\x07\u200b<b>"
RUN = "20261126T120000Z-00000000"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A runner of a hundred clients, the first of which has failed."""
    session = {"reason": HOSTILE, "duration": 1, "bytes_received": 1}
    mail = {"state": HOSTILE, "error": HOSTILE}
    clients = [{"name": "a", "work": HOSTILE, "state": HOSTILE, "session": session}]
    write_record(tmp_path, RUN, "failed", "2026-11-26T12:00:00Z", clients=clients, status=HOSTILE, mail=mail)
    (tmp_path / "reports" / RUN / "report.txt").write_text(f"{HOSTILE}\n\nend\n")
    return write_config(tmp_path, clients={"a": {}, **{f"{HOSTILE}{place}": {} for place in range(99)}})


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["status"], 3),
        (["next"], 101),
        (["history"], 1),
        (["history", "a"], 1),
        (["report"], 3),
        (["next", HOSTILE], 1),
        (["run", HOSTILE], 1),
        (["report", HOSTILE], 1),
    ],
)
def test_what_is_shown_does_nothing_to_a_terminal(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], lines: int
) -> None:
    code = MAIN([*words, "--config", str(config)])
    said = capsys.readouterr()
    shown = (said.out or said.err).splitlines()
    assert code == (0 if said.out else 2) and len(shown) == lines
    assert all(line.isprintable() for line in shown) and "<b>" in said.out + said.err


def test_a_status_names_as_many_as_a_person_reads_and_all_for_programs(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MAIN(["status", "--config", str(config)])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("no good backup yet: "))
    assert line.count(",") == 20 and line.endswith(", and 80 more")
    MAIN(["status", "--json", "--config", str(config)])
    assert len(json.loads(capsys.readouterr().out)["without_backup"]) == 100


def test_a_status_names_no_failure_of_a_client_that_was_let_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody backs it up any more, so it would be named for ever."""
    write_record(tmp_path, RUN, "failed", "2026-11-26T12:00:00Z")
    for names, said in (("ab", True), ("b", False)):
        config = write_config(tmp_path, clients={name: {} for name in names})
        MAIN(["status", "--config", str(config)])
        assert ("a has failed 1 times since its last good backup" in capsys.readouterr().out) is said
