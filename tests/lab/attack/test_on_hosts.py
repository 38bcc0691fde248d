# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks that take real hosts: stolen keys, other clients, the network between client and server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest
from lab import Lab
from lab_faults import NOBODYS_KEY, as_provisioned, big_file, other_records, used_bytes, write
from lab_runs import backup, opened
from lab_thief import DOOR_PORT, address, connects, ssh, stolen, tapped

CLIENT_KEY = "/etc/paranoid-backup/ssh/id_ed25519"
SERVER_KEY = "/etc/paranoid-backup/ssh/id_ed25519"
RUN = "/run/paranoid-backup"


def test_a_client_key_is_worth_nothing_on_other_hosts(lab: Lab) -> None:
    """Neither at the server, which no client can reach, nor at another client."""
    with stolen(lab, "odd1", CLIENT_KEY, "web1"):
        away = lab.exec("web1", *ssh(DOOR_PORT, f"bk-odd1@{address(lab, 'vault')}", "-o", "ConnectTimeout=3"))
        assert away.returncode == 255 and re.search(b"timed out|unreachable|refused", away.stderr), away.stderr
        other = lab.exec("web1", *ssh("22", f"paranoid-backup@{address(lab, 'db1')}"))
        assert other.returncode == 255 and b"Permission denied" in other.stderr, other.stderr


def test_other_users_of_a_client_do_not_reach_its_tunnel(lab: Lab) -> None:
    with opened(lab, "db1"):
        (path,) = lab.read("db1", "find", RUN, "-name", "*.sock").split()
        assert connects(lab, "db1", "paranoid-backup", path)
        assert not connects(lab, "db1", "nobody", path) and not connects(lab, "db1", "postgres", path)


def test_other_users_of_a_client_read_nothing_of_its_backups(lab: Lab) -> None:
    """Neither the passphrase, nor what Borg remembers of file names: in no file, no argument and no environment."""
    passphrase = lab.read("db1", "cat", "/etc/paranoid-backup/passphrase").encode()
    places = "/etc /opt /usr/local /var/lib /var/cache /var/log /var/tmp /tmp /run /root /home /dev/shm"
    ours = "find /etc/paranoid-backup /var/lib/paranoid-backup /run/paranoid-backup -type f -readable"
    grep = f"grep -rslaF -D skip -f - {places} /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
    with opened(lab, "db1"):
        assert lab.exec("db1", "sh", "-c", grep, input=passphrase).stdout.split() == [
            b"/etc/paranoid-backup/passphrase"
        ]
        assert len(lab.read("db1", "sh", "-c", ours).split()) > 5, "Borg's caches are there"
        for user in ("nobody", "postgres", "paranoid-backup"):
            found = lab.exec("db1", "runuser", "-u", user, "--", "sh", "-c", f"{ours}; {grep}", input=passphrase)
            assert found.stdout.split() == [b"/etc/paranoid-backup/authorized_keys/paranoid-backup"], (user, found)


def test_the_wire_and_the_server_see_no_plaintext(lab: Lab) -> None:
    marker, secret = os.urandom(48).hex().encode(), os.urandom(2**18)  # compression alone would leave it as it is
    write(lab, "new1", "/home/marker", marker.decode())
    lab.read("new1", "sh", "-c", "cat >/home/secret", input=secret)
    try:
        with tapped(lab, "new1") as wire:
            run = backup(lab, "--limit", "new1")
    finally:
        lab.read("new1", "rm", "/home/marker", "/home/secret")
    assert run.client("new1")["archive"]["deduplicated_size"] > 2**18, "both were sent"
    assert len(wire.seen) > 2**18
    assert marker not in wire.seen and secret[1000:1256] not in wire.seen
    search = ("grep", "-rlaF", "-f", "-", "/srv/backup/new1", "/var/log/paranoid-backup", "/var/lib/paranoid-backup")
    assert lab.exec("vault", *search, input=marker).stdout == b""
    data = lab.exec("vault", "sh", "-c", "find /srv/backup/new1/repo/data -type f -exec cat {} +").stdout
    assert len(data) > 2**18 and secret[1000:1256] not in data


def test_the_tap_would_have_seen_plaintext(lab: Lab) -> None:
    marker = os.urandom(48).hex().encode()
    with tapped(lab, "new1") as wire:
        lab.exec("new1", "socat", "-u", "STDIN", f"UDP-SENDTO:{address(lab, 'db1')}:9", input=marker)
    assert marker in wire.seen


def test_a_man_in_the_middle_is_refused_before_the_key_is_tried(lab: Lab) -> None:
    """Packets for web1 end at odd1, which has a host key of its own and would admit the server's key."""
    lab.read("odd1", "journalctl", "--rotate", "--vacuum-time=1s")
    changes = {"host": address(lab, "odd1"), "port": 2222}
    with other_records(lab, web1=changes) as arguments:
        run = backup(lab, "--limit", "web1", *arguments)
    assert run.codes() == {"web1": "host_key_changed"}, run.output
    assert "not the pinned one" in run.client("web1")["reason"] and run.client("web1")["bytes_received"] == 0
    said = lab.read("odd1", "journalctl", "--no-pager", "-t", "sshd")
    assert "Accepted" not in said and "preauth" in said, said


def test_a_client_refuses_a_server_with_another_host_key(lab: Lab) -> None:
    """Transport ssh: its tunnel ends at somebody else's sshd."""
    pinned = "/etc/paranoid-backup/ssh/known_hosts"
    kept = lab.read("odd1", "cat", pinned)
    write(lab, "odd1", pinned, f"paranoid-backup-server {NOBODYS_KEY}\n")
    try:
        run = backup(lab, "--limit", "odd1")
    finally:
        write(lab, "odd1", pinned, kept)
    assert run.codes() == {"odd1": "client_failed"}, run.output
    assert run.client("odd1")["bytes_received"] == 0
    assert "Host key verification failed" in run.client("odd1")["reason"]


def test_a_client_fills_the_disk_up_to_its_quota(lab: Lab) -> None:
    used = used_bytes(lab, "new1")
    quota = used + 20 * 1024**2
    with big_file(lab, "new1", 60), other_records(lab, new1={"quota": quota}) as arguments:
        run = backup(lab, "--limit", "new1", *arguments)
    assert run.codes() == {"new1": "quota"}, run.output
    assert used_bytes(lab, "new1") <= quota
    assert backup(lab, "--limit", "new1").code == 0


def test_a_compression_that_hides_sizes_is_refused(lab: Lab) -> None:
    done = lab.run("site", "--check", "--limit", "web1", "-e", "backup_client_compression=obfuscate,110,zstd,3")
    assert done.returncode == 2
    assert "backup_client_compression must not obfuscate" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def db1_changed(lab: Lab) -> Iterator[None]:
    """Its operator names the server's address and another compression, and takes both back in the end."""
    assert backup(lab, "--limit", "db1").code == 0
    wanted = {"backup_client_from": [address(lab, "vault")], "backup_client_compression": "none"}
    with as_provisioned(lab, "vault", "db1"):
        done = lab.run("site", "--limit", "vault,db1", "-e", json.dumps(wanted))
        assert done.returncode == 0, done.stdout
        yield


def test_a_changed_compression_alarms_nobody(lab: Lab, db1_changed: None) -> None:
    for verdict in ("expected", "clean"):
        run = backup(lab, "--limit", "db1")
        assert (run.code, run.client("db1")["audit"]["verdict"]) == (0, verdict), run.output
        if verdict == "expected":
            (finding,) = run.client("db1")["audit"]["findings"]
            assert finding == "the lists of archives of zstd,3 and of none cannot be compared"


def test_the_servers_key_is_refused_from_elsewhere(lab: Lab, db1_changed: None) -> None:
    with stolen(lab, "vault", SERVER_KEY, "web1"):
        refused = lab.exec("web1", *ssh("22", f"paranoid-backup@{address(lab, 'db1')}"))
        assert refused.returncode == 255 and b"Permission denied" in refused.stderr
        admitted = lab.exec("web1", *ssh("2222", f"paranoid-backup@{address(lab, 'odd1')}"))
        assert b"the session ended before its request" in admitted.stdout + admitted.stderr, "odd1 names no address"
    assert backup(lab, "--limit", "db1").code == 0
