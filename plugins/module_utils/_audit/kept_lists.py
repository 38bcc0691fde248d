# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of archives, kept by the server as they were stored: encrypted, and worth nothing without the key.

A client can replace its list by one that omits archives. Their objects stay, but nothing leads to them any more. So
each list that an audit has seen is kept, named by its transaction, until it is long superseded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken, Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import MANIFEST_ID, read_object
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import look_at_clock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError

_SIZE_LIMIT = 4 * 1024 * 1024  # bytes of one list; one archive takes about 100
_TOTAL_LIMIT = 256 * 1024 * 1024  # bytes of all lists of a client, but for the newest
_NEWEST = 10  # lists that stay, however old
_DAY = 24 * 60 * 60
_DAYS_BEYOND_HOLD = 30


@dataclass(frozen=True)
class KeptList:
    """A list of archives as it was from ``transaction`` on; ``time`` is when it was kept (Unix), ``size`` in bytes."""

    transaction: int
    time: float
    size: int


def choose_superseded(kept: Sequence[KeptList], oldest: float) -> tuple[KeptList, ...]:
    """Return what may go of ``kept``, which is in order: all that was superseded before ``oldest`` (Unix time).

    The newest ten stay. Of older ones, those that make the rest too large go, too: a client chooses the size.
    """
    going, total = [], 0
    for older, newer in reversed(list(pairwise(kept))[: 1 - _NEWEST]):
        total += older.size
        if newer.time < oldest or total > _TOTAL_LIMIT:
            going.append(older)
    return tuple(reversed(going))


def keep_list(site: Site, transaction: int) -> None:
    """Keep the present list as that of ``transaction`` unless it is the newest that is kept; drop superseded ones."""
    data = read_list(site.client.repository)
    if data is None:
        return
    kept = kept_lists(site)
    if kept and load_list(site, kept[-1]) == data:
        return
    os.makedirs(_directory(site), mode=0o700, exist_ok=True)
    atomic_write(_path(site, transaction), data)
    for one in choose_superseded(kept_lists(site), _oldest(site)):
        os.unlink(_path(site, one.transaction))


def _oldest(site: Site) -> float:
    """Return before when a list must have been superseded that may go (Unix time); none if the clock may be wrong."""
    with suppress(LedgerError):
        now = this_moment()
        if not look_at_clock(site.ledger, now).doubt:
            return now.time.timestamp() - (site.client.hold_days + _DAYS_BEYOND_HOLD) * _DAY
    return 0.0


def kept_lists(site: Site) -> list[KeptList]:
    """Return the lists that are kept, in order."""
    with suppress(FileNotFoundError), os.scandir(_directory(site)) as found:
        entries = [(int(entry.name), entry.stat()) for entry in found if entry.name.isdecimal()]
        return sorted((KeptList(number, at.st_mtime, at.st_size) for number, at in entries), key=_by_transaction)
    return []


def load_list(site: Site, kept: KeptList) -> bytes:
    """Return a list as it was stored."""
    with open(_path(site, kept.transaction), "rb") as handle:
        return handle.read()


def forget_lists(site: Site, after: int) -> None:
    """Remove the lists of later transactions than ``after``: after a rollback, their numbers come again."""
    for one in kept_lists(site):
        if one.transaction > after:
            os.unlink(_path(site, one.transaction))


def read_list(repository: str) -> bytes | None:
    """Return the repository's list as it is stored, None where there is none that can be read and kept."""
    with suppress(OSError, Broken, Unreadable), newest_index(repository) as index:
        place = index.find(MANIFEST_ID) if index is not None else None
        return read_object(repository, MANIFEST_ID, *place, _SIZE_LIMIT) if place is not None else None
    return None


def _by_transaction(kept: KeptList) -> int:
    return kept.transaction


def _path(site: Site, transaction: int) -> str:
    return os.path.join(_directory(site), str(transaction))


def _directory(site: Site) -> str:
    return site.state_file("lists")
