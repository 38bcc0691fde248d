# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recover a damaged ledger: copy every entry up to the first that is not whole into a new file.

The damaged file is only read, and nothing here replaces it: a person decides whether the new one is right.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from ansible_collections.paranoid.backup.plugins.module_utils._ledger import schema as sql
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, Link, follow
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.database import connect, explained
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger


def recover_ledger(source: str, target: str, check: bool = False) -> ChainHead:
    """Copy the whole beginning of the damaged ledger at ``source`` to ``target``; return its head.

    LedgerError if ``target`` exists or nothing of ``source`` is whole. With ``check``, write nothing.
    """
    if os.path.lexists(target):
        raise LedgerError(f"ledger {target}: it exists already, recover into a new file")
    head = find_whole_head(source)
    if check:
        return head
    with explained(source), closing(connect(source)) as damaged, Ledger.open(target) as whole:
        damaged.execute("PRAGMA query_only = ON")
        whole.take_over(_whole_links(damaged))
        return whole.head()


def find_whole_head(source: str) -> ChainHead:
    """Return up to where the ledger at ``source`` is whole; LedgerError if nothing of it is."""
    with explained(source), closing(connect(source)) as damaged:
        damaged.execute("PRAGMA query_only = ON")
        head = EMPTY
        for link in _whole_links(damaged):
            head = ChainHead(link.seq, link.hash)
    if head == EMPTY:
        raise LedgerError(f"ledger {source}: nothing whole is left of it: take it from a snapshot")
    return head


def _whole_links(connection: sqlite3.Connection) -> Iterator[Link]:
    head = EMPTY
    try:
        for row in connection.execute(sql.LINK + " NOT INDEXED ORDER BY seq"):
            link = Link(*row)
            if not follow([link], head).ok:
                return
            yield link
            head = ChainHead(link.seq, link.hash)
    except sqlite3.DatabaseError:  # The rest of the file cannot be read.
        return
