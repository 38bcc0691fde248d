# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml against one host as people have them; tests/integration/provisioning/test_hosts.py has the many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import Lab
from lab_faults import moved, write

HOST = "web1"
EARLY, LATE = "/etc/ssh/sshd_config.d/00-x.conf", "/etc/ssh/sshd_config.d/60-cis.conf"
SUDO = "/etc/sudoers.d/zz"
PASSPHRASE = "/etc/paranoid-backup/passphrase"
MANY = {
    EARLY: "Match User *,!root\nAllowTcpForwarding no\n",
    SUDO: "ALL ALL=(ALL) PASSWD: ALL\n",
    "/etc/nologin": "Later\n",
}


@pytest.fixture(autouse=True)
def unspoilt(lab: Lab) -> Iterator[None]:
    """Take away what a test has put there."""
    yield
    lab.read(HOST, "rm", "-f", EARLY, LATE, SUDO, "/etc/nologin")
    lab.read(HOST, "sh", "-c", "systemctl disable -q --now ssh.socket; systemctl enable -q ssh; systemctl restart ssh")


def site(lab: Lab, *arguments: str) -> tuple[int, str]:
    done = lab.run("site", "--limit", HOST, *arguments)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_hardened_host_whose_sshd_a_socket_starts(lab: Lab) -> None:
    """The account is locked and is going to expire; afterwards the socket is still what starts sshd."""
    write(
        lab, HOST, LATE, "DisableForwarding yes\nAllowUsers root\nAllowGroups root\nMaxSessions 1\nLogLevel VERBOSE\n"
    )
    lab.read(HOST, "sh", "-c", "systemctl disable -q --now ssh; systemctl enable -q --now ssh.socket")
    lab.read(HOST, "sh", "-c", "usermod -L paranoid-backup; chage -M 90 paranoid-backup; rm -rf /run/sshd")
    # So that the drop-in is written, and sshd told of it.
    lab.read(HOST, "rm", "/etc/ssh/sshd_config.d/50-paranoid-backup.conf")
    code, said = site(lab)
    assert code == 0, said
    assert lab.read(HOST, "systemctl", "is-active", "ssh.socket") == "active\n"
    assert lab.read(HOST, "getent", "shadow", "paranoid-backup").split(":")[1:7] == ["*", "", "0", "", "", ""]
    assert "changed=0" in site(lab)[1]


def test_all_that_stands_in_the_way_is_named_at_once(lab: Lab) -> None:
    for path, text in MANY.items():
        write(lab, HOST, path, text)
    code, said = site(lab)
    assert code == 2
    for line in (f"{EARLY} line 2 (allowtcpforwarding no", f"{SUDO} line 1 (ALL ALL", "PAM refuses paranoid-backup"):
        assert line in said


def test_what_denies_the_login_is_named_before_anything_is_changed(lab: Lab) -> None:
    write(lab, HOST, LATE, "DenyUsers *-backup\n")
    before = lab.read(HOST, "sh", "-c", "find /etc /opt/paranoid-backup -newer /etc/hostname | wc -l")
    code, said = site(lab)
    assert code == 2 and f"{LATE} line 1 (denyusers *-backup) denies paranoid-backup" in said
    assert lab.read(HOST, "sh", "-c", "find /etc /opt/paranoid-backup -newer /etc/hostname | wc -l") == before


def test_a_reinstalled_host_gets_no_new_passphrase(lab: Lab) -> None:
    with moved(lab, HOST, PASSPHRASE):
        for arguments in (("--check",), ()):
            code, said = site(lab, *arguments)
            assert code == 2 and f"{HOST} has a repository on its server, and its passphrase is not on {HOST}" in said
        assert lab.exec(HOST, "test", "-e", PASSPHRASE).returncode == 1
        write(lab, HOST, PASSPHRASE, "another one\n")
        code, said = site(lab)
        assert code == 2 and f"Put the saved passphrase of {HOST} to {PASSPHRASE}" in said
        lab.read(HOST, "rm", PASSPHRASE)


@pytest.mark.parametrize(
    ("elsewhere", "named"),
    [
        ("backup_client_port=23", "port 23 cannot be reached"),
        ("backup_client_host=nowhere.invalid", "set backup_client_host to an address that the server knows"),
    ],
)
def test_no_advice_is_to_run_what_says_it(lab: Lab, elsewhere: str, named: str) -> None:
    code, said = site(lab, "-e", elsewhere)
    assert site(lab)[0] == 0, "the server knows the right address again"
    assert code == 2 and named in said and "run site.yml" not in said
