# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in the virtual machine, as its server: the engine itself, without Ansible around it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import AcceptEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import audit_and_record, upkeep
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rollback import (
    plan_rollback,
    roll_back,
    target_snapshot,
)

STATE = Path("/var/lib/paranoid-backup")
CONFIG = STATE / "etc"


def configure(*clients: str) -> None:
    """Write what the role backup_server would, for clients whose repositories are there."""
    server = {"schema": 1, "slots": 2, "login_user": "nobody", "ssh_command": "/usr/bin/ssh", "identity_file": "/x"}
    server |= {"python": "/opt/borg/bin/python", "lib_dir": "/opt/code/gate", "state_dir": str(STATE)}
    server |= {
        "run_dir": "/run/p",
        "log_dir": "/run/log",
        "repository_root": "/srv/backup",
        "require_mount": False,
        "host_id": "vm",
    }
    server |= {"log_keep": 5, **{f"{name}_timeout": 600 for name in ("connect", "idle", "total", "close")}}
    for name in ("clients", *(f"../{client}" for client in clients)):
        (CONFIG / name).mkdir(parents=True, exist_ok=True)
    os.makedirs("/run/p", exist_ok=True)
    (CONFIG / "server.json").write_text(json.dumps(server))
    for client in clients:
        about = {"schema": 1, "client": client, "host": "x", "port": 22, "user": "x", "transport": "socket"}
        about |= {"remote_dir": "/x", "listen_port": 1, "repository": f"/srv/backup/{client}/repo"}
        about |= {"repository_user": f"bk-{client}", "known_hosts_file": "/dev/null"}
        (CONFIG / f"clients/{client}.json").write_text(json.dumps(about))
        lines = Path(f"/srv/backup/{client}/repo/config").read_text().splitlines()
        repository = next(line.partition("=")[2].strip() for line in lines if line.startswith("id "))
        (STATE / client / "repository.json").write_text(json.dumps({"schema": 1, "id": repository}))


def rollback(client: str, snapshot: str) -> None:
    """As M(paranoid.backup.rollback) does; print the evidence's directory."""
    os.makedirs("/run/p", exist_ok=True)
    with upkeep(str(CONFIG), client, "a rollback", recover_first=False) as site:
        target = target_snapshot(site, snapshot)
        entry = plan_rollback(site, target, "ransom")
        sys.stdout.write(f"{roll_back(site, target, entry, 'moment')}\n")


def append() -> None:
    """Append entries for ever; print each head as it was acknowledged."""
    with Ledger.open(str(STATE / NAME)) as ledger:
        while True:
            head = ledger.append(AcceptEntry("web2", "x" * 500))
            sys.stdout.write(f"{head}\n")
            sys.stdout.flush()


def verify(head: str = str(EMPTY)) -> None:
    """Print whether the chain is whole and holds the entry of a head that was acknowledged."""
    seq, _, digest = head.partition(":")
    with Ledger.open(str(STATE / NAME)) as ledger:
        sys.stdout.write(f"{ledger.verify(ChainHead(int(seq), digest))!r}\n")


def audited(*clients: str) -> None:
    """Conclude what was cut off, as the next session would, and audit everything."""
    os.makedirs("/run/p", exist_ok=True)
    for client in clients:
        with upkeep(str(CONFIG), client, "an audit") as site:
            sys.stdout.write(f"{client} {audit_and_record(site)!r}\n")


COMMANDS: dict[str, Callable[..., None]] = {
    "configure": configure,
    "rollback": rollback,
    "append": append,
    "verify": verify,
    "audited": audited,
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
