# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_client leaves behind, and what it keeps a thief of the server's key from."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

Lab = Callable[[str], Host]
STATE = Path(__file__).parents[3] / ".cache/lab" / os.environ["PARANOID_LAB"]
CLIENTS = ["web1", "db1", "odd1", "new1", "broken1"]
ROOT_LOGIN = "broken1"  # the server logs in as root there, everywhere else to an account of its own
STOLEN_FROM = ["web1", "odd1", "new1", ROOT_LOGIN]
KEY = "/etc/paranoid-backup/ssh/id_ed25519"
PLACES = [
    ("/etc/paranoid-backup/client.json", "root", 0o600),
    ("/etc/paranoid-backup/borgmatic.yaml", "root", 0o600),
    ("/etc/paranoid-backup/passphrase", "root", 0o400),
    ("/etc/ssh/sshd_config.d/50-paranoid-backup.conf", "root", 0o644),
    ("/usr/local/libexec/paranoid-backup/dispatch", "root", 0o755),
    ("/usr/local/libexec/paranoid-backup/relay", "root", 0o755),
    ("/usr/local/sbin/paranoid-backup-borg", "root", 0o755),
    ("/opt/paranoid-backup", "root", 0o755),
    ("/var/lib/paranoid-backup", "root", 0o700),
]
PLACES_OF_AN_ACCOUNT = [
    ("/etc/paranoid-backup/authorized_keys/paranoid-backup", "root", 0o644),
    ("/etc/sudoers.d/paranoid-backup", "root", 0o440),
    ("/run/paranoid-backup", "paranoid-backup", 0o700),
]


@pytest.fixture(params=CLIENTS)
def client(lab: Lab, request: pytest.FixtureRequest) -> Host:
    return lab(request.param)


@pytest.fixture(params=[name for name in CLIENTS if name != ROOT_LOGIN])
def account(lab: Lab, request: pytest.FixtureRequest) -> Host:
    """Return a client where the server has an account of its own."""
    return lab(request.param)


@pytest.mark.parametrize(("path", "user", "mode"), PLACES)
def test_owner_and_mode(client: Host, path: str, user: str, mode: int) -> None:
    file = client.file(path)
    assert (file.user, file.group, oct(file.mode)) == (user, user, oct(mode))


@pytest.mark.parametrize(("path", "user", "mode"), PLACES_OF_AN_ACCOUNT)
def test_owner_and_mode_of_what_the_account_needs(account: Host, path: str, user: str, mode: int) -> None:
    file = account.file(path)
    assert (file.user, file.group, oct(file.mode)) == (user, user, oct(mode))


def test_a_root_login_needs_no_account_and_no_sudo(lab: Lab, vault: Host) -> None:
    client = lab(ROOT_LOGIN)
    assert not client.user("paranoid-backup").exists and not client.file("/etc/sudoers.d/paranoid-backup").exists
    assert client.file("/etc/paranoid-backup/authorized_keys/root").mode == 0o644
    server = vault.check_output("hostname --all-ip-addresses").split()[0]
    for address, expected in ((server, True), ("192.0.2.1", False)):
        rules = client.check_output(f"/usr/sbin/sshd -T -C user=root,host=x,addr={address}").splitlines()
        assert ("permitrootlogin forced-commands-only" in rules) is expected
        assert ("forcecommand /usr/local/libexec/paranoid-backup/dispatch" in rules) is expected


def test_passphrases_are_long_and_all_different(lab: Lab) -> None:
    passphrases = {lab(name).file("/etc/paranoid-backup/passphrase").content_string for name in CLIENTS}
    assert len(passphrases) == len(CLIENTS) and all(len(passphrase) == 44 for passphrase in passphrases)


def test_no_passphrase_is_on_the_server(lab: Lab, vault: Host) -> None:
    for name in CLIENTS:
        passphrase = lab(name).file("/etc/paranoid-backup/passphrase").content_string.strip()
        found = vault.run(
            f"grep -rlF -- {passphrase} /etc /srv /var/lib/paranoid-backup /var/log/paranoid-backup /root /tmp"
        )
        assert (found.rc, found.stdout) == (1, "")


def test_no_compiler(client: Host) -> None:
    assert not client.exists("cc") and not client.exists("gcc")


def test_account_is_nobody_special(account: Host) -> None:
    user = account.user("paranoid-backup")
    assert (user.password, user.groups, user.shell) == ("*", ["paranoid-backup"], "/bin/sh")
    allowed = account.check_output("sudo -l -U paranoid-backup").splitlines()
    assert [line.strip() for line in allowed if "NOPASSWD" in line or "(" in line][-1] == (
        '(root) NOPASSWD: /usr/local/libexec/paranoid-backup/dispatch ""'
    )


@pytest.mark.parametrize("command", ["id", "/usr/local/libexec/paranoid-backup/dispatch x", "-s", "/bin/sh"])
def test_account_can_start_nothing_else_as_root(account: Host, command: str) -> None:
    tried = account.run(f"runuser -u paranoid-backup -- sudo -n {command}")
    assert tried.rc != 0 and "password is required" in tried.stderr


def test_configuration_is_valid_and_never_prunes(client: Host) -> None:
    borgmatic = "/opt/paranoid-backup/bin/borgmatic --config /etc/paranoid-backup/borgmatic.yaml"
    assert client.run(f"{borgmatic} config validate").rc == 0
    shown = json.loads(client.check_output(f"{borgmatic} config show --json --option skip_actions"))
    assert shown == [["prune", "compact"]]


def test_the_database_of_a_host_is_in_its_configuration(lab: Lab) -> None:
    text = lab("db1").file("/etc/paranoid-backup/borgmatic.yaml").content_string
    assert [database["name"] for database in json.loads(text)["postgresql_databases"]] == ["shop"]


def thiefs_ssh(vault: Host, name: str) -> str:
    """Return the command with which whoever stole the server's key connects to a client."""
    record = json.loads(vault.file(f"/etc/paranoid-backup/clients/{name}.json").content_string)
    options = (
        f"-F none -i {KEY} -o BatchMode=yes -o IdentitiesOnly=yes -o HostKeyAlias={name} -o ExitOnForwardFailure=yes "
        f"-o UserKnownHostsFile={record['known_hosts_file']} -o ConnectTimeout=10"
    )
    return f"timeout 20 ssh {options} -p {record['port']} {record['user']}@{record['host']}"


def steal(vault: Host, name: str, arguments: str, after: str = "") -> tuple[int, str]:
    """Use the server's key by hand; return ssh's exit status and what it said."""
    done = vault.run(f"{thiefs_ssh(vault, name)} {arguments} {after} </dev/null 2>&1")
    return done.rc, done.stdout


@pytest.mark.parametrize("name", STOLEN_FROM)
@pytest.mark.parametrize("after", ["id", "sh -c id", "sudo -n /usr/local/libexec/paranoid-backup/dispatch x", ""])
def test_the_key_starts_the_dispatcher_whatever_is_asked(vault: Host, name: str, after: str) -> None:
    code, said = steal(vault, name, "-T", after)
    assert (code, said) == (2, "dispatch: the session ended before its request\n")


@pytest.mark.parametrize("name", STOLEN_FROM)
@pytest.mark.parametrize(
    ("arguments", "after", "code", "words"),
    [
        # For a subsystem sshd starts the forced command as well, and drops what it says; 2 is the dispatcher's refusal.
        ("-s", "sftp", 2, ""),
        ("-tt", "", 255, "PTY allocation request failed"),
        ("-X -A", "ssh-add -l", 2, "dispatch: the session ended before its request"),
    ],
)
def test_the_key_gets_no_subsystem_terminal_or_agent(
    vault: Host, name: str, arguments: str, after: str, code: int, words: str
) -> None:
    ended, said = steal(vault, name, arguments, after)
    assert ended == code and words in said


@pytest.mark.parametrize("name", STOLEN_FROM)
@pytest.mark.parametrize(
    "forward",
    ["127.0.0.1:2222:127.0.0.1:22", "0.0.0.0:64064:127.0.0.1:22", "127.0.0.1:22222:/run/x", "/etc/x.sock:/run/x"],
)
def test_the_key_opens_no_other_way_back(vault: Host, name: str, forward: str) -> None:
    code, said = steal(vault, name, f"-N -R {forward}")
    assert code == 255 and "remote port forwarding failed" in said


def ask_the_bus(ssh: str, place: str) -> str:
    """Return a script that opens a way to the client's system bus and asks it who it is; a bus answers OK."""
    return f"""
        {ssh} -f -N -M -S {place}.control -L {place}.sock:/run/dbus/system_bus_socket >/dev/null 2>&1 && echo knocking
        printf '\\0AUTH EXTERNAL 30\\r\\n' | timeout 5 socat -t 2 - UNIX-CONNECT:{place}.sock
        ssh -F none -S {place}.control -O exit client 2>/dev/null
        rm -f {place}.sock
    """


@pytest.mark.parametrize("name", STOLEN_FROM)
def test_the_bus_answers_an_admin_who_may(lab: Lab, name: str, tmp_path: Path) -> None:
    """Without this the next test would prove nothing: the same way with a key that is not restricted."""
    address = lab(name).check_output("hostname --all-ip-addresses").split()[0]
    port = 2222 if name == "odd1" else 22
    known = f"-i {STATE}/id_ed25519 -o UserKnownHostsFile={STATE}/known_hosts -o BatchMode=yes"
    script = ask_the_bus(f"timeout 20 ssh -F none {known} -p {port} root@{address}", str(tmp_path / "bus"))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.stdout.startswith("knocking\nOK "), done


@pytest.mark.parametrize("name", STOLEN_FROM)
def test_the_key_does_not_reach_the_clients_bus(vault: Host, name: str) -> None:
    done = vault.run(ask_the_bus(thiefs_ssh(vault, name), "/tmp/steal"))
    assert done.stdout == "knocking\n", done


@pytest.mark.parametrize("name", STOLEN_FROM)
def test_the_key_reaches_no_port_of_the_client(vault: Host, name: str) -> None:
    code, said = steal(vault, name, "-W 127.0.0.1:22")
    assert code == 255 and ("administratively prohibited" in said or "open failed" in said)


def test_the_key_sets_no_environment(vault: Host) -> None:
    _code, said = steal(vault, "web1", "-o SetEnv=LD_PRELOAD=/tmp/x.so -o SetEnv=PYTHONPATH=/tmp", "env")
    assert said == "dispatch: the session ended before its request\n"
