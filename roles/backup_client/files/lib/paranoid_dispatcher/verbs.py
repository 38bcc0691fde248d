# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs: what each one does with Borg, and what it reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paranoid_dispatcher.around import work_between_hooks
from paranoid_dispatcher.describing import keep_description
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.escrow import make_escrow
from paranoid_dispatcher.looks import Looks
from paranoid_dispatcher.output import describe_archive, parse_borgmatic_json, printable, to_utc
from paranoid_dispatcher.owner import OFF, withdraw_request
from paranoid_dispatcher.owner_hooks import OwnerHooks
from paranoid_dispatcher.server_link import TICK_SECONDS
from paranoid_dispatcher.tagged import load_tagged, save_tagged
from paranoid_dispatcher.toolbox import Toolbox, require_success

UNKNOWN_MAX = 100  # archives that the server does not know
MISSING_MAX = 1000  # archives that it knows and that are not there
NAME_MAX = 200

Record = dict[str, Any]


def create(tools: Toolbox) -> Record:
    """Make the repository, with a key that is made here."""
    tools.borgmatic("repo-create")
    return {}


def backup(tools: Toolbox) -> Record:
    """Make an archive, between the owner's hooks; Failed if he has switched the backup off."""
    if tools.owner.off:
        switch = Path(tools.config.owner_dir) / OFF
        raise Failed(f"its owner has switched the backup off ({switch}): {tools.owner.off}")
    return work_between_hooks(tools, "backup", lambda hooks: _back_up(tools, hooks))


def _back_up(tools: Toolbox, hooks: OwnerHooks) -> Record:
    """Make an archive of the sources that are as they were meant; report its name and sizes (bytes, seconds).

    What is wrong with the others, before or after, the server is told beside it. Failed if there is nothing to save.
    """
    looks = Looks(tools.config)
    tools.owner.sources, tools.owner.excludes = tuple(looks.added.sources), tuple(looks.added.excludes)
    tools.owner.skipped += looks.added.skipped
    if looks.is_wanting and not looks.roots:
        raise Failed(looks.problems[0], looks.told)
    hooks.inspect({"PARANOID_BACKUP_SOURCES": json.dumps(looks.roots)})
    tools.look_around = looks.take
    options = [*looks.options, *keep_description(tools.config, tools.link)]
    base = Path(tools.config.base_dir)
    tools.evidence.told_before = load_tagged(base)
    try:
        archive = _make_archive(tools, *options)
    except Failed as exc:
        raise Failed(str(exc), {**looks.told, **tools.told}) from exc
    save_tagged(base, tools.evidence.tagged)
    looks.take(before=False)
    return {**tools.told, "archive": archive, **looks.told}


def _make_archive(tools: Toolbox, *options: str) -> Record:
    """Return what borgmatic says of the archive that it made; Failed if it made none, or something failed after it."""
    return describe_archive(parse_borgmatic_json(tools.borgmatic("create", "--json", *options))["archive"])


def info(tools: Toolbox) -> Record:
    """Read the repository through tunnel, key and gate; report what it is and its last archive."""
    listed = parse_borgmatic_json(tools.borgmatic("repo-list", "--json", "--last", "1"))
    last = [{"name": a["name"], "id": a["id"], "start": to_utc(a["start"])} for a in listed["archives"]]
    return {
        "info": {
            "repository_id": listed["repository"]["id"],
            "encryption": listed["encryption"]["mode"],
            "last_archive": last[-1] if last else None,
        }
    }


def open_(tools: Toolbox) -> Record:
    """Wait until the server ends the session, or the owner removes the file by which his commands find the tunnel."""
    marker = Path(tools.config.base_dir) / "open"
    marker.write_text(f"{tools.socket}\n", encoding="ascii")
    withdraw_request(Path(tools.config.base_dir))
    try:
        while not (why := tools.link.stop_reason) and marker.exists():
            tools.link.wait(TICK_SECONDS)
    finally:
        marker.unlink(missing_ok=True)
    if why and not tools.link.closed:
        raise Failed(why)
    return {}


def maintain(tools: Toolbox) -> Record:
    """Delete the archives whose ids the server named and no others, check, and report which others there are.

    While an archive is absent that should stay, delete nothing: Borg drops each chunk that no archive on the list
    needs, also one that the absent archive shares with those that go.
    """
    request = tools.request
    held = _archive_names(tools)
    nobody_missing = request.known <= held.keys()
    deleted = [identifier for identifier in request.delete if nobody_missing and identifier in held]
    if deleted:
        require_success(tools.borg("delete", "--", "::", *(held[identifier] for identifier in deleted)))
    unknown = [
        {"id": i, "name": printable(name, NAME_MAX)}
        for i, name in held.items()
        if i not in request.known and i not in request.delete
    ]
    missing = sorted((request.known | set(request.delete)) - set(held))
    return {
        "maintain": {
            "deleted": deleted,
            "missing": missing[:MISSING_MAX],
            "unknown": unknown[:UNKNOWN_MAX],
            "check": _check(tools) if request.check_seconds else "skipped",
        }
    }


def _archive_names(tools: Toolbox) -> dict[str, str]:
    """Return every archive's name by its id, including those that an interrupted backup left behind."""
    listed = json.loads(require_success(tools.borg("list", "--json", "--consider-checkpoints")).stdout)
    return {archive["id"]: archive["name"] for archive in listed["archives"]}


def _check(tools: Toolbox) -> str:
    """Check the repository from where the last check stopped. Borg ends with 1 when it found errors."""
    done = tools.borg("check", "--repository-only", "--max-duration", str(tools.request.check_seconds))
    if done.returncode == 1:
        return "failed"
    require_success(done)
    return "ok"


VERBS: dict[str, Callable[[Toolbox], Record]] = {
    "create": create,
    "escrow": make_escrow,
    "backup": backup,
    "info": info,
    "open": open_,
    "maintain": maintain,
}
