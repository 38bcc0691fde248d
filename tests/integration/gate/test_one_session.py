# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several connections of one session: it may take back what it stored itself, and nothing of earlier ones."""

from __future__ import annotations

from real import Borg


def test_a_session_renames_its_own_archive_and_no_other(borg: Borg) -> None:
    made = borg.run("append", "create", "::new.checkpoint", "/usr/share/doc/base-files")
    assert made.returncode == 0, made.stderr
    begun = [event["first_segment"] for event in borg.report() if event["event"] == "begin"][-1]

    alone = borg.run("append", "rename", "::new.checkpoint", "new")
    assert "deleting what is already stored" in alone.stderr

    own = borg.run("append", "rename", "::new.checkpoint", "new", gate=("--first-segment", str(begun)))
    assert own.returncode == 0, own.stderr
    earlier = borg.run("append", "rename", "::one", "two-and-a-half", gate=("--first-segment", str(begun)))
    assert "deleting what is already stored" in earlier.stderr
    assert borg.run("read", "list", "--short").stdout.split() == ["one", "two", "new"]
