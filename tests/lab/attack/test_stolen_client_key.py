# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a client of the transport ssh in other hands, on that client, while a session is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hostile import MANIFEST_ID, Refusal
from lab import Lab
from lab_runs import backup, opened
from lab_thief import DOOR_PORT, as_user, connects, ssh, stolen, through_the_door

CLIENT_KEY = "/etc/paranoid-backup/ssh/id_ed25519"
RUN = "/run/paranoid-backup"
SECRETS = ("/var/lib/paranoid-backup/{}/baseline.json", "/var/log/paranoid-backup/{}", "/srv/backup/{}/repo/config")
FORWARDS = {
    "L": ["-N", "-L", "5001:127.0.0.1:22"],
    "R": ["-N", "-R", "5002:127.0.0.1:22"],
    "W": ["-W", "127.0.0.1:22"],
}


@pytest.fixture(scope="module")
def odd1_key(lab: Lab) -> Iterator[None]:
    """The key of a client of the transport ssh, at the end of its tunnel: the only place where it leads anywhere."""
    with stolen(lab, "odd1", CLIENT_KEY, "odd1"):
        yield


@pytest.fixture(scope="module")
def odd1_open(lab: Lab, odd1_key: None) -> Iterator[None]:
    """The most that a thief may hope for: a session of that client is open."""
    assert backup(lab, "--limit", "odd1").code == 0
    with opened(lab, "odd1", 900):
        yield


def test_a_stolen_client_key_gets_the_gate_of_the_session_and_its_policy(lab: Lab, odd1_open: None) -> None:
    with through_the_door(lab, "odd1", "bk-odd1") as thief:
        identity = thief.hello(path="/srv/backup/web1/repo", exclusive=False)
        assert f"id = {identity.hex()}" in lab.read("vault", "cat", "/srv/backup/odd1/repo/config")
        assert thief.call("get", id=MANIFEST_ID), "it may read, and what it reads is encrypted"
        for method, arguments in (
            ("put", {"id": b"n" * 32, "data": b"x"}),
            ("delete", {"id": MANIFEST_ID}),
            ("commit", {"compact": False}),
            ("destroy", {}),
            ("save_key", {"keydata": b""}),
        ):
            with pytest.raises(Refusal, match="policy 'read' does not allow"):
                thief.call(method, **arguments)


@pytest.mark.parametrize("wanted", ["id", "sh", "borg serve", "scp -t /tmp", "/usr/lib/openssh/sftp-server"])
def test_a_stolen_client_key_starts_no_other_command(lab: Lab, odd1_open: None, wanted: str) -> None:
    argv = [*ssh(DOOR_PORT, "bk-odd1@127.0.0.1"), *wanted.split()]
    done = lab.exec("odd1", *argv, input=b"")
    assert done.stdout == b"", "only the gate was there, and it had nothing to answer"
    assert lab.exec("odd1", *ssh(DOOR_PORT, "bk-odd1@127.0.0.1", "-s"), "sftp", input=b"").stdout == b""


@pytest.mark.parametrize("kind", FORWARDS)
def test_a_stolen_client_key_forwards_nothing(lab: Lab, odd1_open: None, kind: str) -> None:
    target = "bk-odd1@127.0.0.1"
    done = lab.exec("odd1", "timeout", "5", *ssh(DOOR_PORT, target, *FORWARDS[kind]))
    assert b"SSH-2.0" not in done.stdout
    if kind != "L":  # -L begins to listen on the thief's side; what it leads to is asked next.
        assert done.returncode == 255 and b"forwarding failed" in done.stderr, done.stderr
        return
    tunnel = " ".join(ssh(DOOR_PORT, target, *FORWARDS[kind]))
    script = f"{tunnel} & sleep 1; timeout 3 socat -u TCP:127.0.0.1:5001 -; kill $!"
    assert b"SSH-2.0" not in lab.exec("odd1", "sh", "-c", script).stdout


def test_the_forward_that_is_refused_would_have_shown_a_banner(lab: Lab) -> None:
    assert b"SSH-2.0" in lab.exec("vault", "sh", "-c", "timeout 3 socat -u TCP:127.0.0.1:22 -").stdout


def test_a_client_key_opens_nobody_elses_door(lab: Lab, odd1_open: None) -> None:
    for user in ("bk-web1", "bk-db1", "root", "paranoid-backup"):
        done = lab.exec("odd1", *ssh(DOOR_PORT, f"{user}@127.0.0.1"), input=b"")
        assert done.returncode == 255 and b"Too many authentication failures" in done.stderr, (user, done.stderr)


def test_a_session_of_one_client_opens_nothing_to_the_user_of_another(lab: Lab, odd1_open: None) -> None:
    """Whoever took over a gate has its client's user, and no more."""
    assert connects(lab, "vault", "bk-odd1", f"{RUN}/doors/bk-odd1.sock")
    assert not connects(lab, "vault", "bk-web1", f"{RUN}/doors/bk-odd1.sock")
    with opened(lab, "db1"):
        for user in ("bk-web1", "bk-odd1", "bk-db1"):
            assert not connects(lab, "vault", user, f"{RUN}/sessions/bk-db1/gate.sock"), user
        assert connects(lab, "vault", "paranoid-backup", f"{RUN}/sessions/bk-db1/gate.sock"), "ssh, which listens"


def test_the_user_of_one_client_reads_nothing_of_another(lab: Lab, odd1_open: None) -> None:
    own = as_user(lab, "vault", "bk-odd1", "cat", "/srv/backup/odd1/repo/config")
    assert own.stdout.startswith(b"[repository]")
    for path in SECRETS:
        for place in (path.format("odd1"), f"/srv/backup/web1/../odd1/{path.rpartition('/')[2]}"):
            done = as_user(lab, "vault", "bk-web1", "ls", "-l", place)
            assert done.returncode != 0 and done.stdout == b"", (place, done.stdout)
    link = "/srv/backup/web1/repo/link"
    as_user(lab, "vault", "bk-web1", "ln", "-s", "/srv/backup/odd1/repo/config", link)
    assert as_user(lab, "vault", "bk-web1", "cat", link).returncode != 0
    lab.read("vault", "rm", link)
    for target in ("/srv/backup/web1/other", "/srv/backup/odd1/repo/x", "/etc/paranoid-backup/x", f"{RUN}/x"):
        assert as_user(lab, "vault", "bk-web1", "touch", target).returncode != 0, target
