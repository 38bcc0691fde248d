# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the after hooks, on the disk: a session that heard nothing of them is followed by one that tells."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

KEPT_MAX = 20  # sentences


class Journal:
    """The file ``hooks.json``: which after hooks are still owed, and which sentences no server has heard.

    It is written before the first hook of a stage begins, so that a power failure leaves it behind.
    """

    def __init__(self, base_dir: Path) -> None:
        self._path = base_dir / "hooks.json"
        self._untold = self._load()
        self._written: object = None
        self._began = datetime.now(timezone.utc).isoformat(timespec="seconds")

    @property
    def untold(self) -> list[str]:
        """What earlier sessions could not tell: hooks that did not run, and hooks that failed afterwards."""
        return self._untold[-KEPT_MAX:]

    def write(self, owed: Sequence[str], failures: Sequence[str]) -> None:
        """Keep what is owed, and what has failed in this session, until `forget`."""
        record = {
            "schema": 1,
            "began": self._began,
            "owed": list(owed),
            "untold": [*self._untold, *failures][-KEPT_MAX:],
        }
        if record == self._written or not (self._path.exists() or owed or record["untold"]):
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

    def _load(self) -> list[str]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads(self._path.read_bytes())
            why = f"did not run: the session of {record['began']} was cut off"
            missed = [f"the {hook} {why}" for hook in record["owed"]]
            return [str(sentence) for sentence in [*record["untold"], *missed]][-KEPT_MAX:]
        return []
