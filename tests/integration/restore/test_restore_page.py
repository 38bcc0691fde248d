# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of docs/restore.md is run: paranoid-backup-restore here, the others by the tests that are named."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from restore_page import OURS, read_commands, read_words
from restore_world import Restoring
from tool import ROOT

FILES = "A file or a directory"
# What else stands on the page, and which test runs it.
_PLAY = r"ansible-playbook .* paranoid\.backup\."
_COMMAND = "lab/restore/test_restore_command.py"
ELSEWHERE = {
    _PLAY + r"open\b": f"{_COMMAND}::test_a_tunnel_is_opened_for_the_owner",
    _PLAY + r"restore\b": f"{_COMMAND}::test_the_playbook_brings_one_file",
    _PLAY + r"drill\b": "lab/restore/test_rekey.py::test_a_client_gets_another_key_and_a_restore_is_drilled",
    _PLAY + r"escrow\b": "integration/upkeep/test_escrow_playbook.py::test_ana_proves",
    _PLAY + r"site\b": "lab/provisioning/test_provision.py::test_the_second_run",
    r"mkdir /mnt/b && paranoid-backup-borg mount": "integration/gate/test_mount.py::test_",
    r"umount /mnt/b": "integration/gate/test_mount.py::test_",
    r"paranoid-backup-borg list": "lab/restore/test_restore.py::test_the_open_session_lets_nobody_delete",
    r"paranoid-backup-borg extract": "lab/restore/test_restore.py::test_a_tree_comes_back_as_it_was",
    r"paranoid-backup escrow": "unit/roles/backup_runner/",
}
BY_OTHERS = ("A host that burned", "A host", "The server")  # their lab tests hold what they say


def theirs() -> set[str]:
    """Return the commands of the sections that lab tests hold as a whole."""
    headings = re.findall(r"^## (.*)$", (ROOT / "docs/restore.md").read_text(), re.MULTILINE)
    return {line for heading in headings if heading in BY_OTHERS for line in read_commands(heading)}


def test_every_other_command_of_the_page_is_run_by_a_test_that_exists() -> None:
    lines = [line for line in read_commands() if not line.startswith(f"{OURS} ") and line not in theirs()]
    assert len(lines) >= 8
    for line in lines:
        tests = [test for pattern, test in ELSEWHERE.items() if re.match(pattern, line)]
        assert tests, f"no test runs: {line}"
        for test in tests:
            path, _colons, name = test.partition("::")
            assert (ROOT / "tests" / path).exists(), test
            assert not name or f"def {name}" in (ROOT / "tests" / path).read_text(), test


def test_no_command_of_ours_stands_where_nobody_runs_it() -> None:
    run_here = [line for section in (FILES, "A database") for line in read_commands(section)]
    first_page = ["paranoid-backup-restore etc/nginx/nginx.conf", "paranoid-backup-restore --database shop"]
    held = {*run_here, *first_page, *theirs()}
    assert [line for line in read_commands() if line.startswith(f"{OURS} ") and line not in held] == []


def test_each_command_for_files_does_what_its_line_says(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    """In the order of the page, with this world's names instead of the page's."""
    now = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(time.time() + 60))
    ours = {
        "etc/nginx": restoring.path("etc"),
        "2026-11-20 03:00": now,
        "/root/old": str(tmp_path),
        "/home/*/.ssh": restoring.path("many/1?"),
    }
    words = read_words(FILES)
    assert len(words) >= 10
    for line in words:
        restoring.reset()
        shutil.rmtree(source / "etc")
        if line[0] in ("--undo", "--forget"):
            assert restoring.run(restoring.path("etc")).returncode == 0
        done = restoring.run(*(ours.get(word, word) for word in line))
        assert done.returncode == 0, (line, done.stderr)
        brings_etc = line[0] in ("etc/nginx", "--as-of", "--all", "--forget")
        assert (source / "etc/conf").exists() == brings_etc, line
