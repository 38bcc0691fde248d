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

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import TypeVar

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import KEPT
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import ClientFacts, Fleet, Health, plain
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Nas, Pool

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
    (
        "snapshot_timestamp_seconds",
        "When its newest snapshot on the NAS was made.",
        lambda one: _seconds(one.place.snapshot),
    ),
    (
        "copy_timestamp_seconds",
        "When the newest snapshot of its copy was made.",
        lambda one: _seconds(one.place.copied),
    ),
    ("quota_bytes", "What the repository may hold.", lambda one: one.disk.quota),
)

NAS_METRICS: tuple[tuple[str, str, Callable[[Nas], float | None]], ...] = (
    ("nas_problems", "How many things somebody should look at on the NAS.", lambda one: len(one.problems)),
    ("nas_snapshot_timestamp_seconds", "The oldest of its newest snapshots.", lambda one: _seconds(one.snapshot)),
    ("nas_copy_timestamp_seconds", "The oldest of its newest copies.", lambda one: _seconds(one.copied)),
    ("nas_scrub_timestamp_seconds", "When the pool was scrubbed that waits longest.", lambda one: _seconds(one.scrub)),
)
POOL_METRICS: tuple[tuple[str, str, Callable[[Pool], float | None]], ...] = (
    ("nas_pool_full_ratio", "How full a pool is, 1 is full.", lambda one: _scale(one.percent, 0.01)),
    ("nas_pool_full_in_seconds", "When it is full if it goes on so.", lambda one: _scale(one.full_in_days, 86400)),
)
_Thing = TypeVar("_Thing")


def make_metrics(fleet: Fleet) -> bytes:
    """Return the whole file."""
    return "".join(_lines(fleet)).encode()


def _lines(fleet: Fleet) -> Iterator[str]:
    yield _head("made_timestamp_seconds", "When these numbers were made.")
    yield f"{PREFIX}made_timestamp_seconds {_seconds(fleet.made)!r}\n"
    yield _head("clients", "How many clients are how, by health.")
    for health, count in fleet.counts.items():
        yield f'{PREFIX}clients{{health="{health}"}} {count}\n'
    yield from _list(CLIENT_METRICS, [(_label(client=client.name), client) for client in fleet.clients])
    nas = fleet.nas or ()
    yield from _list(NAS_METRICS, [(_label(nas=one.name), one) for one in nas])
    yield from _list(POOL_METRICS, [(_label(nas=one.name, pool=pool.name), pool) for one in nas for pool in one.pools])


def _list(
    metrics: Iterable[tuple[str, str, Callable[[_Thing], float | None]]], things: Sequence[tuple[str, _Thing]]
) -> Iterator[str]:
    """Yield each metric of all things, which have their labels beside them; nothing of no things."""
    for name, meaning, find in metrics if things else ():
        yield _head(name, meaning)
        for label, thing in things:
            value = find(thing)
            if value is not None:
                yield f"{PREFIX}{name}{label} {value!r}\n"


def _label(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{escape_label(value)}"' for name, value in labels.items()) + "}"


def escape_label(value: str) -> str:
    """Return a label's value as it stands between the quotes."""
    return plain(value).replace("\\", "\\\\").replace('"', '\\"')


def _head(name: str, meaning: str) -> str:
    return f"# HELP {PREFIX}{name} {meaning}\n# TYPE {PREFIX}{name} gauge\n"


def _scale(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
