# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the ledger elsewhere, which grows with it: what the ledger has more is appended, nothing is ever replaced.

Each step is one transaction of the copy, so that it is whole after a kill, a power cut or a full disk.
"""

from __future__ import annotations

from itertools import islice

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

STEP = 20_000  # entries that one session may have to copy: a second or two


def extend_copy(ledger: Ledger, path: str) -> str:
    """Append to the copy at ``path`` what it lacks; return what is wrong with it in one line, empty if nothing is.

    LedgerError if it cannot be read or written. One process at a time: the caller holds a lock.
    """
    with Ledger.open(path) as copy:
        before, newest = copy.head(), ledger.head()  # What others append meanwhile, they copy.
        if not ledger.holds(before):
            return (
                f"{path} has an entry {before.seq} that the ledger {ledger.path} lacks: it is another ledger's, "
                "or this one was cut off. Nothing was copied; compare them, then move the wrong one aside"
            )
        if before != newest:
            copy.take_over(islice(ledger.links(before.seq), STEP))
        missing = newest.seq - copy.head().seq
    return f"{path} lacks the newest {missing} entries: the next sessions copy them" if missing > 0 else ""
