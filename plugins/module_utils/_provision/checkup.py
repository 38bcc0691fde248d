# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a client or a server, changing nothing, and have the pure part judge it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import find_config_dir
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._provision import sudoers
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import Question, look
from ansible_collections.paranoid.backup.plugins.module_utils._provision.findings import (
    GATE_PATCH,
    Finding,
    judge_borg,
    judge_client,
    judge_clock,
    judge_disk,
    judge_login,
    judge_ports,
    judge_quotas,
    judge_user,
    read_ports,
)

_CACHE = "/var/lib/paranoid-backup"
_DISPATCH = "/usr/local/libexec/paranoid-backup/dispatch"
_CLIENT_BORG = ("/opt/paranoid-backup/bin/borg", "/usr/bin/borg")
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_SECONDS = 20
_LARGEST = 1024**2


def look_at_client(login: str, host: str, port: int, address: str, config_dir: str, now: float) -> list[Finding]:
    """Return what is there and what is missing on a client."""
    if judge_user(os.geteuid()):
        return judge_user(os.geteuid())
    by_sudo = login != "root"
    command = (f"sudo -n {_DISPATCH}" if by_sudo else _DISPATCH) if os.path.exists(_DISPATCH) else ""
    rules = _sudoers_file() if by_sudo else ""
    drop_in = "/etc/ssh/sshd_config.d/50-paranoid-backup.conf"
    seen = look(Question(login, command, drop_in, "", rules, host, port, address, config_dir))
    found = judge_login(seen["obstacles"], seen["sshd_keywords"], bool(seen["sudo_version"]) or not by_sudo)
    borg = next((path for path in _CLIENT_BORG if os.path.exists(path)), _CLIENT_BORG[0])
    place = _nearest(_CACHE)
    rest = {
        "free": _free(place)[1],
        "place": place,
        "noexec_tmp": bool(os.statvfs("/tmp").f_flag & os.ST_NOEXEC),
        "is_binary": os.path.exists(borg) and not os.path.exists("/opt/paranoid-backup/pyvenv.cfg"),
        "python": bool(shutil.which("python3", path="/usr/bin:/usr/local/bin")),
    }
    is_provisioned = os.path.exists(os.path.join(config_dir, "client.json"))
    version = _version([borg, "--version"])
    return [*found, judge_borg(version, is_provisioned), *judge_client(rest), _judge_clock(now)]


def _sudoers_file() -> str:
    """Return the file with the login's rule, where the role backup_client lays it down: on FreeBSD below /usr/local."""
    above = "/usr/local" if sudoers.main_file().startswith("/usr/local/") else ""
    return f"{above}/etc/sudoers.d/paranoid-backup"


def look_at_server(repository_root: str, require_mount: bool, config_dir: str, now: float) -> list[Finding]:
    """Return what is there and what is missing on a server; its own record counts more than the arguments."""
    if judge_user(os.geteuid()):
        return judge_user(os.geteuid())
    config_dir = find_config_dir(config_dir)
    record = _load(os.path.join(config_dir, "server.json"))
    root = str(record.get("repository_root", repository_root))
    wants_mount = bool(record.get("require_mount", require_mount))
    has_root = os.path.isdir(root)
    size, free = _free(root) if has_root else (0, 0)
    python = str(record.get("python", ""))
    version = _version([python, "-I", "-c", "import borg; print('borg', borg.__version__)"]) if python else None
    found = [judge_borg(version, bool(record), least=GATE_PATCH)]
    if record or has_root:
        found.append(judge_disk(root, has_root, os.path.ismount(root), wants_mount, size, free))
    if not os.path.exists("/usr/bin/ssh") and not shutil.which("ssh"):
        found.append(Finding("ssh", "bad", "ssh is not installed", "install openssh-client"))
    found += judge_quotas(_load_quotas(os.path.join(config_dir, "clients")), size)
    return [*found, judge_ports(_list_ports()), _judge_clock(now)]


def _judge_clock(now: float) -> Finding:
    """Judge this clock; ``now`` is the controller's, taken when the task was sent: what that took is let off."""
    return judge_clock(time.time(), now, _is_synchronized())


def _is_synchronized() -> Optional[bool]:
    said = _say(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).strip()
    return {"yes": True, "no": False}.get(said)


def _version(argv: Sequence[str]) -> Optional[str]:
    """Return the version that a program says ("borg 1.4.5"), None where it does not start."""
    words = _say(argv).split()
    return one_line(words[1], 40) if len(words) > 1 and words[0].startswith("borg") else None


def _say(argv: Sequence[str]) -> str:
    """Return what a program prints, empty where it fails or does not end."""
    try:
        done = run_program(argv, seconds=_SECONDS)
    except (OSError, TooSlow):
        return ""
    return done.said if done.returncode == 0 else ""


def _nearest(path: str) -> str:
    """Return the path, or the nearest directory above that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _free(path: str) -> tuple[int, int]:
    """Return how many bytes a disk has, and how many are free for others than root."""
    seen = os.statvfs(path)
    return seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize


def _load(path: str) -> Mapping[str, Any]:
    """Return a record of ours, empty where it is not there or cannot be read."""
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.loads(handle.read(_LARGEST))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _load_quotas(directory: str) -> dict[str, Optional[int]]:
    try:
        names = [name for name in os.listdir(directory) if name.endswith(".json")]
    except OSError:
        return {}
    records = {name[: -len(".json")]: _load(os.path.join(directory, name)) for name in names}
    return {name: quota for name, one in records.items() if isinstance(quota := one.get("quota"), int)}


def _list_ports() -> Optional[list[int]]:
    """Return the ports that listen to the network, None where no table says so, as on FreeBSD."""
    tables = [path for path in _TABLES if os.path.exists(path)]
    return [port for path in tables for port in read_ports(_read(path))] if tables else None


def _read(path: str) -> str:
    with open(path, encoding="ascii") as handle:
        return handle.read()
