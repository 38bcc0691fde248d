# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch is told: which servers it asks and how, and what it finds too old."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from paranoid_runner.errors import UsageError
from paranoid_runner.watch.chain import EMPTY, Head, parse_head

CONFIG = Path("/etc/paranoid-backup/watch.json")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_HOST_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+", re.ASCII)


@dataclass(frozen=True)
class Rules:
    """What is too old, or too full. A number of 0 is not asked.

    A client is late ``grace_hours`` after its window closed, and in any case after ``at_most_days``, whatever its
    server says of its schedule. A mail has gone out within ``mail_hours``. An escrow was opened for a trial, and a
    restore was tried, within ``rehearsal_days``.
    """

    grace_hours: float = 6
    at_most_days: float = 35
    mail_hours: float = 36
    rehearsal_days: float = 90
    full_days: float = 30


@dataclass(frozen=True)
class Target:
    """A server that is asked by ssh at ``host``, or by whatever ``command`` leads to it; ``known`` is a noted head."""

    name: str
    host: str = ""
    port: int = 22
    user: str = "paranoid-watch"
    host_keys: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    known: Head = EMPTY
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class WatchConfig:
    """``name`` is what the servers call this watch, ``key`` its private key, ``heartbeat`` a file with a secret URL."""

    name: str
    state: Path
    key: Path
    heartbeat: Path | None
    targets: tuple[Target, ...]


def load_config(path: Path = CONFIG) -> WatchConfig:
    """Return the configuration; UsageError where there is none, or it cannot be meant."""
    try:
        return _read(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise UsageError(f"{path} is not there: docs/watch.md says how to set a watch up") from None
    except PermissionError:
        raise UsageError(f"{path} cannot be read: become the user of the watch, with sudo -u") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be meant ({error}): docs/watch.md says what stands there") from None


def _read(found: Mapping[str, Any]) -> WatchConfig:
    if not _NAME.fullmatch(str(found["name"])):
        raise ValueError("name: lower-case letters, digits and hyphens")
    common = _read_rules(Rules(), found.get("rules") or {})
    targets = tuple(_read_target(one, common) for one in found["servers"])
    if not targets or len({one.name for one in targets}) != len(targets):
        raise ValueError("servers: one or more, each with a name of its own")
    heartbeat = Path(found["heartbeat_file"]) if found.get("heartbeat_file") else None
    return WatchConfig(str(found["name"]), Path(found["state"]), Path(found["key"]), heartbeat, targets)


def _read_target(found: Mapping[str, Any], common: Rules) -> Target:
    name, command = str(found["name"]), tuple(map(str, found.get("command") or ()))
    host, keys = str(found.get("host") or ""), tuple(map(str, found.get("host_keys") or ()))
    if not _SERVER.fullmatch(name):
        raise ValueError(f"{name[:60]!r} names no server")
    if not command and (not host or host.startswith("-")):
        raise ValueError(f"{name}: host, or a command that leads to it")
    if not command and (not keys or not all(map(_HOST_KEY.fullmatch, keys))):
        raise ValueError(f'{name}: host_keys, a list of its public host keys such as "ssh-ed25519 AAAA…"')
    return Target(
        name=name,
        host=host,
        port=int(found.get("port") or 22),
        user=str(found.get("user") or "paranoid-watch"),
        host_keys=keys,
        command=command,
        known=parse_head(str(found["known_head"])) if found.get("known_head") else EMPTY,
        rules=_read_rules(common, found.get("rules") or {}),
    )


def _read_rules(common: Rules, found: Mapping[str, Any]) -> Rules:
    known = {one.name for one in fields(Rules)}
    unknown = sorted(set(found) - known)
    if unknown:
        raise ValueError(f"rules: there is no {unknown[0][:60]}")
    given = {name: float(value) for name, value in found.items()}
    if any(not 0 <= value < 1e5 for value in given.values()):
        raise ValueError("rules: numbers from 0")
    return Rules(**{**{name: getattr(common, name) for name in known}, **given})
