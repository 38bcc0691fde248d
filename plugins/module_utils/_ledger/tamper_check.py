# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the ledger still the one that it was? Asked by every session, and before anything is deleted by what it says."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

_WHOLE = timedelta(days=1)


@dataclass(frozen=True)
class _Seen:
    """The last head that was found whole, and when every entry was read for the last time."""

    head: ChainHead
    whole: datetime


def chain_problem(ledger: Ledger, now: datetime) -> str:
    """Return what is wrong with the chain as one sentence, empty when it goes on from the head that was seen last.

    The first look of a day reads every entry, the others those that are new.
    """
    try:
        with _one_at_a_time(ledger.path + ".lock"):
            seen = _last_seen(ledger.path)
            whole = seen is None or not timedelta(0) <= now - seen.whole < _WHOLE
            report = ledger.verify(seen.head if seen else EMPTY, full=whole)
            if report.ok:
                since = now if seen is None or whole else seen.whole
                save_json(_path(ledger.path), {"head": str(report.head), "whole": since.isoformat()})
                return ""
    except (OSError, LedgerError) as error:
        return str(error)
    return f"the ledger {ledger.path} was tampered with: {report.problem}; see 'Recovery' in docs/ledger.md"


def _last_seen(ledger: str) -> Optional[_Seen]:
    try:
        with open(_path(ledger), encoding="utf-8") as handle:
            content: Any = json.load(handle)
        return _Seen(parse_head(content["head"]), datetime.fromisoformat(content["whole"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{_path(ledger)} cannot be read: {error}") from None


@contextmanager
def _one_at_a_time(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _path(ledger: str) -> str:
    return ledger + ".head"
