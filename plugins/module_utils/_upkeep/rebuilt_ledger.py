# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of a server that is made again: its copy beside the repositories, or a new one that says so.

A copy is believed as far as its chain is whole. Whether it was cut off, or written anew, only a head from elsewhere
tells, such as that of the last mail.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import sync_directory
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError, RebuildEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.recovery import find_whole_head, recover_ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import SPARE, has_spare

COPY, ANEW, HERE = "copy", "anew", "here"
_FRESH = NAME + ".rebuilding"
_ASIDE = "to begin without it, give -e backup_rebuild_anew=true"


@dataclass(frozen=True)
class LedgerSource:
    """Where the ledger comes from: ``path`` is the file, empty for a new one; ``here`` since an earlier call.

    ``origin`` is the entry that says so, for no client yet.
    """

    path: str
    origin: RebuildEntry
    here: bool = False

    @property
    def source(self) -> str:
        """One word for it."""
        return HERE if self.here else self.origin.source

    @property
    def told(self) -> tuple[str, ...]:
        """What is known of the ledger, and what not any more, in sentences."""
        return tuple(_tell(self.origin))


def find_ledger(root: str, state_dir: str, known: ChainHead, anew: bool) -> LedgerSource:
    """Return where the ledger is to come from; SessionError if this machine has a living one, or the copy is false."""
    living, copy = os.path.join(state_dir, NAME), os.path.join(root, SPARE, NAME)
    if os.path.lexists(living):
        with Ledger.read(living) as ledger:
            rows = ledger.entries(kind="rebuild", limit=1)
            if rows and isinstance(rows[0].entry, RebuildEntry):
                return LedgerSource(living, rows[0].entry, here=True)
            if ledger.head() != EMPTY:
                why = f"this server is not lost: {living} has {ledger.head().seq} entries; nothing was changed"
                why += f". If they came after the loss, move {state_dir} aside and try again"
                raise SessionError("refused", why)
    if anew or not has_spare(root, NAME):
        return LedgerSource("", RebuildEntry("", ANEW, known="" if known == EMPTY else str(known)))
    return LedgerSource(copy, _judge_copy(copy, known))


def place_ledger(found: LedgerSource, root: str, state_dir: str, clients: Iterable[str]) -> None:
    """Have the ledger in its place, with an entry for each client that says how it came there; whole or not at all."""
    living, fresh = os.path.join(state_dir, NAME), os.path.join(state_dir, _FRESH)
    if found.here:
        _append(living, found, clients)
        return
    os.makedirs(state_dir, mode=0o700, exist_ok=True)
    for left in (fresh, fresh + "-journal"):
        with suppress(FileNotFoundError):
            os.unlink(left)
    if found.path:
        recover_ledger(found.path, fresh)
    _append(fresh, found, clients)
    os.replace(fresh, living)
    sync_directory(state_dir)
    _set_aside(os.path.join(root, SPARE, NAME), found)


def _set_aside(copy: str, found: LedgerSource) -> None:
    """Keep a copy that the new ledger does not continue under another name: the next session begins a new one."""
    is_continued = found.path and found.origin.last == parse_head(found.origin.head).seq
    if os.path.lexists(copy) and not is_continued:
        os.rename(copy, f"{copy}.{stamp().replace(':', '')}")


def _append(path: str, found: LedgerSource, clients: Iterable[str]) -> None:
    with Ledger.open(path) as ledger:
        for client in clients:
            ledger.append(replace(found.origin, client=client))


def _judge_copy(copy: str, known: ChainHead) -> RebuildEntry:
    try:
        head = find_whole_head(copy)
        with Ledger.read(copy) as ledger:
            last, is_known = ledger.head().seq, known.seq > head.seq or ledger.holds(known)
            time = next(ledger.links(head.seq - 1)).time
    except LedgerError as error:
        raise SessionError("refused", f"{error}; {_ASIDE}") from None
    if not is_known:
        why = f"entry {known.seq} of the copy {copy} is not the one of the given head: is that of this server's mail?"
        raise SessionError("refused", f"{why} If it is, the copy was written anew; {_ASIDE}")
    return RebuildEntry("", COPY, str(head), "" if known == EMPTY else str(known), time, last)


def _tell(origin: RebuildEntry) -> Iterator[str]:
    known = parse_head(origin.known).seq if origin.known else 0
    if origin.source == ANEW:
        yield "the ledger begins anew: archives that are there count as unknown, and stay"
        yield f"the last known head was {origin.known}" if known else "nobody gave the last head that is known"
        return
    head = parse_head(origin.head).seq
    yield f"the ledger is its copy beside the repositories, up to entry {head} of {origin.time[:16]} UTC"
    if origin.last > head:
        yield f"entry {head + 1} of the copy is not whole: {origin.last - head} entries are lost"
    if known > max(head, origin.last):
        yield f"entries {max(head, origin.last) + 1} to {known}, of which the given head tells, are lost"
    if not known:
        yield "nobody gave a head of a mail, so whether the copy has the newest entries is not known"
