# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on real hosts, several to a run: each a clear reason in the mail, nothing lost, all well again afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from lab import Lab
from lab_faults import (
    DISPATCH,
    NOBODYS_KEY,
    OTHER_RECORDS,
    big_file,
    hostile,
    moved,
    other_records,
    powered_off,
    slow_upload,
    small_disk,
    swapped,
    used_bytes,
    write,
)
from lab_runs import GOOD, Run, backup, opened, start
from waiting import wait_until

KEYS = "/etc/paranoid-backup/authorized_keys/paranoid-backup"
OK = dict.fromkeys(GOOD, "ok")


@pytest.fixture(scope="module")
def before(lab: Lab) -> Run:
    """The last run before the faults: what it made must outlive them all."""
    return backup(lab, "--limit", ",".join(GOOD))


@pytest.fixture(autouse=True)
def well_again(lab: Lab, before: Run) -> Iterator[None]:
    """After each test nothing is left of it, and a normal run is a success."""
    yield
    assert leftovers(lab) == []
    run = backup(lab, "--limit", ",".join(GOOD))
    assert (run.code, {name: run.client(name)["state"] for name in GOOD}) == (0, OK), run.text


def leftovers(lab: Lab) -> list[str]:
    """Processes and sockets of sessions that have ended."""
    found = lab.exec("vault", "pgrep", "--list-full", "-f", "HostKeyAlias=|paranoid-backup gate").stdout.decode()
    below = ["(", "-path", "*/sessions/*", "-o", "-path", "*/doors/*", ")"]  # After a boot they are not there yet.
    sockets = lab.read("vault", "find", "/run/paranoid-backup", *below)
    for name in (*GOOD, "broken1"):
        found += lab.exec(name, "pgrep", "--list-full", "-f", f"{DISPATCH}|hostile.py|/borg").stdout.decode()
    return [*found.splitlines(), *sockets.splitlines()]


def assert_told(run: Run, **expected: tuple[str, str]) -> None:
    """Each client failed with its code and reason, in record and mail, in text and HTML; the run failed, too."""
    assert run.code == 2, run.output
    assert run.codes() == {name: code for name, (code, _words) in expected.items()}
    assert run.mail is not None and run.mail["Subject"].startswith(f"[lab] FAILURE: 0 ok, {len(expected)} failed")
    for name, (code, words) in expected.items():
        reason = str(run.client(name)["reason"])
        print(f"{name}: {code}: {reason}")
        assert words in reason and reason.isprintable() and len(reason) <= 600, (name, reason)
        assert " ".join(reason.split()) in run.text, (name, reason)
        assert code in run.part("html")


def test_ways_to_a_client_that_fail(lab: Lab) -> None:
    changes = {
        "web1": {"host": "no-such-host.invalid"},
        "db1": {"known_hosts_file": f"{OTHER_RECORDS}/pinned"},
    }
    with ExitStack() as faults:
        arguments = faults.enter_context(other_records(lab, **changes))
        write(lab, "vault", f"{OTHER_RECORDS}/pinned", f"db1 {NOBODYS_KEY}\n")
        faults.enter_context(moved(lab, "odd1", KEYS))
        faults.enter_context(moved(lab, "new1", DISPATCH))
        faults.enter_context(hostile(lab, "broken1", "ok_without_archive"))
        run = backup(lab, *arguments)
    assert_told(
        run,
        web1=("unknown_host", "no-such-host.invalid cannot be resolved"),
        db1=("host_key_changed", "host key that is not the pinned one"),
        odd1=("key_refused", "refused the server's key"),
        new1=("no_dispatcher", "the dispatcher of new1 did not start"),
        broken1=("no_archive", "broken1 said ok, but named no archive"),
    )


def test_results_that_no_honest_client_gives(lab: Lab) -> None:
    with ExitStack() as faults:
        for name, behaviour in (
            ("web1", "gigabyte_instead_of_result"),
            ("db1", "binary_result"),
            ("odd1", "escapes_in_reason"),
            ("new1", "ten_megabytes_of_json"),
            ("broken1", "archive_never_written"),
        ):
            faults.enter_context(hostile(lab, name, behaviour))
        run = backup(lab)
    assert_told(
        run,
        web1=("bad_result", "it answered with more than"),
        db1=("bad_result", "the answer is not JSON"),
        odd1=("client_failed", "<script>alert(1)</script>"),
        new1=("bad_result", "it answered with more than"),
        broken1=("no_archive", "the server saw no archive being written"),
    )
    assert run.mail is not None
    assert "<script>" not in run.part("html") and "&lt;script&gt;" in run.part("html")
    assert not set(run.output + run.part("plain") + run.part("html")) & set("\x1b\x07\x00\u202e")
    assert len(run.mail.as_bytes()) < 200_000


def test_clients_that_hang(lab: Lab) -> None:
    changes = {
        "web1": {"connect_timeout": 5},
        "db1": {"idle_timeout": 5},
        "new1": {"idle_timeout": 5},
        "odd1": {"total_timeout": 8},
    }
    with ExitStack() as faults:
        arguments = faults.enter_context(other_records(lab, {"close_timeout": 5}, **changes))
        for name, behaviour in (
            ("web1", "hang_before_hello"),
            ("db1", "hang_in_transfer"),
            ("new1", "hang_after_hello"),
            ("odd1", "chatter_forever"),
            ("broken1", "hang_after_result"),
        ):
            faults.enter_context(hostile(lab, name, behaviour))
        run = backup(lab, *arguments)
    assert_told(
        run,
        web1=("connect_timeout", "web1 did not start its work within 5 s"),
        db1=("idle_timeout", "db1 moved no byte and wrote no log line for 5 s"),
        new1=("idle_timeout", "new1 moved no byte and wrote no log line for 5 s"),
        odd1=("total_timeout", "odd1 was not done after 8 s"),
        broken1=("close_timeout", "broken1 was done, but did not end the session within 5 s"),
    )


def test_server_and_connection_that_fail(lab: Lab) -> None:
    before = used_bytes(lab, "odd1")
    with ExitStack() as faults:
        faults.enter_context(moved(lab, "vault", "/srv/backup/web1/repo"))
        faults.enter_context(swapped(lab, "db1", "broken1"))
        faults.enter_context(big_file(lab, "new1", 60))
        faults.enter_context(small_disk(lab, "new1", 16))
        faults.enter_context(big_file(lab, "odd1", 300))
        faults.enter_context(slow_upload(lab, "odd1"))
        # Without a quota its share of the disk would be full before the disk.
        arguments = faults.enter_context(other_records(lab, new1={"quota": 2**30}))
        under_way = start(lab, "--limit", ",".join(GOOD), *arguments)
        assert wait_until(lambda: used_bytes(lab, "odd1") > before + 20 * 1024**2, 60)
        for pid in lab.read("odd1", "pgrep", "-u", "paranoid-backup", "-x", "sshd").split():
            lab.read("odd1", "kill", "-KILL", pid)
        run = under_way.finish()
    assert_told(
        run,
        web1=("repository_missing", "/srv/backup/web1/repo is not there"),
        db1=("wrong_repository", "/srv/backup/db1/repo holds repository"),
        odd1=("connection_lost", "the connection to odd1 was lost"),
        new1=("disk_full", "the server's disk is full: free space on it"),
    )


def test_connection_that_goes_silent(lab: Lab) -> None:
    """Packets are dropped in the middle of the transfer: nobody says that the connection is gone."""
    before = used_bytes(lab, "web1")
    address = lab.read("web1", "hostname", "--all-ip-addresses").split()[0]
    with ExitStack() as faults:
        faults.enter_context(big_file(lab, "web1", 300))
        faults.enter_context(slow_upload(lab, "web1"))
        arguments = faults.enter_context(other_records(lab, web1={"idle_timeout": 20}))
        lab.read("web1", "sh", "-c", "mv /home/big /var/www/html/big; touch /home/big")
        under_way = start(lab, "--limit", "web1", *arguments)
        assert wait_until(lambda: used_bytes(lab, "web1") > before + 20 * 1024**2, 60)
        lab.read("vault", "nft", "insert", "rule", "inet", "server", "input", "ip", "saddr", address, "drop")
        try:
            run = under_way.finish()
        finally:
            lab.read("vault", "systemctl", "restart", "nftables")
            lab.read("web1", "rm", "-f", "/var/www/html/big")
    assert_told(run, web1=("idle_timeout", "web1 moved no byte and wrote no log line for 20 s"))
    # The client's half of the connection does not know yet; its own sshd and dispatcher find out later.
    for name in ("sshd", "python3"):
        lab.exec("web1", "pkill", "-KILL", "-u", "paranoid-backup", "-x", name)
    assert wait_until(lambda: not leftovers(lab), 40), leftovers(lab)


def test_power_of_the_server_is_lost(lab: Lab) -> None:
    """Nothing there had time to end, and no mark of a session is left but on its disk. The run is told as a failure."""
    before = used_bytes(lab, "db1")
    with big_file(lab, "db1", 300), slow_upload(lab, "db1"):
        under_way = start(lab, "--limit", "db1")
        assert wait_until(lambda: used_bytes(lab, "db1") > before + 20 * 1024**2, 300)
        with powered_off(lab, "vault"):
            run = under_way.finish()
            # Unless the end of the connection got out, the client's sshd finds out in a minute.
            lab.exec("db1", "pkill", "-KILL", "-u", "paranoid-backup", "-x", "sshd")
            assert wait_until(lambda: lab.exec("db1", "pgrep", "-f", f"{DISPATCH}|/borg").returncode == 1, 120)
    assert run.code != 0 and run.client("db1")["state"] == "unreachable", run.output
    assert run.mail is not None and run.mail["Subject"].startswith("[lab] FAILURE: 0 ok, 1 failed")


def test_nothing_is_mounted(lab: Lab) -> None:
    with other_records(lab, {"require_mount": True}) as arguments:
        run = backup(lab, "--limit", "web1", *arguments)
    assert_told(run, web1=("not_mounted", "nothing is mounted at /srv/backup: mount the dataset"))


def test_old_archives_are_intact(lab: Lab, before: Run) -> None:
    """Runs last in this file: what was there before all faults can still be read to its last byte."""
    for name in GOOD:
        old = before.client(name)["archive"]["name"]
        with opened(lab, name):
            began = time.monotonic()
            archives = json.loads(lab.read(name, "paranoid-backup-borg", "list", "--json"))["archives"]
            assert old in [archive["name"] for archive in archives], name
            lab.read(name, "paranoid-backup-borg", "check", "--archives-only", "--verify-data")
            print(f"{name}: {len(archives)} archives verified in {time.monotonic() - began:.1f} s")
