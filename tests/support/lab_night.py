# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that goes by itself: the server is its own controller and starts runs by systemd, another host watches it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from lab import BIN, ROOT, Lab
from lab_faults import write
from lab_runs import GOOD

SERVER, WATCH = "vault", "mail"
CLIENTS = (*GOOD, "broken1")
PROJECT = "/srv/project"
REPORTS = "/var/lib/paranoid-backup-runner/reports"
RUNNER, LOOKER = "paranoid-backup-runner", "paranoid-backup-watch"
WHEELS = ROOT / ".cache/runner-wheels"
LIBRARIES = ("segno==1.6.6", "shamir-mnemonic==0.3.0", "tzdata", "rich==15.0.0", "ansible-runner==2.4.3")
CORE = "ansible-core>=2.19,<2.22"
_DOOR = "/etc/ssh/sshd_config.d/20-watch.conf"


def write_inventory(lab: Lab, path: Path) -> list[str]:
    """Write what the lab's inventory has not: a runner, and a watch, admitted once it has a key; return the words."""
    host_key = " ".join(lab.read(SERVER, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
    watched = {"name": SERVER, "host": _address(lab, SERVER), "host_keys": [host_key]}
    key = lab.exec(WATCH, "cat", "/var/lib/paranoid-backup-watch/id_ed25519.pub").stdout.decode().strip()
    libraries = {"backup_runner_wheels": str(WHEELS)}
    watch = {**libraries, "backup_runner_watch_name": "tower", "backup_runner_watch_servers": [watched]}
    runner = {**libraries, "backup_runner_project": PROJECT, "backup_runner_inventory": "hosts.json"}
    admitted = [{"name": "tower", "key": key, "from": [_address(lab, WATCH)]}] if key else []
    groups: dict[str, dict[str, Any]] = {
        "backup_watches": {"hosts": {WATCH: watch}},
        "backup_runners": {"hosts": {SERVER: {**runner, "backup_runner_upkeep": {}}}},
        "backup_servers": {"vars": {"backup_server_watches": admitted}},
        "backup_clients": {
            "hosts": {"broken1": {"backup_client_schedule_blackout": ["2020-01-01..2099-12-31"]}},
            "vars": {"backup_client_schedule_every": "1h"},
        },
    }
    path.write_text(json.dumps(groups))
    return ["-i", str(path)]


def fetch_wheels() -> None:
    """Fetch the runner's libraries once: the lab's hosts reach no index of Python packages."""
    if not list(WHEELS.glob("rich-*")):
        argv: list[str | Path] = [
            BIN / "python3",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--dest",
            WHEELS,
            *LIBRARIES,
            CORE,
        ]
        subprocess.run(argv, check=True, capture_output=True)


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
    write(
        lab,
        SERVER,
        f"{PROJECT}/ansible.cfg",
        f"[defaults]\n{callback}[callback_paranoid_backup_report]\n{''.join(lines)}",
    )
    hosts = {
        "backup_servers": {"hosts": {SERVER: {"ansible_connection": "local"}}},
        "backup_clients": {"hosts": {name: {"ansible_host": _address(lab, name)} for name in CLIENTS}},
    }
    write(lab, SERVER, f"{PROJECT}/hosts.json", json.dumps(hosts))
    parts = subprocess.run(
        ["git", "ls-files", "-z", "plugins", "playbooks", "roles", "meta", "galaxy.yml"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    packed = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=parts, capture_output=True, check=True
    ).stdout
    lab.read(SERVER, "tar", "-x", "--no-same-owner", "-C", collection, input=packed)


def open_door(lab: Lab) -> None:
    """Let the watch's address, and no other, reach the server's sshd."""
    write(lab, SERVER, _DOOR, f"ListenAddress {_address(lab, SERVER)}\n")
    rule = ["nft", "insert", "rule", "inet", "server", "input", "ip", "saddr", _address(lab, WATCH)]
    lab.read(SERVER, *rule, "tcp", "dport", "22", "accept")
    lab.read(SERVER, "systemctl", "restart", "ssh")


def close_door(lab: Lab) -> None:
    """Nobody reaches it any more."""
    lab.read(SERVER, "rm", "-f", _DOOR)
    lab.read(SERVER, "systemctl", "restart", "ssh", "nftables")


def _address(lab: Lab, host: str) -> str:
    return lab.read(host, "hostname", "--all-ip-addresses").split()[0]
