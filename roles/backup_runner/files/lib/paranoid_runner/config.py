# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml wrote down for the runner: where runs start, and when whose turn is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_runner.errors import UsageError
from paranoid_runner.schedule.rules import Schedule, ScheduleError, parse_schedule

CONFIG = Path("/etc/paranoid-backup/runner.json")
PROGRESS = "/run/paranoid-backup/progress"
UPKEEP = (
    "maintain",
    "compact",
    "audit",
    "drill",
)  # what a run does for all clients at once, each with a cadence of its own
VERBS = ("backup", *UPKEEP)
_LATER = {"drill": "paranoid.backup.drill"}  # not in what earlier releases wrote: a timer may wake before site.yml
DIGEST = "digest"  # a mail of the runner's own about the last days


@dataclass(frozen=True)
class Config:
    """``project`` is the directory with ansible.cfg in which runs start, ``inventory`` that of the clients.

    ``state`` is the runner's own directory, ``reports`` that of the records, ``programs`` has ansible-playbook, and
    ``playbooks`` the playbook of each verb; ``hours`` is how long a run may take. ``clients`` and ``upkeep`` have the
    rules of each client and verb. In ``progress`` a server that is this machine notes how far its sessions are.
    ``page`` is the playbook of the servers' pages, empty for none.
    ``notify`` is the file with the places that are told beside mail, empty for what ansible.cfg says.
    ``digest`` has the rules of the mail about the last days, None for no such mail. ``timer`` is what wakes the runner:
    systemd, cron, none, or empty where an earlier release did not say.
    """

    project: Path
    inventory: Path
    state: Path
    reports: Path
    programs: Path
    hours: float
    playbooks: Mapping[str, str]
    clients: Mapping[str, Schedule]
    upkeep: Mapping[str, Schedule]
    progress: Path
    page: str
    notify: str = ""
    digest: Schedule | None = None
    timer: str = ""


def load_config(path: Path = CONFIG) -> Config:
    """Return the configuration; UsageError where there is none, or it cannot be meant."""
    try:
        found = json.loads(path.read_bytes())
        return _read(found)
    except FileNotFoundError:
        raise UsageError(f"{path} is not there: set backup_runner_project and run the role backup_runner") from None
    except PermissionError:
        raise UsageError(f"{path} cannot be read: become the user of the runner, with sudo") from None
    except ScheduleError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not what the role backup_runner writes ({error}): run the role again") from None


def name_places(config: Config) -> Mapping[str, str]:
    """Return what tells the callback which places it tells beside mail."""
    return {"PARANOID_REPORT_NOTIFY_FILE": config.notify} if config.notify else {}


def _read(found: Mapping[str, Any]) -> Config:
    return Config(
        project=Path(found["project"]),
        inventory=Path(found["inventory"]),
        state=Path(found["state"]),
        reports=Path(found["reports"]),
        programs=Path(found["programs"]),
        hours=float(found["hours"]),
        playbooks={verb: str({**_LATER, **found["playbooks"]}[verb]) for verb in VERBS},
        clients={name: _parse(name, rules) for name, rules in found["clients"].items()},
        upkeep={verb: _parse(verb, rules) for verb, rules in found["upkeep"].items() if verb in UPKEEP and rules},
        progress=Path(found.get("progress", PROGRESS)),
        page=str(found.get("page", "")),
        notify=str(found.get("notify", "")),
        digest=_parse(DIGEST, {"catch_up": True, **found["digest"]}) if found.get("digest") else None,
        timer=str(found.get("timer", "")),
    )


def _parse(name: str, rules: Mapping[str, Any]) -> Schedule:
    try:
        return parse_schedule(rules)
    except ScheduleError as error:
        raise ScheduleError(f"{name}: {error}") from None
