# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as people have them: the server comes in, or a line names what keeps it out. With real sshd, sudo and PAM."""

from __future__ import annotations

import os

import pytest
from private_host import SUDOERS, Case, try_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give itself an /etc of its own")

SSHD, EARLY, LATE = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/00-x.conf", "/etc/ssh/sshd_config.d/60-cis.conf"
SUDO_LATE = "/etc/sudoers.d/zz"
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf\n"
# What hardening guides and tidy administrators set for everybody.
STRICT = """
DisableForwarding yes
AllowTcpForwarding no
AllowStreamLocalForwarding no
AllowUsers admin root
AllowGroups admins
AuthenticationMethods publickey,keyboard-interactive
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/false
AuthorizedKeysCommandUser nobody
Banner /etc/motd
ChrootDirectory /var/empty
ForceCommand /bin/false
GatewayPorts yes
MaxAuthTries 0
MaxSessions 0
PermitListen none
PermitTTY no
PrintMotd yes
PubkeyAcceptedAlgorithms rsa-sha2-512
StreamLocalBindMask 0111
X11Forwarding yes
"""
HURRY = "ChannelTimeout x11-connection=1s\nUnusedConnectionTimeout 1s\nClientAliveInterval 1\nRekeyLimit 1M 1s\n"
ADMITTED = {
    "nothing special": Case(),
    "hardened": Case({LATE: STRICT}),
    "other ways in": Case({LATE: "PubkeyAuthentication no\nPasswordAuthentication yes\n"}),
    "hardened in the main file": Case({SSHD: STRICT}),
    "sessions end early, and sudo's": Case({LATE: HURRY, SUDO_LATE: "Defaults command_timeout=1\n"}, seconds=2.5),
    "asks for the port": Case({EARLY: "Match LocalPort 2222\n X11Forwarding no\nMatch LocalAddress 10.1.1.1\n"}),
    "blocks behind it": Case({LATE: "Match User *\n AllowTcpForwarding no\n ForceCommand /bin/false\n"}),
    "an earlier block for others": Case({EARLY: "Match User admin\n AllowTcpForwarding no\nMatch all\n"}),
    "an earlier block with what is harmless": Case({EARLY: "Match User *\n Banner /etc/motd\n AllowUsers admin\n"}),
    "no PAM": Case({"=" + SSHD: INCLUDE + "UsePAM no\n"}),
    "a locked password": Case(commands=("usermod -L paranoid-backup",)),
    "sudo wants a terminal": Case({SUDO_LATE: "Defaults requiretty, use_pty\nDefaults lecture=always\n"}),
    "sudo forbids other programs": Case({SUDO_LATE: "Defaults noexec\nDefaults intercept, log_subcmds\n"}),
    "sudo with an old include": Case({"=/etc/sudoers": "root ALL=(ALL) ALL\n#includedir /etc/sudoers.d\n"}),
    "a message of the day": Case(
        {"/etc/motd": "Hello\n", "/etc/profile": "echo rc\n", "/etc/bash.bashrc": "echo rc\n"}
    ),
}
ACCESS = "=/etc/security/access.conf"
WINS = f"{EARLY} line 2 ({{}}, in 'Match User *,!root') comes before"
REFUSED = {
    "an earlier block, ports": (
        Case({EARLY: "Match User *,!root\n AllowTcpForwarding no\n"}),
        WINS.format("allowtcpforwarding no"),
    ),
    "an earlier block, methods": (
        Case({EARLY: "Match User *,!root\n AuthenticationMethods publickey,keyboard-interactive\n"}),
        WINS.format("authenticationmethods publickey,keyboard-interactive"),
    ),
    "an earlier block, keys": (
        Case({EARLY: "Match User *,!root\n AuthorizedKeysFile /etc/ssh/keys/%u\n"}),
        WINS.format("authorizedkeysfile /etc/ssh/keys/%u"),
    ),
    "an earlier block, command": (
        Case({EARLY: "Match User *,!root\n ForceCommand /bin/false\n"}),
        WINS.format("forcecommand /bin/false"),
    ),
    "an earlier block in the main file": (
        Case({"=" + SSHD: f"Match Address 127.0.0.0/8\n DisableForwarding=yes # all\nMatch all\n{INCLUDE}"}),
        f"{SSHD} line 2 (disableforwarding yes, in 'Match Address 127.0.0.0/8') comes before",
    ),
    "denied by name": (Case({LATE: "DenyUsers root *-backup\n"}), f"{LATE} line 1 (denyusers root *-backup) denies"),
    "denied by group": (Case({SSHD: "DenyGroups paranoid-*\n"}), f"{SSHD} line 3 (denygroups paranoid-*) denies"),
    "denied in a block": (
        Case({EARLY: "Match User *\n DenyUsers paranoid-backup\n"}),
        f"{EARLY} line 2 (denyusers paranoid-backup, in 'Match User *') denies",
    ),
    "no drop-ins": (
        Case({"=" + SSHD: "UsePAM yes\n"}),
        f"{SSHD} does not include /etc/ssh/sshd_config.d/*.conf at its top: add that line",
    ),
    "drop-ins for some": (
        Case({"=" + SSHD: "UsePAM yes\nMatch User admin\n X11Forwarding no\n" + INCLUDE}),
        f"{SSHD} line 4 (include /etc/ssh/sshd_config.d/*.conf, in 'Match User admin') holds for some logins only",
    ),
    "a setting that sshd does not know": (
        Case({LATE: "AllowUser admin\n"}),
        f"sshd does not take its own configuration ({LATE}: line 1: Bad configuration option: AllowUser",
    ),
    "sudo without drop-ins": (
        Case({"=/etc/sudoers": "root ALL=(ALL:ALL) ALL\n"}),
        "/etc/sudoers does not include /etc/sudoers.d: add '@includedir /etc/sudoers.d' as its last line",
    ),
    "sudo asks everybody": (
        Case({SUDO_LATE: "# all\nALL ALL=(ALL) \\\n  PASSWD: ALL\n"}),
        f"{SUDO_LATE} line 2 (ALL ALL=(ALL) PASSWD: ALL) keeps paranoid-backup from starting the dispatcher",
    ),
    "sudo denies it": (
        Case({SUDO_LATE: "paranoid-backup ALL=(ALL) !/usr/local/libexec/paranoid-backup/\n"}, ()),
        f"{SUDO_LATE} line 1 (paranoid-backup ALL=(ALL) !/usr/local/libexec/paranoid-backup/) keeps",
    ),
    "sudo's rule is gone": (
        Case(commands=(f"rm {SUDOERS}",)),
        "paranoid-backup cannot start the dispatcher (sudo: a password is required)",
    ),
    "no sudo": (
        Case(commands=("touch /etc/nothing; mount --bind /etc/nothing /usr/bin/sudo",)),
        "sudo is not installed: install it, or set backup_client_login to root",
    ),
    "something prints first": (
        Case({"/etc/ssh/sshrc": "echo Welcome\n"}),
        "something prints 'Welcome' before the dispatcher when paranoid-backup logs in",
    ),
    "no shell": (
        Case(commands=("usermod -s /usr/sbin/nologin paranoid-backup",)),
        "paranoid-backup has the shell /usr/sbin/nologin, which starts nothing: usermod -s /bin/sh",
    ),
    "an expired account": (
        Case(commands=("chage -E 1 paranoid-backup",)),
        "PAM refuses paranoid-backup (Authentication failure Your account has expired",
    ),
    "quiet channels are closed": (
        Case({LATE: "ChannelTimeout x11-connection=1s *=1s\n"}, seconds=2.5),
        f"{LATE} line 1 (channeltimeout x11-connection=1s *=1s) ends a session that is quiet for so long",
    ),
    "a password that must be changed": (
        Case(commands=("chage -d 0 paranoid-backup",)),
        "PAM refuses paranoid-backup (Authentication token is no longer valid; new one required",
    ),
    "a host that admits nobody": (
        Case({"/etc/nologin": "Maintenance until Monday\n"}),
        "PAM refuses paranoid-backup (Authentication failure Maintenance until Monday)",
    ),
    "an access list": (
        Case({ACCESS: "-:ALL EXCEPT root:ALL\n", "/etc/pam.d/sshd": "account required pam_access.so\n"}),
        "PAM refuses paranoid-backup (Permission denied): see the account lines of /etc/pam.d/sshd",
    ),
    "a locked account without PAM": (
        Case({"=" + SSHD: INCLUDE + "UsePAM no\n"}, ("usermod -L paranoid-backup",)),
        "paranoid-backup is locked",
    ),
    "keys where others could write": (
        Case(commands=("chmod g+w /etc/paranoid-backup",)),
        "/etc/paranoid-backup can be written to by others than root",
    ),
}  # fmt: skip


@pytest.mark.parametrize("host", ADMITTED)
def test_the_server_comes_in_and_stays(host: str) -> None:
    seen = try_host(ADMITTED[host])
    assert (seen["before"], seen["after"]) == ([], [])
    assert seen["works"], seen["said"]


@pytest.mark.parametrize("host", REFUSED)
def test_what_keeps_the_server_out_is_named(host: str) -> None:
    case, named = REFUSED[host]
    seen = try_host(case)
    assert not seen["works"]
    assert any(line.startswith(named) for line in seen["after"]), seen


@pytest.mark.parametrize("host", ["denied by name", "no drop-ins", "drop-ins for some", "sudo without drop-ins"])
def test_what_can_be_known_before_is_named_before_anything_is_changed(host: str) -> None:
    case, named = REFUSED[host]
    assert [line for line in try_host(case)["before"] if line.startswith(named)]


def test_a_login_that_is_too_short_is_named() -> None:
    """Here it works: nothing else is at work on this machine."""
    seen = try_host(Case({LATE: "LoginGraceTime 2\n"}))
    assert seen["before"] == seen["after"] and seen["after"][0].startswith(f"{LATE} line 1 (logingracetime 2): ")


def test_the_keys_are_those_that_sshd_shows() -> None:
    make = (
        'mkdir /etc/ssh/keys; ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/keys/one; cp /etc/ssh/keys/one.pub /etc/one; '
    )
    seen = try_host(
        Case({LATE: "HostKey /etc/ssh/keys/one\nHostKey /etc/ssh/keys/none\n"}, (make + "rm /etc/ssh/keys/*.pub",))
    )
    assert len(seen["keys"]) == 1 and seen["keys"][0].startswith("ssh-ed25519 ") and seen["works"], seen


@pytest.mark.parametrize("spoil", ["chage -M 90", "chage -E 2030-01-01", "chage -I 5", "chage -d 0"])
def test_an_account_that_is_going_to_expire_is_seen_and_healed(spoil: str) -> None:
    heal = "chage --lastday -1 --mindays 0 --maxdays -1 --inactive -1 --expiredate -1 paranoid-backup"
    seen = try_host(Case(spoils=(f"{spoil} paranoid-backup",), commands=(heal,)))
    assert seen["ageing"] == [True, False] and seen["works"] and seen["after"] == []
