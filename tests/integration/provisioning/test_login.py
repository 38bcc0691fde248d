# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that bound what each side's key can do, as Ansible renders them: no word of them may be lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT

CLIENT, SERVER = ROOT / "roles/backup_client/templates", ROOT / "roles/backup_server/templates"
TEMPLATES = {
    "sudoers": CLIENT / "sudoers.j2",
    "sshd": CLIENT / "sshd.conf.j2",
    "key": CLIENT / "authorized_keys.j2",
    "tmpfiles": CLIENT / "tmpfiles.conf.j2",
    "own": CLIENT / "client.json.j2",
    "door": SERVER / "authorized_keys.j2",
    "record": SERVER / "client.json.j2",
}
CLIENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ported": {"backup_client_transport": "ssh", "backup_client_from": ["192.0.2.7", "2001:db8::7"]},
    "rooted": {"backup_client_transport": "ssh", "backup_client_login": "root", "backup_client_from": ["192.0.2.7"]},
}
FACTS = {
    "config_dir": "/etc/paranoid-backup",
    "record": {"lib_dir": "/usr/local/lib/paranoid-backup", "repository_root": "/srv/backup"},
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can make directories of root")


def role(name: str, step: str) -> dict[str, Any]:
    return {"ansible.builtin.import_role": {"name": f"paranoid.backup.{name}", "tasks_from": step}}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one folder for each client: what the roles would write there, and the keyholder's directories."""
    path = tmp_path_factory.mktemp("rendered")
    here = f"{path}/{{{{ inventory_hostname }}}}"
    copies = [
        {
            "ansible.builtin.copy": {
                "content": f"{{{{ lookup('ansible.builtin.template', '{template}') }}}}",
                "dest": f"{here}/{name}",
                "mode": "0600",
            }
        }
        for name, template in TEMPLATES.items()
    ]
    variables = {
        "ansible_python_interpreter": sys.executable,
        "ansible_managed": "Ansible",
        "backup_client_server_public_key": "ssh-ed25519 AAAA server",
        "backup_client_keyholder_for": ["laptop1"],
        "backup_client_timeouts": {"idle_timeout": 60},
        "backup_client_public_keys": {"host": [], "own": "ssh-ed25519 BBBB client"},
        "backup_server_client": "{{ backup_client_name }}",
        "backup_server_client_public_key": "{{ backup_client_public_keys.own }}",
        "backup_server_client_settings": "{{ __backup_client_settings | combine(backup_client_timeouts) }}",
        "backup_server_facts": FACTS,
    }
    held = {"__backup_client_keyholder_dir": f"{here}/keyholder", "__backup_client_base_dir": f"{here}/base"}
    tasks = [
        {"ansible.builtin.file": {"path": f"{here}/base", "state": "directory", "mode": "0700"}},
        {"ansible.builtin.include_vars": str(ROOT / "roles/backup_server/vars/main.yml")},
        role("backup_client", "lists"),
        *copies,
        {**role("backup_client", "keyholder"), "vars": held},
    ]
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
    (path / "play.yml").write_text(json.dumps([play]))
    (path / "hosts.json").write_text(json.dumps({"backup_clients": {"hosts": CLIENTS}}))
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", path / "hosts.json"]
    everything = {**os.environ, **collections}
    done = subprocess.run([*argv, path / "play.yml"], env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


def lines(path: Path) -> list[str]:
    """Return what counts in a file: no comment, no empty line."""
    stripped = (line.strip() for line in path.read_text().splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def test_sudo_starts_the_dispatcher_and_takes_no_argument(rendered: Path) -> None:
    """Without the two quotes sudo would take any."""
    dispatch = "Defaults!/usr/local/libexec/paranoid-backup/dispatch"
    for_long_sessions = [
        f"{dispatch} !requiretty, !noexec, command_timeout=0",
        f"{dispatch} !intercept, !log_subcmds",
    ]
    only = 'paranoid-backup ALL=(root) NOPASSWD: /usr/local/libexec/paranoid-backup/dispatch ""'
    assert lines(rendered / "plain/sudoers") == [*for_long_sessions, only]


DISPATCH = "sudo -n /usr/local/libexec/paranoid-backup/dispatch"
KEYS = {
    "plain": f'restrict,port-forwarding,permitlisten="127.0.0.1:1",permitopen="127.0.0.1:1",command="{DISPATCH}"',
    "ported": 'restrict,port-forwarding,permitlisten="127.0.0.1:64064",permitopen="127.0.0.1:1",'
    f'from="192.0.2.7,2001:db8::7",command="{DISPATCH}"',
    "rooted": 'restrict,port-forwarding,permitlisten="127.0.0.1:64064",permitopen="127.0.0.1:1",'
    f'from="192.0.2.7",command="{DISPATCH.removeprefix("sudo -n ")}"',
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_servers_key_is_bound_by_every_word(rendered: Path, client: str) -> None:
    assert lines(rendered / client / "key") == [f"{KEYS[client]} ssh-ed25519 AAAA server"]


FORBIDDEN = ("AllowAgentForwarding", "GatewayPorts", "PermitTTY", "PermitTunnel", "PermitUserRC", "X11Forwarding")
NOBODY_ELSE = (
    "AuthorizedKeysCommand",
    "AuthorizedPrincipalsCommand",
    "AuthorizedPrincipalsFile",
    "Banner",
    "ChrootDirectory",
    "TrustedUserCAKeys",
)
METHODS = ("GSSAPIAuthentication", "HostbasedAuthentication", "KbdInteractiveAuthentication", "PasswordAuthentication")


@pytest.mark.parametrize("client", CLIENTS)
def test_sshd_says_the_same_again(rendered: Path, client: str) -> None:
    said = dict(line.split(" ", 1) for line in lines(rendered / client / "sshd"))
    socket = client == "plain"
    assert said == {
        **dict.fromkeys((*FORBIDDEN, *METHODS), "no"),
        **({"PermitRootLogin": "forced-commands-only"} if client == "rooted" else {}),
        **dict.fromkeys(NOBODY_ELSE, "none"),
        "AllowGroups": "*",
        "AllowStreamLocalForwarding": "remote" if socket else "no",
        "AllowTcpForwarding": "remote",
        "AllowUsers": "root" if client == "rooted" else "paranoid-backup",
        "AuthenticationMethods": "publickey",
        "ClientAliveCountMax": "4",
        "ClientAliveInterval": "10",
        "AuthorizedKeysFile": "/etc/paranoid-backup/authorized_keys/%u",
        "ForceCommand": DISPATCH.removeprefix("sudo -n ") if client == "rooted" else DISPATCH,
        "Match": "all",
        "DisableForwarding": "no",
        "MaxAuthTries": "6",
        "MaxSessions": "1",
        "PermitListen": "127.0.0.1:1" if socket else "127.0.0.1:64064",
        "PermitOpen": "none",
        "PubkeyAuthentication": "yes",
        "StreamLocalBindMask": "0177",
    }
    match = "User root Address 192.0.2.7" if client == "rooted" else "User paranoid-backup"
    assert lines(rendered / client / "sshd")[0] == f"Match {match}"


def test_nobody_else_enters_the_directory_of_the_tunnels_sockets(rendered: Path) -> None:
    assert lines(rendered / "plain/tmpfiles") == ["d /run/paranoid-backup 0700 paranoid-backup paranoid-backup -"]


def test_the_clients_key_opens_the_door_alone(rendered: Path) -> None:
    door = 'restrict,command="/usr/local/lib/paranoid-backup/door" ssh-ed25519 BBBB client'
    assert lines(rendered / "ported/door") == [door]


def test_only_root_enters_what_a_keyholder_keeps(rendered: Path) -> None:
    kept = ("keyholder", "keyholder/laptop1", "keyholder/laptop1/keys")
    names = (*kept, "base/keyholder", "base/keyholder/laptop1", "base/keyholder/laptop1/runtime")
    status = {name: (rendered / "plain" / name).stat() for name in names}
    assert {name: (one.st_mode & 0o7777, one.st_uid) for name, one in status.items()} == dict.fromkeys(
        names, (0o700, 0)
    )


def test_the_server_writes_down_what_the_client_was_set_to(rendered: Path) -> None:
    record = json.loads((rendered / "ported/record").read_text())
    for fingerprint in ("sources", "listed"):
        assert re.fullmatch("[0-9a-f]{64}", record.pop(fingerprint))
    assert record == {
        "schema": 1,
        "client": "ported",
        "host": "ported",
        "port": 22,
        "user": "paranoid-backup",
        "transport": "ssh",
        "remote_dir": "/run/paranoid-backup",
        "listen_port": 64064,
        "repository": "/srv/backup/ported/repo",
        "repository_user": "bk-ported",
        "known_hosts_file": "/etc/paranoid-backup/known_hosts/ported",
        "quota": None,
        "retention": {"within": "2d", "daily": 14, "weekly": 8, "monthly": 12, "yearly": 2, "minimum": 3},
        "time_zone": "UTC",
        "hold_days": 14,
        "check_seconds": 600,
        "trim_max_objects": None,
        "trim_max_bytes": None,
        "keyholder": None,
        "compression": "zstd,3",
        "idle_timeout": 60,
        "proxy_jump": None,
        "escrow_recipients": [],
        "anomaly_sessions": 5,
        "expect_change_until": "",
        "schedule": {"every": "1d", "days": [], "window": "00:00-00:00", "timezone": "UTC", "blackout": []},
        "shrink_archives": 400,
        "shrink_min_bytes": 2**20,
        "shrink_min_files": 20,
        "shrink_percent": 50,
    }


def test_a_client_is_told_what_its_dispatcher_reads_and_nothing_else(rendered: Path) -> None:
    readers = [ROOT / "roles/backup_client/files/lib/paranoid_dispatcher/config.py"]
    readers += (ROOT / "roles/backup_client/files/lib/paranoid_rebuild").glob("*.py")
    source = "".join(path.read_text() for path in readers)
    own = json.loads((rendered / "plain/own").read_text())
    assert own.pop("schema") == 1 and len(own) > 10
    assert [name for name in own if f'"{name}"' not in source] == []
