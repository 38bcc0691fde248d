# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that goes by itself: the server is its own controller and starts runs by systemd, another host watches it."""

from __future__ import annotations

import json
import re
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

from lab import BIN, ROOT, Lab
from lab_faults import write
from lab_runs import GOOD
from tool import CACHE

SERVER, WATCH = "vault", "mail"
CLIENTS = (*GOOD, "broken1")
PROJECT = "/srv/project"
REPORTS = "/var/lib/paranoid-backup-runner/reports"
RUNNER, LOOKER = "paranoid-backup-runner", "paranoid-backup-watch"
_SMALL = ("segno==1.6.6", "shamir-mnemonic==0.3.0", "tzdata")
LIBRARIES = {WATCH: _SMALL, SERVER: (*_SMALL, "rich==15.0.0", "ansible-runner==2.4.3", "ansible-core>=2.19,<2.22")}
WHEELS = CACHE / f"night-wheels-{sha256(repr(LIBRARIES).encode()).hexdigest()[:12]}"
CONFIG = "/etc/paranoid-backup/runner.json"
_BROUGHT, _PIP = "/srv/wheels", "/etc/pip.conf"
_DOOR = "/etc/ssh/sshd_config.d/20-watch.conf"


def write_inventory(lab: Lab, path: Path) -> list[str]:
    """Write what the lab's inventory has not: a runner, and a watch, admitted once it has a key; return the words."""
    host_key = " ".join(lab.read(SERVER, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    watched = {"name": SERVER, "host": _address(lab, SERVER), "host_keys": [host_key]}
    key = lab.exec(WATCH, "cat", "/var/lib/paranoid-backup-watch/id_ed25519.pub").stdout.decode().strip()
    watch = {"backup_runner_watch_name": "tower", "backup_runner_watch_servers": [watched]}
    runner = {
        "backup_runner_project": PROJECT,
        "backup_runner_inventory": "hosts.json",
        "backup_runner_upkeep": {"audit": {"every": "1w"}},
    }
    admitted = [{"name": "tower", "key": key, "from": [_address(lab, WATCH)]}] if key else []
    groups: dict[str, dict[str, Any]] = {
        "backup_watches": {"hosts": {WATCH: watch}},
        "backup_runners": {"hosts": {SERVER: runner}},
        "backup_servers": {"vars": {"backup_server_watches": admitted}},
        # The server knows of no such thing: nobody has a turn, so that the tests alone say when there is a run.
        "backup_clients": {"vars": {"backup_client_schedule_blackout": ["2020-01-01..2099-12-31"]}},
    }
    path.write_text(json.dumps(groups))
    return ["-i", str(path)]


def fetch_wheels(lab: Lab) -> None:
    """Fetch the runner's libraries once, all or none: the lab's hosts reach no index of Python packages."""
    if WHEELS.is_dir():
        return
    part = WHEELS.with_name(f"{WHEELS.name}.part")
    for host, libraries in LIBRARIES.items():
        version = lab.read(host, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        pip: list[str | Path] = [BIN / "python3", "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        argv = [*pip, "--python-version", version, "--dest", part / host, *libraries]
        subprocess.run(argv, check=True, capture_output=True)
    part.rename(WHEELS)


def bring_wheels(lab: Lab) -> None:
    """Have pip on the hosts find the libraries there, in one step for all; a host's own index would do the same."""
    for host in LIBRARIES:
        packed = subprocess.run(["tar", "-c", "."], cwd=WHEELS / host, capture_output=True, check=True).stdout
        lab.read(host, "mkdir", _BROUGHT)
        lab.read(host, "tar", "-x", "--no-same-owner", "-C", _BROUGHT, input=packed)
        write(lab, host, _PIP, f"[global]\nno-index = true\nfind-links = {_BROUGHT}\n[install]\nno-compile = true\n")


def lay_out_project(lab: Lab) -> None:
    """Give the server what a controller has: ansible.cfg, an inventory, and the collection."""
    settings = {
        name.removeprefix("PARANOID_REPORT_").lower(): value
        for name, value in lab.environment.items()
        if name.startswith("PARANOID_REPORT_")
    }
    settings |= {"report_dir": REPORTS}
    collection = f"{PROJECT}/collections/ansible_collections/paranoid/backup"
    lab.read(SERVER, "mkdir", "-p", collection)
    for option in ("smtp_ca_file", "smtp_password_file"):
        write(lab, SERVER, f"{PROJECT}/{option}", Path(settings[option]).read_text())
        lab.read(SERVER, "chmod", "0600", f"{PROJECT}/{option}")
        settings[option] = f"{PROJECT}/{option}"
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    callback = "callbacks_enabled = paranoid.backup.report\ncollections_path = collections\n"
    section = f"[callback_paranoid_backup_report]\n{''.join(lines)}"
    write(lab, SERVER, f"{PROJECT}/ansible.cfg", f"[defaults]\n{callback}{section}")
    hosts = {
        "backup_servers": {"hosts": {SERVER: {"ansible_connection": "local"}}},
        "backup_clients": {"hosts": {name: {"ansible_host": _address(lab, name)} for name in CLIENTS}},
    }
    write(lab, SERVER, f"{PROJECT}/hosts.json", json.dumps(hosts))
    kept = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    parts = subprocess.run(
        [*kept, "plugins", "playbooks", "roles", "meta", "galaxy.yml"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    packed = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=parts, capture_output=True, check=True
    ).stdout
    lab.read(SERVER, "tar", "-x", "--no-same-owner", "-C", collection, input=packed)


def open_door(lab: Lab) -> None:
    """Let the watch's address, and no other, reach the server's sshd, until the server boots again."""
    write(lab, SERVER, _DOOR, f"ListenAddress {_address(lab, SERVER)}\n")
    rule = ["nft", "insert", "rule", "inet", "server", "input", "ip", "saddr", _address(lab, WATCH)]
    lab.read(SERVER, *rule, "tcp", "dport", "22", "accept")
    lab.read(SERVER, "systemctl", "restart", "ssh")


def begin_night(lab: Lab, *clients: str) -> None:
    """Have these clients due, as their own hours say, and the role's own unit look, as the timer has it."""
    config = json.loads(lab.read(SERVER, "cat", CONFIG))
    due = {name: {**rules, "blackout": []} for name, rules in config["clients"].items() if name in clients}
    write(lab, SERVER, CONFIG, json.dumps({**config, "clients": {**config["clients"], **due}}))
    lab.read(SERVER, "systemctl", "start", "--no-block", RUNNER)


def look(lab: Lab) -> tuple[int, str]:
    """Have systemd start a look, as the timer does; return its exit code and what the journal has of it."""
    cursor = lab.read(WATCH, "journalctl", "--lines", "0", "--show-cursor").split("cursor: ")[1].strip()
    started = lab.exec(WATCH, "systemctl", "start", LOOKER)
    lab.read(WATCH, "journalctl", "--sync")
    said = lab.read(WATCH, "journalctl", "--output", "cat", "--unit", LOOKER, "--after-cursor", cursor)
    ended = re.search(r"code=exited, status=(\d+)", said)
    assert (ended is None) == (started.returncode == 0), said
    return int(ended[1]) if ended else 0, said


def clear_away(lab: Lab) -> None:
    """Leave the hosts as they were: no timer, no project, no watch, nobody who reaches the server."""
    for host, unit in ((SERVER, RUNNER), (WATCH, LOOKER)):
        files = [f"/etc/systemd/system/{unit}.{kind}" for kind in ("timer", "service")]
        state = [f"/var/lib/{RUNNER}", f"/var/lib/{LOOKER}", "/opt/paranoid-backup-runner"]
        lab.exec(host, "systemctl", "disable", "--now", f"{unit}.timer")
        lab.exec(host, "systemctl", "stop", unit)
        lab.read(host, "rm", "-rf", *files, *state, "/usr/local/bin/paranoid-backup", _BROUGHT, _PIP)
        lab.read(host, "sh", "-c", "systemctl daemon-reload; systemctl reset-failed")
    lab.read(SERVER, "rm", "-rf", PROJECT, _DOOR)
    lab.read(WATCH, "rm", "-rf", "/etc/paranoid-backup")
    lab.read(SERVER, "systemctl", "restart", "ssh", "nftables")


def _address(lab: Lab, host: str) -> str:
    return lab.read(host, "hostname", "--all-ip-addresses").split()[0]
