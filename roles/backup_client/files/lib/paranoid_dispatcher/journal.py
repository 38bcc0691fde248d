# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the after hooks, on the disk: a session that heard nothing of them is followed by one that tells."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

KEPT_MAX = 20  # sentences
NAME, OF_RESTORE = "hooks.json", "hooks-restore.json"
RESTORE_LOCK = "restore.lock"  # who restores holds it


class Journal:
    """The file ``hooks.json``: which after hooks are still owed, and which sentences no server has heard.

    It is written before the first hook of a stage begins, so that a power failure leaves it behind. A restore has a
    file of its own, which the next session takes over when no restore is at work.
    """

    def __init__(self, base_dir: Path, name: str = NAME) -> None:
        self._path = base_dir / name
        self._parts: dict[str, tuple[list[str], list[str]]] = {}
        self._untold = _load(self._path)
        self._written: object = None
        self._began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        if name == NAME:
            self._take_over(base_dir)

    @property
    def untold(self) -> list[str]:
        """What earlier sessions could not tell: hooks that did not run, and hooks that failed afterwards."""
        return self._untold[-KEPT_MAX:]

    def write(self, owed: Sequence[str], failures: Sequence[str], part: str = "borgmatic") -> None:
        """Keep what is owed, and what has failed in this session, until `forget`; each PART has its own of both."""
        self._parts[part] = (list(owed), list(failures))
        all_owed = [hook for owes, _failed in self._parts.values() for hook in owes]
        failed = [sentence for _owes, failed in self._parts.values() for sentence in failed]
        record = {
            "schema": 1,
            "began": self._began,
            "owed": all_owed,
            "untold": [*self._untold, *failed][-KEPT_MAX:],
        }
        if record == self._written or not (self._path.exists() or all_owed or record["untold"]):
            return
        draft = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # On a full disk the hooks run all the same.
            with draft.open("w", encoding="utf-8") as handle:
                json.dump(record, handle)
                handle.flush()
                os.fsync(handle.fileno())
            draft.replace(self._path)
            self._written = record

    def forget(self) -> None:
        """Forget what the server has heard."""
        self._untold = []
        self._path.unlink(missing_ok=True)

    def _take_over(self, base_dir: Path) -> None:
        """Take over what a restore that was cut off has left."""
        left = base_dir / OF_RESTORE
        if not left.exists():
            return
        with contextlib.suppress(OSError), (base_dir / RESTORE_LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._untold = [*self._untold, *_load(left)][-KEPT_MAX:]
            self.write([], [])
            if self._written or not self._untold:
                left.unlink()


def _load(path: Path) -> list[str]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record = json.loads(path.read_bytes())
        why = f"did not run: the session of {record['began']} was cut off"
        missed = [f"the {hook} {why}" for hook in record["owed"]]
        return [str(sentence) for sentence in [*record["untold"], *missed]][-KEPT_MAX:]
    return []
