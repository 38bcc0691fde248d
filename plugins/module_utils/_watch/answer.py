# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server tells a watch: one JSON document of what it saw itself, and the entries of the ledger after a number.

Its form, schema 1; sizes are bytes, times ISO 8601 UTC by the server's clock. A watch takes all of it as hostile.

=============  ======================================================================================
schema         1
server         ``host_id``, chosen once; ``host``, its name
clock          its time when the answer was made
ledger         ``head`` (``<seq>:<hash>``), ``entries`` after the number that was asked for, each as a list of seq,
               time, kind, client, body, previous, hash; ``more``, whether that is not all up to the head
clients        each provisioned client: ``client``, ``schedule`` (its rules by the variables' names, null where
               site.yml has not written them yet), ``quota``, ``escrow`` (whether there are recipients),
               ``last_arrival`` (null, or ``seq`` and ``time`` of its newest good archive), ``frozen`` (null, or since
               when)
disk           null, or ``total`` and ``free`` of the repositories' file system
runs           null where no runner is here, else ``last_mail`` (null, or when the last run ended whose mail was
               accepted) and ``untold``, how many runs nobody has heard of for a day
versions       ``borg``, ``python``
witnesses      of each watch ``name``, ``seq`` and ``time`` of what is kept
problems       lines about what could not be read
=============  ======================================================================================
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import metadata
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ConfigError,
    ServerConfig,
    list_clients,
    load_client,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import ChainHead, Link
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._watch.witness import describe_witnesses

SCHEMA = 1
ENTRIES_BYTES = 4 * 1024 * 1024  # of one answer; the watch asks again for the rest
PROBLEMS_LIMIT = 20
_RECORD_LIMIT = 64 * 1024 * 1024
_RECORDS_READ = 50
_ACCEPTED = ("sent", "queued")
_TEAM = ""  # those who get every mail, in what a record hands on (_record/history.py)
_UNTOLD = _AHEAD = timedelta(days=1)


def make_answer(config_dir: str, server: ServerConfig, ledger: Ledger, since: int, now: datetime) -> dict[str, Any]:
    """Return the document; LedgerError or ConfigError if the ledger or the clients' names cannot be read."""
    head = ledger.head()
    entries, more = _take_entries(ledger.links(since), head)
    problems: list[str] = []
    return {
        "schema": SCHEMA,
        "server": {"host_id": server.host_id, "host": platform.node()},
        "clock": now.isoformat(),
        "ledger": {"head": str(head), "entries": entries, "more": more},
        "clients": [_describe(config_dir, name, ledger, problems) for name in list_clients(config_dir)],
        "disk": _measure(server.repository_root, problems),
        "runs": _describe_runs(config_dir, now),
        "versions": {"borg": _find_borg(), "python": platform.python_version()},
        "witnesses": describe_witnesses(server),
        "problems": problems[:PROBLEMS_LIMIT],
    }


def _take_entries(links: Iterable[Link], head: ChainHead) -> tuple[list[list[Any]], bool]:
    """Return the entries up to the head, as many as fit, and whether there are more."""
    taken: list[list[Any]] = []
    size = 0
    for link in links:
        if link.seq > head.seq:  # It was appended meanwhile; the next answer has it.
            break
        size += len(link.body) + 300
        if taken and size > ENTRIES_BYTES:
            return taken, True
        taken.append([link.seq, link.time, link.kind, link.client, link.body, link.previous, link.hash])
    return taken, False


def _describe(config_dir: str, name: str, ledger: Ledger, problems: list[str]) -> dict[str, Any]:
    last, frozen = ledger.last_success(name), ledger.freeze_state(name)
    told: dict[str, Any] = {
        "client": name,
        "schedule": None,
        "quota": None,
        "escrow": False,
        "last_arrival": {"seq": last.seq, "time": last.time.isoformat()} if last else None,
        "frozen": frozen.time.isoformat() if frozen else None,
    }
    try:
        client = load_client(config_dir, name)
    except ConfigError as error:
        problems.append(one_line(str(error), 300))
        return told
    return {**told, "schedule": client.schedule, "quota": client.quota, "escrow": bool(client.escrow_recipients)}


def _measure(root: str, problems: list[str]) -> dict[str, int] | None:
    try:
        found = os.statvfs(root)
    except OSError as error:
        problems.append(one_line(f"{root}: {error.strerror}", 300))
        return None
    return {"total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize}


def _find_borg() -> str:
    """Return the version of the Borg that the gate uses, whose Python this is; empty where it is another's."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("borgbackup")
    return ""


def _describe_runs(config_dir: str, now: datetime) -> dict[str, Any] | None:
    """Return what the records of the runner on this machine say of mails (docs/report.md), None where there is none."""
    try:
        with open(os.path.join(config_dir, "runner.json"), "rb") as handle:
            config = json.loads(handle.read(_RECORD_LIMIT))
        reports, spool = str(config["reports"]), os.path.join(str(config.get("state") or ""), "spool")
        ahead = f"{now + _AHEAD:%Y%m%dT%H%M%SZ}"  # Run ids begin with a time; a wrong clock's come last.
        runs = sorted(os.listdir(reports), key=lambda run: (not ahead < run < "9", run), reverse=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    before = (now - _UNTOLD).timestamp()
    untold = {run for run in runs if _is_older(os.path.join(reports, run, "untold"), before)}
    untold |= {name.partition(".")[0] for name in _list(spool) if _is_older(os.path.join(spool, name), before)}
    return {"last_mail": next(_find_mails(reports, runs[:_RECORDS_READ], now + _AHEAD), None), "untold": len(untold)}


def _list(directory: str) -> list[str]:
    """Return the names in a directory, but what a kill left half written; the runner makes its spool when it must."""
    try:
        return [name for name in os.listdir(directory) if not name.startswith(".")]
    except OSError:
        return []


def _is_older(path: str, before: float) -> bool:
    """Tell whether a file is there since before that time: a run's mark, which one at work has, too, or what waits."""
    try:
        return os.lstat(path).st_mtime < before
    except OSError:
        return False


def _find_mails(reports: str, runs: Iterable[str], until: datetime) -> Iterator[str]:
    """Yield when runs ended whose mail was accepted, the newest first; where it waits for some, others have it.

    A run that needed none hands on when the last one went out, unless a clock says so that was ahead.
    """
    for run in runs:
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            with open(os.path.join(reports, run, "record.json"), "rb") as handle:
                found = json.loads(handle.read(_RECORD_LIMIT))
            mail = found["mail"]
            is_accepted = mail["state"] in _ACCEPTED or (mail["state"] == "waiting" and mail["accepted"])
            if is_accepted and found["finished"]:
                yield datetime.fromisoformat(found["finished"]).isoformat()
            elif (told := datetime.fromisoformat(found["history"]["told"][_TEAM])) <= until:
                yield told.isoformat()
