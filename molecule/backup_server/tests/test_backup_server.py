# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_server leaves behind."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

PLACES = [
    ("/etc/paranoid-backup/server.json", "root", "root", 0o644),
    ("/etc/paranoid-backup/clients", "root", "root", 0o755),
    ("/etc/paranoid-backup/known_hosts", "root", "root", 0o755),
    ("/etc/paranoid-backup/authorized_keys", "root", "root", 0o755),
    ("/etc/paranoid-backup/ssh", "root", "paranoid-backup", 0o750),
    ("/etc/paranoid-backup/ssh/id_ed25519", "paranoid-backup", "paranoid-backup", 0o400),
    ("/etc/paranoid-backup/ssh/sshd_ed25519", "root", "root", 0o600),
    ("/usr/local/lib/paranoid-backup", "root", "root", 0o755),
    ("/usr/local/lib/paranoid-backup/__main__.py", "root", "root", 0o644),
    ("/usr/local/lib/paranoid-backup/door", "root", "root", 0o755),
    ("/opt/paranoid-backup", "root", "root", 0o755),
    ("/srv/backup", "root", "root", 0o755),
    ("/var/lib/paranoid-backup", "root", "root", 0o700),
    ("/var/log/paranoid-backup", "root", "root", 0o700),
    ("/run/paranoid-backup", "root", "root", 0o755),
]


@pytest.mark.parametrize(("path", "user", "group", "mode"), PLACES)
def test_owner_and_mode(vault: Host, path: str, user: str, group: str, mode: int) -> None:
    file = vault.file(path)
    assert (file.user, file.group, oct(file.mode)) == (user, group, oct(mode))


def test_record(vault: Host) -> None:
    record = json.loads(vault.file("/etc/paranoid-backup/server.json").content_string)
    assert record["schema"] == 1 and record["host_id"].startswith("paranoid-backup-")
    assert record["host_id"] == vault.file("/var/lib/paranoid-backup/host_id").content_string.strip()
    assert record["public_key"].startswith("ssh-ed25519 ") and record["sshd_public_key"].startswith("ssh-ed25519 ")
    assert vault.run(f"{record['python']} -c 'import borg; print(borg.__version__)'").stdout.strip() == "1.4.5"


def test_gate_starts_only_with_a_policy(vault: Host) -> None:
    started = vault.run("/opt/paranoid-backup/bin/python -I /usr/local/lib/paranoid-backup gate")
    assert started.rc != 0 and "--policy" in started.stderr and "Traceback" not in started.stderr


def test_nothing_but_the_gate_was_copied(vault: Host) -> None:
    found = vault.check_output(
        "find /usr/local/lib/paranoid-backup -type f ! -name '*.py' ! -name '*.pyc' -printf '%P\\n'"
    )
    assert found == "door"


def test_login_user_cannot_log_in(vault: Host) -> None:
    user = vault.user("paranoid-backup")
    assert (user.shell, user.password, user.groups) == ("/usr/sbin/nologin", "*", ["paranoid-backup"])


def test_run_directory_comes_back_after_a_boot(vault: Host) -> None:
    rules = vault.check_output("systemd-tmpfiles --cat-config").splitlines()
    assert "d /run/paranoid-backup 0755 root root -" in rules


def test_no_sshd_of_the_transport_ssh_listens(vault: Host) -> None:
    assert "paranoid-backup" not in vault.check_output("systemctl list-units --all --plain 'paranoid-backup-sshd*'")
    assert vault.check_output("ss -Hltn sport = :64022") == ""


@pytest.mark.parametrize("user", ["root", "paranoid-backup", "nobody"])
def test_the_sshd_of_a_client_knows_nobody_else(vault: Host, user: str) -> None:
    record = json.loads(vault.file("/etc/paranoid-backup/server.json").content_string)
    sshd = f"/usr/sbin/sshd -i -f {record['sshd_config']} -o AllowUsers=bk-x"
    options = f"-o BatchMode=yes -o 'KnownHostsCommand=/bin/echo server {record['sshd_public_key']}'"
    options += f" -o HostKeyAlias=server -o UserKnownHostsFile=/dev/null -o 'ProxyCommand={sshd}'"
    refused = vault.run(f"mkdir -p /run/sshd; ssh {options} -i /etc/paranoid-backup/ssh/id_ed25519 {user}@server id")
    assert refused.rc == 255 and "Too many authentication failures" in refused.stderr, refused.stderr


def test_sshd_admits_to_the_door_only(vault: Host) -> None:
    effective = vault.check_output(
        "/usr/sbin/sshd -T -f /etc/paranoid-backup/sshd_config -C user=bk-x,host=x,addr=127.0.0.1"
    ).splitlines()
    expected = {
        "forcecommand /usr/local/lib/paranoid-backup/door",
        "authorizedkeysfile /etc/paranoid-backup/authorized_keys/%u",
        "disableforwarding yes",
        "permittty no",
        "permitrootlogin no",
        "passwordauthentication no",
        "permituserenvironment no",
    }
    assert expected <= set(effective)
