# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remarks by kind: which of them make an archive incomplete, and how people read them."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import (
    INCOMPLETE,
    REMARK_WORDS,
    count_incomplete,
    describe_incomplete,
    describe_remarks,
)

REMARKS = {
    "changed": {"count": 7, "accepted": 0, "paths": ["/var/log/a"]},
    "unreadable": {"count": 5, "accepted": 1, "paths": ["/b", "/c", "/d", "/e"]},
    "io_error": {"count": 2, "accepted": 2, "paths": []},
    "other": {"count": 1, "accepted": 0, "paths": []},
}


def test_only_what_is_not_in_the_archive_counts() -> None:
    assert count_incomplete(REMARKS) == 5
    assert count_incomplete({}) == 0
    assert set(REMARK_WORDS) - set(INCOMPLETE) == {"changed", "vanished", "excluded_by_tag", "hooks"}


def test_a_sentence_names_the_first_paths() -> None:
    assert describe_incomplete(REMARKS) == "4 could not be read: /b, /c, /d, …; 1 other warnings"


def test_a_page_has_a_line_for_each_kind() -> None:
    assert describe_remarks(REMARKS) == (
        "7 changed while they were read: /var/log/a, …",
        "5 could not be read (1 of them accepted): /b, /c, /d, …",
        "2 could not be read for an I/O error (2 of them accepted)",
        "1 other warnings",
    )
