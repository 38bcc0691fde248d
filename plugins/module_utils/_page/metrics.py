# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics in the text format of Prometheus, for the textfile collector of node_exporter.

Written by hand, for it is two rules of escaping, and this runs as root on the server, which needs no library. A test
reads them with Prometheus' own library and with promtool. Times are absolute: where the file is not renewed any more,
its clients turn late by themselves, in the rules of whoever reads it. The file is written as a whole, so a client that
is gone is gone from it.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, "Text-based format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import KEPT
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import ClientFacts, Fleet, Health, plain

PREFIX = "paranoid_backup_"
MISSING = "archives_missing"


def _restored(client: ClientFacts) -> float | None:
    if not client.restores:
        return None
    return datetime.combine(date.fromordinal(client.restores[-1].number), time(), UTC).timestamp()


def _is_noted(client: ClientFacts) -> int:
    return int(bool(client.notes))


def _escrow_kept(client: ClientFacts) -> float | None:
    return _seconds(client.escrow.kept) if client.escrow.state == KEPT else None


# Name, what it is, and where it comes from; None leaves a client out.
CLIENT_METRICS: tuple[tuple[str, str, Callable[[ClientFacts], float | None]], ...] = (
    ("last_good_timestamp_seconds", "When the newest good archive arrived.", lambda one: _seconds(one.last_good)),
    ("last_session_timestamp_seconds", "When the last session ended.", lambda one: _seconds(one.last_session)),
    ("last_session_ok", "Whether the last session was ok.", lambda one: int(one.last_status == "ok")),
    ("good", "Whether nobody needs to look, as the page says.", lambda one: int(one.is_good)),
    ("noted", "Whether its backups arrive, but something else is not as it should be.", _is_noted),
    ("frozen", "Whether an alarm froze the repository.", lambda one: int(one.health is Health.FROZEN)),
    ("missing", "Whether the last session found archives missing.", lambda one: int(one.last_code == MISSING)),
    ("duration_seconds", "How long the last good backup took.", lambda one: one.duration),
    ("size_bytes", "What the last good backup saved, before Borg; the client's word.", lambda one: one.size),
    ("files", "How many files the last good backup saved; the client's word.", lambda one: one.files),
    ("added_bytes", "What the last good backup added to the repository.", lambda one: one.added),
    ("disk_bytes", "The repository on the disk.", lambda one: one.disk.used),
    ("held_bytes", "What was deleted and is not yet freed.", lambda one: one.disk.held),
    ("restore_tried_timestamp_seconds", "The day on which a restore was last tried.", _restored),
    ("restore_seconds", "How long that took.", lambda one: one.restores[-1].seconds or None if one.restores else None),
    ("escrow_kept_timestamp_seconds", "When the escrow was kept that is as it should be.", _escrow_kept),
    ("escrow_opened_timestamp_seconds", "When a holder last opened it.", lambda one: _seconds(one.escrow.opened)),
    ("quota_bytes", "What the repository may hold.", lambda one: one.disk.quota),
)


def make_metrics(fleet: Fleet) -> bytes:
    """Return the whole file."""
    return "".join(_lines(fleet)).encode()


def _lines(fleet: Fleet) -> Iterator[str]:
    yield _head("made_timestamp_seconds", "When these numbers were made.")
    yield f"{PREFIX}made_timestamp_seconds {_seconds(fleet.made)!r}\n"
    yield _head("clients", "How many clients are how, by health.")
    for health, count in fleet.counts.items():
        yield f'{PREFIX}clients{{health="{health}"}} {count}\n'
    labels = [(f'{{client="{escape_label(client.name)}"}}', client) for client in fleet.clients]
    for name, meaning, find in CLIENT_METRICS:
        yield _head(name, meaning)
        for label, client in labels:
            value = find(client)
            if value is not None:
                yield f"{PREFIX}{name}{label} {value!r}\n"


def escape_label(value: str) -> str:
    """Return a label's value as it stands between the quotes."""
    return plain(value).replace("\\", "\\\\").replace('"', '\\"')


def _head(name: str, meaning: str) -> str:
    return f"# HELP {PREFIX}{name} {meaning}\n# TYPE {PREFIX}{name} gauge\n"


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
