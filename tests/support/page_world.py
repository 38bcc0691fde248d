# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with a past: configuration, baselines and a ledger of many nights, invented but always the same."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import HISTORY, Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, Link, link_hash
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    Entry,
    FreezeEntry,
    RehearsalEntry,
    ReportedArchive,
    SessionEntry,
    encode,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from tool import ROOT

FORMATS = ROOT / "tests/fixtures/formats/0.1.0/server"
NOW = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
GIB = 1024**3
RECIPIENTS = [{"holder": "ana", "recipient": "age1ana"}]
UNREACHABLE = "connect to 192.0.2.7 port 22: Connection timed out"


@dataclass(frozen=True)
class Host:
    """A client: how large, how much is new each night, how its nights went wrong; ``since`` counts days back."""

    name: str
    size: float
    fresh: float
    seconds: int = 60
    since: int = 400
    until: int = 0  # the newest night on which something happened, counted back
    fails: frozenset[int] = frozenset()
    reason: str = UNREACHABLE
    code: str = "unreachable"
    frozen: bool = False
    quota: int | None = None
    escrow: str = "age1ana"  # for whom it is, nobody has one where this is empty; age1ana should


HOSTS = (
    Host("db1", 214, 3.1, 420, quota=800 * GIB),
    Host(
        "db2",
        208,
        2.9,
        400,
        fails=frozenset({0, 1, 57}),
        reason="database app: pg_dump: connection refused",
        code="client_failed",
    ),
    Host("files", 1840, 6.2, 1300, quota=2560 * GIB),
    Host("git", 96, 0.7, 110, fails=frozenset({88, 89, 90})),
    Host("mail", 380, 1.9, 520, frozen=True, quota=512 * GIB),
    Host("monitoring", 44, 1.2, 70, until=3),
    Host("shop-staging", 12, 0.2, 25, since=41, fails=frozenset({12})),
    Host("vpn", 2, 0.02, 9),
    Host("web1", 31, 0.4, 48, fails=frozenset({140, 201})),
    Host("web2", 30, 0.4, 47, fails=frozenset({201})),
    Host("web3", 28, 0.4, 44),
    Host("new1", 0, 0, since=-1),
)


def make_server(directory: Path, hosts: tuple[Host, ...] = HOSTS, days: int = 400, now: datetime = NOW) -> Path:
    """Make a server below a directory; return its configuration's directory."""
    state = directory / "state"
    settings = {"state_dir": str(state), "page_dir": str(directory / "page"), "metrics_dir": str(directory / "metrics")}
    server = json.loads((FORMATS / "server.json").read_text())
    client = json.loads((FORMATS / "clients/web1.json").read_text())
    for name in ("clients", "state", "page", "metrics"):
        (directory / name).mkdir()
    (directory / "server.json").write_text(json.dumps(server | settings))
    for host in hosts:
        repository = directory / "repositories" / host.name / "repo"
        own = {"client": host.name, "quota": host.quota, "repository": str(repository), "escrow_recipients": RECIPIENTS}
        (directory / f"clients/{host.name}.json").write_text(json.dumps(client | own))
        if host.escrow:
            _write_escrow(repository.with_name("escrow"), host, now - timedelta(days=20))
        if host.since > 0:
            _write_baseline(state / host.name, host)
    with Ledger.open(str(state / NAME)) as ledger:
        ledger.take_over(link(make_entries(hosts, days, now)))
    return directory


def _write_escrow(directory: Path, host: Host, kept: datetime) -> None:
    directory.mkdir(parents=True)
    meta = {"digest": host.name, "kept": kept.isoformat(), "recipients": [{"holder": "ana", "recipient": host.escrow}]}
    (directory / "0001-made.json").write_text(json.dumps({"name": "0001-made", **meta}))


def _write_baseline(directory: Path, host: Host) -> None:
    directory.mkdir()
    used = int((host.size * 0.6 + host.fresh * 60) * GIB)
    held = int(host.fresh * 8 * GIB)
    row = {"number": 0, "mtime": 0, "count": 1, "size": used, "digest": ""}
    content = {"transaction": 9, "directories": [row], "objects": 9, "manifest": 9, "manifest_floor": 9, "config": ""}
    (directory / "baseline.json").write_text(json.dumps({"schema": 1, **content, "nonce": 9, "freeable": held}))


def make_entries(hosts: tuple[Host, ...], days: int, now: datetime) -> Iterator[tuple[datetime, Entry]]:
    """Yield what happened, with its time, oldest first."""
    chance = random.Random(1)
    for back in range(days, -1, -1):
        night = (now - timedelta(days=back)).replace(hour=1, minute=0)
        for place, host in enumerate(hosts):
            if host.until <= back <= host.since:
                when = night + timedelta(minutes=10 * (place % 30), seconds=place)
                yield when, make_session(host, back, when, chance)
                if back % 91 == 30 and host.size > 100:
                    took = round(host.seconds * chance.lognormvariate(0, 0.2), 1)
                    yield when, RehearsalEntry(host.name, "restore", "ana", archive_name="a", files=9, seconds=took)
                if host.frozen and back == 0:
                    alarm = Alarm(HISTORY, host.name, ("2 archives that arrived are not in the repository any more",))
                    yield when, FreezeEntry(host.name, session="", alarm=alarm)


def make_session(host: Host, back: int, when: datetime, chance: random.Random) -> SessionEntry:
    """Return one night of one client."""
    begin = when.isoformat(timespec="seconds")
    session, run = f"{chance.getrandbits(128):032x}", f"{when:%Y%m%d}T010000Z-0a0a0a0a"
    if back in host.fails:
        return SessionEntry(host.name, "backup", session, run, "failed", code=host.code, reason=host.reason)
    growth = 1 - back / 1400 + chance.gauss(0, 0.002)
    size, fresh = int(host.size * growth * GIB), int(host.fresh * chance.lognormvariate(0, 0.45) * GIB)
    took = host.seconds * growth * chance.lognormvariate(0, 0.12)
    name, number = f"{host.name}-{begin}", f"{chance.getrandbits(256):064x}"
    archive = ReportedArchive(number, name, begin, begin, took, size, size // 2, fresh, int(host.size * 3100 * growth))
    return SessionEntry(
        host.name,
        "backup",
        session,
        run,
        "ok",
        started=begin,
        finished=begin,
        duration=round(took, 1),
        commits=1,
        manifests=1,
        archive=archive,
        audit="clean",
        stored_bytes=fresh,
        came=number,
    )


def link(entries: Iterator[tuple[datetime, Entry]]) -> Iterator[Link]:
    """Yield entries as a chain."""
    head = EMPTY
    for when, entry in entries:
        kind, client, body = encode(entry)
        time = when.isoformat(timespec="microseconds")
        digest = link_hash(head.seq + 1, time, kind, client, body, head.hash)
        yield Link(head.seq + 1, time, kind, client, body, head.hash, digest)
        head = ChainHead(head.seq + 1, digest)
