# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that the ledger is still the same: in every session, and before anything is deleted because of it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

_FULL_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class _Seen:
    """The head at the end of the last sound check, and when every entry was last read."""

    head: ChainHead
    checked: datetime


def chain_problem(ledger: Ledger, now: datetime) -> str:
    """Return what is wrong with the chain as one sentence, empty if it continues from the head that was seen last.

    The first check of a day reads every entry, the others only new ones.
    """
    try:
        with _exclusive_lock(ledger.path + ".lock"):
            seen = _load_seen(ledger.path)
            full = seen is None or not timedelta(0) <= now - seen.checked < _FULL_EVERY
            report = ledger.verify(seen.head if seen else EMPTY, full=full)
            if report.ok:
                checked = now if seen is None or full else seen.checked
                save_json(_head_path(ledger.path), {"head": str(report.head), "whole": checked.isoformat()})
                return ""
    except (OSError, LedgerError) as error:
        return str(error)
    return f"the ledger {ledger.path} was tampered with: {report.problem}; see 'Recovery' in docs/ledger.md"


def _load_seen(ledger: str) -> _Seen | None:
    try:
        with open(_head_path(ledger), encoding="utf-8") as handle:
            content: Any = json.load(handle)
        return _Seen(parse_head(content["head"]), datetime.fromisoformat(content["whole"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{_head_path(ledger)} cannot be read: {error}") from None


@contextmanager
def _exclusive_lock(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _head_path(ledger: str) -> str:
    return ledger + ".head"
