# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner reads: its configuration, and the records of runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_config(place: Path, **changes: Any) -> Path:
    """Write runner.json for two clients, a and b, with these changes, and return its path."""
    (place / "state").mkdir(exist_ok=True)
    names = ("project", "inventory", "programs")
    found: Mapping[str, Any] = {
        **{name: str(place / name) for name in names},
        "state": str(place / "state"),
        "reports": str(place / "reports"),
        "hours": 24,
        "playbooks": dict.fromkeys(("backup", "maintain", "compact", "audit", "drill"), "p"),
        "clients": {"a": {}, "b": {}},
        "upkeep": {"maintain": {"every": "1w"}, "audit": {}},
    }
    (place / "runner.json").write_text(json.dumps({**found, **changes}))
    return place / "runner.json"


def write_record(place: Path, run_id: str, state: str, finished: str, **changes: Any) -> None:
    """Write the record of a run of client a, with these changes."""
    directory = place / "reports" / run_id
    directory.mkdir(parents=True, exist_ok=True)
    found = {
        "status": "SUCCESS",
        "check": False,
        "started": "2026-11-26T10:00:00Z",
        "finished": finished,
        "mail": {"state": "sent", "error": ""},
        "clients": [{"name": "a", "work": "backup", "state": state, "session": None}],
    }
    (directory / "record.json").write_text(json.dumps({**found, **changes}))
