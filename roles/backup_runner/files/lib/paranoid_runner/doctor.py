# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup doctor: says what is missing on controller, servers and clients, and changes nothing."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paranoid_runner.checks import Finding, Machine, judge_ansible, judge_machine
from paranoid_runner.config import CONFIG, Config, load_config, name_places
from paranoid_runner.documents import to_json
from paranoid_runner.errors import UsageError, guess, printable

PROBE = Path(__file__).parent / "probe.py"
PLAYBOOK = "paranoid.backup.doctor"
PROBE_SECONDS = 180
SIGNS = {"ok": "ok  ", "odd": "LOOK", "bad": "BAD "}


@dataclass(frozen=True)
class Place:
    """Where Ansible is, and from where it starts."""

    programs: str
    project: Path
    inventory: str


@dataclass(frozen=True)
class Patient:
    """One host, or the controller, and what was found there."""

    name: str
    kind: str
    findings: tuple[Finding, ...]


def examine(options: argparse.Namespace) -> int:
    """Look everywhere and tell; return 1 where something must be mended."""
    config, problem = _load(options)
    place = _find_place(options, config)
    seen = _probe(place, name_places(config) if config else {})
    patients = [_examine_controller(config, problem, seen), *_examine_hosts(place, seen, options.clients)]
    if options.json:
        document = [
            {"name": one.name, "kind": one.kind, "findings": list(map(asdict, one.findings))} for one in patients
        ]
        print(to_json({"hosts": document}))
    else:
        print("\n".join(_format(patients)))
    return int(any(one.state == "bad" for patient in patients for one in patient.findings))


def _load(options: argparse.Namespace) -> tuple[Config | None, str]:
    """Return the runner's configuration, or why there is none: before site.yml there is not."""
    try:
        return load_config(options.config or CONFIG), ""
    except UsageError as error:
        return None, str(error)


def _find_place(options: argparse.Namespace, config: Config | None) -> Place:
    path = os.environ.get("PATH", os.defpath)
    programs = f"{config.programs}{os.pathsep}{path}" if config else path
    project = options.project or (config.project if config else Path.cwd())
    inventory = options.inventory.absolute() if options.inventory else (config.inventory if config else "")
    return Place(programs, project, str(inventory))


def _probe(place: Place, environment: Mapping[str, str]) -> Mapping[str, Any] | str:
    """Return what Ansible's own Python sees, with the ENVIRONMENT of a run, or why it sees nothing."""
    python = find_python(place.programs)
    if not python:
        return "ansible-playbook is not found on PATH"
    env = {**os.environ, **environment, "PATH": place.programs, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    if (place.project / "ansible.cfg").exists():
        env["ANSIBLE_CONFIG"] = str(place.project / "ansible.cfg")
    try:
        done = subprocess.run(
            [python, "-I", str(PROBE), place.inventory],
            cwd=place.project,
            env=env,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
        found: Mapping[str, Any] = json.loads(done.stdout or b"null") or {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return f"Ansible cannot be asked: {error}"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return found or f"Ansible cannot be asked: {lines[-1] if lines else f'exit code {done.returncode}'}"


def find_python(path: str) -> str:
    """Return the Python that ansible-playbook starts with, empty where it is not found."""
    program = shutil.which("ansible-playbook", path=path)
    if not program:
        return ""
    with open(program, "rb") as file:
        first = file.readline(4096).decode("utf-8", "replace").strip()
    words = first.removeprefix("#!").split()
    if not first.startswith("#!") or not words or "python" not in words[-1]:
        return sys.executable
    return words[0] if words[0].endswith(words[-1]) else shutil.which(words[-1], path=path) or ""


def _examine_controller(config: Config | None, problem: str, seen: Mapping[str, Any] | str) -> Patient:
    planned = frozenset(config.clients) if config else None
    machine = Machine(
        python=sys.version_info[:2],
        missing=[name for name in ("ansible_runner", "rich") if find_spec(name) is None],
        config_problem=problem,
        planned=planned,
        timer="none" if config and config.timer == "none" else _find_timer(),
        is_synchronized={"yes": True, "no": False}.get(
            _say("timedatectl", "show", "--property=NTPSynchronized", "--value")
        ),
        free=_find_free(config.state) if config else None,
    )
    found = list(judge_machine(machine))
    if isinstance(seen, str):
        found.append(Finding("ansible", "bad", seen, "install ansible-core, and put its programs on PATH"))
    else:
        found += judge_ansible(seen, planned)
    return Patient("controller", "controller", tuple(found))


def _find_timer() -> str:
    """Return what wakes the runner."""
    if os.path.exists("/etc/cron.d/paranoid-backup"):
        return "cron"
    return "systemd" if _say("systemctl", "is-active", "paranoid-backup-runner.timer") == "active" else "inactive"


def _find_free(state: Path) -> int | None:
    try:
        return shutil.disk_usage(state).free
    except OSError:
        return None


def _say(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _examine_hosts(place: Place, seen: Mapping[str, Any] | str, clients: Sequence[str]) -> Iterator[Patient]:
    """Yield what a playbook that changes nothing finds on servers and clients."""
    groups = {} if isinstance(seen, str) else seen["groups"]
    if isinstance(seen, str) or not seen["has_collection"] or not any(groups.values()):
        return
    unknown = sorted(set(clients) - set(groups.get("backup_clients", ())))
    if unknown:
        near = guess(unknown[0], groups.get("backup_clients", ()))
        raise UsageError(f"{unknown[0]}{near} is not in the group backup_clients: look at the inventory")
    if find_spec("ansible_runner") is None:
        cure = f"type ansible-playbook -i {seen['inventory']} {PLAYBOOK}"
        yield Patient("hosts", "hosts", (Finding("hosts", "odd", "nobody looked at servers and clients", cure),))
        return
    limit = [*groups.get("backup_servers", ()), *clients] if clients else []
    found = {(name, kind): findings for name, kind, findings in _play(place, str(seen["inventory"]), limit)}
    chosen = clients or groups.get("backup_clients", ())
    expected = [
        *((name, "server") for name in groups.get("backup_servers", ())),
        *((name, "client") for name in chosen),
    ]
    cure = f"type ansible-playbook -i {seen['inventory']} {PLAYBOOK}, which says why"
    unseen = (Finding("reach", "bad", "Ansible did not come to it", cure),)
    yield from (Patient(*one, found.get(one, unseen)) for one in expected)


def _play(place: Place, inventory: str, limit: Sequence[str]) -> Iterator[tuple[str, str, tuple[Finding, ...]]]:
    import ansible_runner

    with tempfile.TemporaryDirectory(prefix="doctor-") as private:
        done = ansible_runner.run(
            private_data_dir=private,
            project_dir=str(place.project),
            playbook=PLAYBOOK,
            inventory=inventory,
            limit=",".join(limit) or None,
            envvars={
                "PATH": place.programs,
                "ANSIBLE_CONFIG": str(place.project / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "true",
            },
            quiet=True,
            suppress_env_files=True,
        )
        yield from read_events(done.events, inventory)


def read_events(events: Iterator[Mapping[str, Any]], inventory: str) -> Iterator[tuple[str, str, tuple[Finding, ...]]]:
    """Yield host, kind and findings from the events of a run of the playbook."""
    for event in events:
        data = event.get("event_data") or {}
        result = data.get("res") or {}
        if "doctor" not in str(data.get("task_action", "")):
            continue
        kind = "server" if "servers" in str(data.get("play", "")) else "client"  # as the playbook names its plays
        if event.get("event") == "runner_on_ok":
            yield data["host"], kind, tuple(Finding(**one) for one in result["findings"])
        elif event.get("event") in ("runner_on_failed", "runner_on_unreachable"):
            why = " ".join(str(result.get("msg", "no reason given")).split())[:300]
            cure = f"ansible -i {inventory} {data['host']} -m ansible.builtin.ping tries it alone"
            yield data["host"], kind, (Finding("reach", "bad", f"Ansible cannot look at it: {why}", cure),)


def _format(patients: Sequence[Patient]) -> Iterator[str]:
    """Yield lines: all about the controller, of hosts what is not well, and how many are."""
    well = [one for one in patients if one.kind != "controller" and all(x.state == "ok" for x in one.findings)]
    for patient in patients:
        if patient in well:
            continue
        yield printable(patient.name if patient.kind == patient.name else f"{patient.name} ({patient.kind})")
        for one in patient.findings:
            yield f"  {SIGNS[one.state]} {printable(one.line)}"
            if one.cure and one.state != "ok":
                yield f"       -> {printable(one.cure)}"
    for kind in ("server", "client"):
        names = [printable(one.name) for one in well if one.kind == kind]
        if names:
            are = f"{len(names)} {kind}s are" if len(names) > 1 else f"1 {kind} is"
            yield f"{are} well: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
    states = [one.state for patient in patients for one in patient.findings]
    yield f"{states.count('bad')} to mend, {states.count('odd')} to look at"
