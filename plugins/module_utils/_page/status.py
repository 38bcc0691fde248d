# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""status.json: what the page says of each client, for programs; docs/schemas/status.json describes it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import ClientFacts, Fleet, plain
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Nas

SCHEMA = 1


def make_status(fleet: Fleet) -> bytes:
    """Return the whole file; times are ISO 8601 in UTC, sizes bytes, durations seconds."""
    content = {
        "schema": SCHEMA,
        "server": plain(fleet.server),
        "made": _format(fleet.made),
        "ledger_head": plain(fleet.head),
        "counts": {str(health): count for health, count in fleet.counts.items()},
        "troubles": [
            {"of": plain(trouble.name), "lines": [plain(line) for line in trouble.lines]} for trouble in fleet.troubles
        ],
        "nas": None if fleet.nas is None else [_describe_nas(one) for one in fleet.nas],
        "clients": [_describe(client) for client in fleet.clients],
    }
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _describe(client: ClientFacts) -> dict[str, Any]:
    return {
        "client": plain(client.name),
        "health": client.health,
        "reason": plain(client.reason),
        "last_good": _format(client.last_good),
        "last_session": _format(client.last_session),
        "last_status": plain(client.last_status),
        "last_code": plain(client.last_code),
        "duration": client.duration,
        "size": client.size,
        "files": client.files,
        "added": client.added,
        "disk": client.disk.used,
        "held": client.disk.held,
        "quota": client.disk.quota,
        "restore_tried": date.fromordinal(client.restores[-1].number).isoformat() if client.restores else None,
        "escrow": client.escrow.state,
        "escrow_kept": _format(client.escrow.kept),
        "escrow_opened": _format(client.escrow.opened),
        "snapshot": _format(client.place.snapshot),
        "copy": _format(client.place.copied),
        "notes": [plain(note) for note in client.notes],
        "restore_seconds": client.restores[-1].seconds or None if client.restores else None,
    }


def _describe_nas(nas: Nas) -> dict[str, Any]:
    return {
        "nas": plain(nas.name),
        "problems": [plain(line) for line in nas.problems],
        "snapshot": _format(nas.snapshot),
        "copy": _format(nas.copied),
        "scrub": _format(nas.scrub),
        "pools": [{"pool": plain(p.name), "percent": p.percent, "full_in_days": p.full_in_days} for p in nas.pools],
    }


def _format(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
