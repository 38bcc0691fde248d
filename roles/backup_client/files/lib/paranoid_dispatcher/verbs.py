# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs: what each one does with Borg, and what it tells about it."""

from __future__ import annotations

import json
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.output import parse_answer, printable, reason_of, utc
from paranoid_dispatcher.process import Done
from paranoid_dispatcher.session import TICK_SECONDS
from paranoid_dispatcher.work import Work

TOLD_MAX = 100  # archives that the server does not know
MISSING_MAX = 1000  # archives that it knows and that are not there
NAME_MAX = 200

Record = dict[str, Any]


def create(work: Work) -> Record:
    """Make the repository, with a key that is made here."""
    work.borgmatic("repo-create")
    return {}


def backup(work: Work) -> Record:
    """Make an archive, and tell its name and sizes (bytes, seconds) as borgmatic's JSON has them."""
    archive = parse_answer(work.borgmatic("create", "--json"))["archive"]
    sizes = ("original_size", "compressed_size", "deduplicated_size", "nfiles")
    return {
        "archive": {
            "name": archive["name"],
            "id": archive["id"],
            "start": utc(archive["start"]),
            "end": utc(archive["end"]),
            "duration": archive["duration"],
            **{size: archive["stats"][size] for size in sizes},
        }
    }


def info(work: Work) -> Record:
    """Read the repository through tunnel, key and gate, and tell what it is and what came last."""
    answer = parse_answer(work.borgmatic("repo-list", "--json", "--last", "1"))
    last = [{"name": a["name"], "id": a["id"], "start": utc(a["start"])} for a in answer["archives"]]
    return {
        "info": {
            "repository_id": answer["repository"]["id"],
            "encryption": answer["encryption"]["mode"],
            "last_archive": last[-1] if last else None,
        }
    }


def open_(work: Work) -> Record:
    """Stay until the server ends the session; meanwhile paranoid-backup-borg finds the tunnel by this file."""
    marker = Path(work.config.base_dir) / "open"
    marker.write_text(f"{work.socket}\n", encoding="ascii")
    try:
        while not (why := work.session.stopped()):
            if select.select([0], [], [], TICK_SECONDS)[0]:
                work.session.read()
    finally:
        marker.unlink()
    if not work.session.closed:
        raise Failed(why)
    return {}


def maintain(work: Work) -> Record:
    """Delete the archives whose ids the server named, no others, check, and tell what else there is."""
    asked = work.request
    held = _archives(work)
    named = [identifier for identifier in asked.delete if identifier in held]
    if named:
        _succeed(work.borg("delete", "--", "::", *(held[identifier] for identifier in named)))
    strange = [
        {"id": i, "name": printable(name, NAME_MAX)}
        for i, name in held.items()
        if i not in asked.known and i not in named
    ]
    missing = sorted((asked.known | set(asked.delete)) - set(held))
    told = {"deleted": named, "missing": missing[:MISSING_MAX], "unknown": strange[:TOLD_MAX], "check": "skipped"}
    if asked.check_seconds:
        told["check"] = _check(work)
    return {"maintain": told}


def _archives(work: Work) -> dict[str, str]:
    """Return the name of every archive by its id, those that an interrupted backup left behind among them."""
    listed = json.loads(_succeed(work.borg("list", "--json", "--consider-checkpoints")).stdout)
    return {archive["id"]: archive["name"] for archive in listed["archives"]}


def _check(work: Work) -> str:
    """Go on with the check of the repository where the last one stopped; Borg says 1 when it found errors."""
    done = work.borg("check", "--repository-only", "--max-duration", str(work.request.check_seconds))
    if done.returncode != 1:
        _succeed(done)
    return "failed" if done.returncode else "ok"


def _succeed(done: Done) -> Done:
    if done.returncode:
        raise Failed(reason_of(done.log.decode("utf-8", "replace")))
    return done


VERBS: dict[str, Callable[[Work], Record]] = {
    "create": create,
    "backup": backup,
    "info": info,
    "open": open_,
    "maintain": maintain,
}
