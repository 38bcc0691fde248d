# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import Ended, TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._provision import client_look
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import Question


def test_lines_end_as_they_do_here_and_rubbish_is_text() -> None:
    ended = Ended(0, b"one\r\ntwo\n", b"\xff\r\n")
    assert (ended.said, ended.complaint) == ("one\ntwo\n", "\ufffd\n")


def test_a_program_gets_its_input_and_ends_in_time() -> None:
    assert run_program(["/bin/cat"], b"word").said == "word"
    assert run_program(["/bin/sh", "-c", "exit 3"]).returncode == 3
    with pytest.raises(TooSlow):
        run_program(["/bin/sleep", "60"], seconds=0.1)


def test_a_directory_that_sshds_unit_took_along_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaint is sshd's own (OpenSSH 9.2), with the carriage return that it ends lines with."""
    made: list[str] = []
    monkeypatch.setattr(os, "makedirs", lambda path, _mode, exist_ok: made.append(path))

    def answer(_argv: list[str]) -> Ended:
        if len(made) < 2:
            return Ended(255, b"", b"Missing privilege separation directory: /run/sshd\r\n")
        return Ended(0, b"port 22\n", b"")

    monkeypatch.setattr(client_look, "run_program", answer)
    asked = Question("backup", "", "", "", "", "web1", 22, "", "")
    settings, complaint = client_look._print_settings(asked, "/usr/sbin/sshd", "22")
    assert (made, complaint) == (["/run/sshd"] * 2, "") and "port" in settings
