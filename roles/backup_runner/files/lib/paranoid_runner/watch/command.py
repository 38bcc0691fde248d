# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup watch: one line as monitoring plugins have it, details below, and their exit codes."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from paranoid_runner.errors import UsageError
from paranoid_runner.files import write_whole
from paranoid_runner.watch.asking import known_hosts
from paranoid_runner.watch.config import CONFIG, Target, WatchConfig, load_config
from paranoid_runner.watch.heartbeat import HeartbeatError, send_heartbeat
from paranoid_runner.watch.levels import Finding, Level, find_worst, show
from paranoid_runner.watch.looking import Seen, begin_anew, forget_client, look_at
from paranoid_runner.watch.memory import MemoryLost

SCHEMA = 1


def run(options: argparse.Namespace) -> int:
    """Do what was asked; the exit code is that of monitoring plugins, 3 also for what was typed wrong."""
    try:
        config = load_config(options.config or CONFIG)
        with _hold(config):
            if options.anew:
                return _say(_begin_anew(config, _find(config, options.anew)))
            if options.forget:
                return _say(_forget(config, _find(config, options.forget[0]), options.forget[1]))
            seen = _look(config)
    except (UsageError, MemoryLost) as error:
        seen = [_make_unknown(str(error))]
    except OSError as error:
        seen = [_make_unknown(f"{error.filename or 'what it has seen'}: {error.strerror}")]
    sys.stdout.write((describe_json(seen) if options.json else describe(seen)) + "\n")
    return find_worst(one.level for one in seen)


def describe(seen: Sequence[Seen]) -> str:
    """Return the line, with numbers after a bar, and a line for each finding."""
    level = find_worst(one.level for one in seen)
    heads = "; ".join(_describe_head(one) for one in seen if one.server)
    numbers = [f"'{one.server}_{name}'={value}{unit}" for one in seen for name, value, unit in one.numbers]
    found = [(one.server, finding) for one in seen for finding in one.findings]
    worst = next((f"{server}: {finding.text}" for server, finding in found if finding.level == level), "")
    more = f" (and {len(found) - 1} more)" if worst and len(found) > 1 else ""
    first = f"BACKUP {level.name} - {worst + more if level else heads}"
    lines = [f"{finding.level.name} {server}: {finding.text}" for server, finding in found]
    return "\n".join([f"{first} | {' '.join(numbers)}" if numbers else first, *lines])


def describe_json(seen: Sequence[Seen]) -> str:
    """Return the same for programs."""
    servers = [
        {
            "name": one.server,
            "level": one.level.name,
            "head": str(one.head),
            "witnessed": one.is_signed,
            "numbers": {name: value for name, value, _unit in one.numbers},
            "findings": [
                {"level": finding.level.name, "check": finding.check, "text": finding.text} for finding in one.findings
            ],
        }
        for one in seen
    ]
    return json.dumps(
        {"schema": SCHEMA, "level": find_worst(one.level for one in seen).name, "servers": servers}, indent=1
    )


def _look(config: WatchConfig) -> list[Seen]:
    lines = [f"{target.name} {key}\n" for target in config.targets for key in target.host_keys]
    write_whole(known_hosts(config), "".join(lines).encode())
    seen = [look_at(config, target, _now) for target in config.targets]
    if config.heartbeat and all(one.level is Level.OK for one in seen):
        try:
            send_heartbeat(config.heartbeat)
        except HeartbeatError as error:
            seen.append(Seen("watch", (Finding(Level.WARNING, "heartbeat", str(error)),)))
    return seen


def _describe_head(one: Seen) -> str:
    witnessed = ", witnessed" if one.is_signed else ""
    return f"{one.server}: {one.clients} clients fresh, ledger whole up to entry {one.head.seq}{witnessed}"


@contextmanager
def _hold(config: WatchConfig) -> Iterator[None]:
    """Be the only one who looks: two would remember different things."""
    try:
        descriptor = os.open(config.state / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{config.state}: {error.strerror}; become the user of the watch, with sudo -u") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError("another look is at work") from None
    finally:
        os.close(descriptor)


def _find(config: WatchConfig, name: str) -> Target:
    found = next((one for one in config.targets if one.name == name), None)
    if found is None:
        raise UsageError(f"there is no server {name!r:.60}: {', '.join(one.name for one in config.targets)}")
    return found


def _begin_anew(config: WatchConfig, target: Target) -> str:
    if not begin_anew(config, target, _now()):
        raise UsageError(f"nothing was seen of {target.name} yet")
    return f"what was seen of {target.name} is set aside; the next look begins with its first entry"


def _forget(config: WatchConfig, target: Target, client: str) -> str:
    if not forget_client(config, target, client):
        raise UsageError(f"{target.name} had no client {client!r:.80}")
    return f"{client} is missed no more; if the server still has it, the next look knows it again"


def _make_unknown(why: str) -> Seen:
    return Seen("watch", (Finding(Level.UNKNOWN, "state", show(why, 400)),))


def _say(line: str) -> int:
    sys.stdout.write(line + "\n")
    return Level.OK


def _now() -> datetime:
    return datetime.now(UTC)
