# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One description of this system as JSON. What could not be learned is a remark in it, and no reason to fail.

It holds no time: as long as nothing changes, the file is not written, and Borg passes over it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paranoid_system.accounts import parse_group, parse_passwd
from paranoid_system.asking import Asker, NoAnswer, read_lines
from paranoid_system.file_systems import list_file_systems
from paranoid_system.packages import Installed, ask_installed, find_manager
from paranoid_system.services import ask_boot

SCHEMA = 1
NAME = "system.json"  # below base_dir
BYTES_MAX = 32 * 2**20
REMARKS_MAX = 50
_OS_FIELDS = ("ID", "ID_LIKE", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME")

Record = dict[str, Any]


def describe(versions: Mapping[str, str], asker: Asker, has_postgresql: bool = False) -> Record:
    """Return what this system is; VERSIONS are those of Borg and borgmatic."""
    remarks: list[str] = []
    manager = find_manager()

    def learn(question: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return question()
        except NoAnswer as exc:
            remarks.append(str(exc))
            return otherwise

    users, wrong_users = learn(lambda: parse_passwd(read_lines("/etc/passwd")), ([], []))
    groups, wrong_groups = learn(lambda: parse_group(read_lines("/etc/group")), ([], []))
    remarks += wrong_users + wrong_groups
    installed = learn(lambda: ask_installed(manager, asker), Installed([], []))
    enabled, masked = learn(lambda: ask_boot(asker), ([], []))
    return {
        "schema": SCHEMA,
        "hostname": socket.gethostname(),
        "machine": machine_digest(),
        "os": learn(lambda: parse_os_release(read_lines("/etc/os-release")), {}),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "versions": dict(versions),
        "package_manager": manager,
        "packages": [asdict(one) for one in installed.packages],
        "unchanged_configuration": installed.unchanged,
        "users": [asdict(one) for one in users],
        "groups": [asdict(one) for one in groups],
        "services": enabled,
        "masked": masked,
        "file_systems": [asdict(one) for one in learn(lambda: list_file_systems(asker), [])],
        "fstab": learn(lambda: read_lines("/etc/fstab"), []),
        "postgresql_roles": learn(lambda: _ask_roles(asker), []) if has_postgresql else [],
        "remarks": remarks[:REMARKS_MAX],
    }


def save(path: Path, description: Record) -> None:
    """Write it, for root alone; a file that says the same already stays as it is, times and all."""
    content = json.dumps(description, indent=1, sort_keys=True).encode("utf-8", "replace") + b"\n"
    if len(content) > BYTES_MAX:
        raise OSError(f"the description of this system would have {len(content)} bytes")
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass  # It is the first one.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    os.replace(fresh, path)


def parse_os_release(lines: list[str]) -> dict[str, str]:
    """Return the fields of os-release(5) that tell one release from another."""
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {name: value.strip().strip("\"'")[:200] for name, value in pairs if name in _OS_FIELDS}


def machine_digest() -> str:
    """Return what tells this installation from another one; the id itself is nobody's business (machine-id(5))."""
    for path in ("/etc/machine-id", "/etc/hostid"):
        try:
            lines = read_lines(path)
        except NoAnswer:
            continue
        if lines and lines[0].strip():
            return hashlib.sha256(b"paranoid.backup " + lines[0].strip().encode()).hexdigest()[:32]
    return ""


def _ask_roles(asker: Asker) -> list[str]:
    """Return the roles of PostgreSQL as SQL, which no dump of a database has; without comments and what is random."""
    said = asker.ask(["runuser", "-u", "postgres", "--", "pg_dumpall", "--roles-only", "--no-password"])
    return [line for line in said if line and not line.startswith(("--", "\\"))]
