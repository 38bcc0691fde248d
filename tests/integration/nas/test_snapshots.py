# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and copies as the NAS's own program makes them, on real pools."""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tool import ROOT
from waiting import wait_until
from zfs_fuse import ZfsHost, missing, zfs_fuse

PROGRAM = ROOT / "roles/backup_nas/files/lib"
CLIENT = "here/backup/web1"

# What the source's sshd runs for the copy; once it has `cut`, the connection is gone in the middle of a stream.
FORCED = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
"zfs send"*/web1@*) [ -e {folder}/cut ] && {{ $SSH_ORIGINAL_COMMAND | head -c 300000; kill -9 $PPID; }} ;;
esac
exec $SSH_ORIGINAL_COMMAND
"""
SSHD = """HostKey {folder}/id
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PidFile none
"""

pytestmark = pytest.mark.skipif(missing() != "", reason=f"NOT TESTED: {missing()}")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZfsHost]:
    """A pool with a client's dataset, and a second pool."""
    with zfs_fuse(tmp_path_factory.mktemp("zfs")) as running:
        running.make_pool("here")
        running.make_pool("there", disks=("c",))
        running.read("zfs", "create", "-o", f"mountpoint={running.folder}/srv", "here/backup")
        running.read("zfs", "create", CLIENT)
        yield running


def program(host: ZfsHost, *words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    copies = [{"dataset": "there/copy", "source": "here/backup", "hold_days": 30}]
    config = {"schema": 1, "dataset": "here/backup", "hold_days": 0, "copies": copies, **settings}
    path = host.folder / "nas.json"
    path.write_text(json.dumps(config))
    return host.run(sys.executable, "-I", PROGRAM, "--config", path, *words)


def well(done: subprocess.CompletedProcess[str]) -> str:
    """What a run said that went well."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def names(host: ZfsHost, dataset: str) -> list[str]:
    """Names of a dataset's snapshots, oldest first."""
    out = host.read("zfs", "list", "-H", "-t", "snapshot", "-o", "name", "-s", "creation", "-r", dataset).split()
    return [name.partition("@")[2] for name in out if name.startswith(f"{dataset}@")]


def take_older(host: ZfsHost, days: int) -> str:
    """Take a snapshot under a name of days ago, as the program would have; ZFS itself says when it was made."""
    name = f"paranoid-{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}-daily"
    host.read("zfs", "snapshot", "-r", f"here/backup@{name}")
    return name


def test_what_the_server_wipes_comes_back_from_a_snapshot(host: ZfsHost) -> None:
    """Taken once a day, held, and shown beside the repository; another's files are never destroyed for it."""
    (data := b"history" * 1000)
    host.read(
        "sh", "-c", f"mkdir {host.folder}/srv/web1/repo && printf '{data.decode()}' >{host.folder}/srv/web1/repo/0"
    )
    assert "took here/backup@paranoid-" in well(program(host, "snapshot"))
    assert well(program(host, "snapshot")) == "", "one a day"
    (name,) = names(host, CLIENT)
    refused = host.run("zfs", "destroy", f"{CLIENT}@{name}")
    assert refused.returncode == 1 and "busy" in refused.stderr
    host.read("sh", "-c", f"rm -r {host.folder}/srv/web1/repo")
    place = well(program(host, "expose", "web1", name)).strip()
    assert place == f"{host.folder}/srv/web1/snapshot/repo"
    assert host.read("cat", f"{place}/0").encode() == data
    assert host.run("touch", f"{place}/0").returncode != 0, "read-only"
    assert well(program(host, "expose", "web1", name)).strip() == place, "once more"
    assert "took" in well(program(host, "snapshot", "--reason", "maintenance")), "while it is shown"
    well(program(host, "conceal", "web1"))
    well(program(host, "conceal", "web1"))
    assert host.run("ls", place).returncode != 0 and host.run("zfs", "list", CLIENT).returncode == 0
    missing = program(host, "expose", "web1", "paranoid-20200101T000000Z-daily")
    assert missing.returncode == 1 and name in missing.stderr and missing.stderr.count("\n") == 1
    victim = host.folder / "victim"
    host.read("sh", "-c", f"mkdir {victim}; rmdir {host.folder}/srv/web1/snapshot")
    host.read("ln", "-s", victim, f"{host.folder}/srv/web1/snapshot")
    link = program(host, "expose", "web1", name)
    assert link.returncode == 1 and "no empty directory" in link.stderr, "root of the server has put a link there"
    assert host.read("ls", victim) == "" and str(victim) not in host.read("cat", "/proc/mounts")
    host.read("sh", "-c", f"rm {host.folder}/srv/web1/snapshot; touch {host.folder}/srv/web1/x")
    host.read("zfs", "create", "here/backup-restore-web1")
    assert "stays" in program(host, "conceal", "web1").stderr
    host.read("zfs", "destroy", "here/backup-restore-web1")


def test_a_pool_that_was_imported_below_a_directory_shows_it_there(host: ZfsHost) -> None:
    """As every pool of a TrueNAS is, below /mnt."""
    host.make_pool("nas", disks=("a",))
    host.read("zpool", "export", "nas")
    host.read("zpool", "import", "-d", host.folder, "-R", host.folder / "mnt", "nas")
    host.read("zfs", "create", "-o", "mountpoint=/nas/backup", "nas/backup")
    host.read("zfs", "create", "nas/backup/web1")
    place = host.folder / "mnt/nas/backup/web1"
    host.read("sh", "-c", f"mkdir {place}/repo && echo one >{place}/repo/0")
    config = {"dataset": "nas/backup", "copies": [], "hold_days": 30}
    well(program(host, "snapshot", **config))
    (name,) = names(host, "nas/backup/web1")
    shown = well(program(host, "expose", "web1", name, **config)).strip()
    assert shown == f"{place}/snapshot/repo" and host.read("cat", f"{shown}/0") == "one\n"
    well(program(host, "conceal", "web1", **config))
    host.read("zfs", "unmount", "nas/backup/web1")
    assert "is not mounted" in program(host, "expose", "web1", name, **config).stderr, "or is locked"
    host.read("zpool", "export", "nas")


def test_only_what_has_had_its_time_goes(host: ZfsHost) -> None:
    """With a hold of no days three stay; what others took or hold stays too."""
    host.read("zfs", "snapshot", f"{CLIENT}@by-hand")
    for _number in range(3):
        well(program(host, "snapshot", "--reason", "manual", hold_days=30))
    before = [name for name in names(host, CLIENT) if name != "by-hand"]
    host.read("zfs", "hold", "someone", f"{CLIENT}@{before[0]}")
    host.read("sleep", "1.1")  # A hold of no days has ended a second later.
    well(program(host, "snapshot", hold_days=0))
    left = [name for name in names(host, CLIENT) if name != "by-hand"]
    assert left == [before[0], *before[-3:]] and "by-hand" in names(host, CLIENT)
    host.read("zfs", "release", "someone", f"{CLIENT}@{before[0]}")
    cut_off = take_older(host, 1)
    well(program(host, "snapshot", hold_days=30))
    assert host.properties(f"{CLIENT}@{cut_off}", "userrefs") == ["1"], "a run that was killed before it held"
    host.read("zfs", "destroy", f"{CLIENT}@by-hand")


def test_a_copy_keeps_what_the_source_lost(host: ZfsHost) -> None:
    """Incremental, never by force, from any snapshot that both have; restored from there byte for byte."""
    host.read("sh", "-c", f"mkdir -p {host.folder}/srv/web1/repo && echo one >{host.folder}/srv/web1/repo/0")
    well(program(host, "snapshot", "--reason", "manual", hold_days=30))
    assert "copied" in well(program(host, "copy", hold_days=30))
    assert names(host, "there/copy/web1") == names(host, CLIENT), "all of them"
    assert names(host, "there/copy/_server") == names(host, "here/backup"), "what a lost server is made again from"
    assert well(program(host, "copy", hold_days=30)) == "", "nothing new"
    first = names(host, CLIENT)
    host.read("sleep", "1.1")
    host.read("sh", "-c", f"echo two >{host.folder}/srv/web1/repo/0")
    well(program(host, "snapshot", "--reason", "manual", hold_days=30))
    for name in first[:-1]:
        held = int(host.properties(f"{CLIENT}@{name}", "userrefs")[0])
        assert held == 1, "only the newest common one is held for the copy"
        host.read("zfs", "release", "paranoid-backup", f"{CLIENT}@{name}")
        host.read("zfs", "destroy", f"{CLIENT}@{name}")
    well(program(host, "copy", hold_days=30))
    assert set(first) < set(names(host, "there/copy/web1")), "deletions at the source do not reach the copy"
    refused = host.run("zfs", "destroy", f"there/copy/web1@{first[0]}")
    assert "busy" in refused.stderr, "the copy holds its own"
    host.read("zfs", "clone", "-o", f"mountpoint={host.folder}/back", f"there/copy/web1@{first[-1]}", "there/back")
    assert host.read("cat", f"{host.folder}/back/repo/0") == "one\n"


def test_a_copy_that_cannot_go_on_says_so(host: ZfsHost) -> None:
    host.read("zfs", "create", "there/other")
    other = [{"dataset": "there/other", "source": "here/backup", "hold_days": 0}]
    said = program(host, "copy", copies=other, hold_days=30)
    assert said.returncode == 1 and "is no copy of here/backup" in said.stderr
    gone = [{"dataset": "nosuch/copy", "source": "here/backup", "hold_days": 0, "removable": True}]
    assert well(program(host, "copy", copies=gone)) == "nosuch is not plugged in\n"
    gone[0]["removable"] = False
    assert "no such pool" in program(host, "copy", copies=gone).stderr
    host.read("zpool", "export", "there")
    removable = [{"dataset": "there/copy", "source": "here/backup", "hold_days": 30, "removable": True}]
    said = program(host, "copy", copies=removable, hold_days=30)
    assert "not plugged in" in said.stdout or said.returncode == 0
    host.run("zpool", "import", "-d", host.folder, "there")


def test_the_state_is_measured(host: ZfsHost) -> None:
    healthy = json.loads(well(program(host, "status")))
    assert healthy["newest"]["here/backup"][CLIENT] and healthy["problems"] == []
    assert healthy["newest"]["there/copy"].keys() == {"there/copy/web1", "there/copy/_server"}
    assert healthy["ages"]["scrub"] is None and 0 <= healthy["ages"]["snapshot"] <= healthy["ages"]["copy"] < 3600
    pool = healthy["pools"]["here"]
    assert pool["capacity"].endswith("%") and 0 < pool["used"] < pool["size"] and pool["full_in_days"] is None
    assert [disk["healthy"] for disk in pool["disks"]] == [None, None] and len(healthy["unknown"]) == 2
    host.read("zpool", "scrub", "here")
    until = time.monotonic() + 60
    while "in progress" in host.read("zpool", "status", "here"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert "scrub" not in program(host, "daily", hold_days=30).stderr
    (seen,) = host.folder.glob("*.seen")
    assert json.loads(seen.read_text()).keys() == {"schema", "samples", "scrubs", "copies", "attempts"}
    assert json.loads(seen.read_text())["scrubs"].keys() == {"here"}, "there was none of the other"
    host.read("zpool", "offline", "here", host.folder / "here-b")
    worse = program(host, "status")
    assert worse.returncode == 1 and "pool here is DEGRADED" in worse.stderr
    host.read("zpool", "online", "here", host.folder / "here-b")
    host.read("zfs", "create", "here/backup/new1")
    new = json.loads(well(program(host, "status")))
    assert new["first_due"].keys() == {"here/backup/new1", "there/copy/new1"} and new["ages"]["snapshot"] is not None
    assert [line.partition(" due ")[0] for line in new["remarks"]] == ["first snapshot", "first copy"]
    assert "took" in well(program(host, "snapshot", hold_days=30)), "it waits for no other day"
    assert well(program(host, "snapshot", hold_days=30)) == ""


def test_a_disk_that_is_not_plugged_in_is_remembered(host: ZfsHost) -> None:
    """What came to it last, of each dataset of the source; nothing is imported to look."""
    removable = [{"dataset": "there/copy", "source": "here/backup", "hold_days": 30, "removable": True}]
    lock = f"nas.json.copy-{hashlib.sha256(b'there/copy').hexdigest()[:8]}.lock"
    with (host.folder / lock).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert program(host, "copy").stderr == "another run is at work on there/copy: let it finish\n"
        said = well(program(host, "snapshot", "--reason", "maintenance", hold_days=30))
        assert "-maintenance" in said, "a copy that takes hours delays no maintenance"
    host.run("zfs", "destroy", "here/backup/new1")
    said = well(program(host, "copy", copies=[{**removable[0], "hold_days": 0}], hold_days=30))
    assert "let there/copy/web1@" in said, "while it is plugged in"
    assert "there" not in host.read("zpool", "list", "-H", "-o", "name").split()
    away = json.loads(well(program(host, "status", copies=removable)))
    assert away["newest"]["there/copy"][f"there/copy/{CLIENT[12:]}"] and away["pools"].keys() == {"here"}
    removable[0]["late_days"] = 1
    (seen,) = host.folder.glob("*.seen")
    old = json.loads(seen.read_text())
    old["copies"]["there/copy"] = {"there/copy/web1": int(time.time()) - 3 * 86400}
    seen.write_text(json.dumps(old))
    late = program(host, "status", copies=removable)
    assert late.returncode == 1 and late.stderr == "copies of there/copy/web1: the newest is 3.0 days old\n"
    seen.unlink()
    assert "copies of there/copy: there is none" in program(host, "status", copies=removable).stderr
    host.run("zpool", "import", "-d", host.folder, "there")


# A way to a source that hangs while it lives, as an ssh does whose other side hangs: in what it says, in `zfs send`
# after some bytes, or in nothing. It goes on, and fails, when `hang` is gone. One that drips sends ten bytes a second.
HANGING = """#!/bin/sh
hang() {{ while [ -e {folder}/hang ]; do sleep 0.1; done; exit 7; }}
kind=$1; shift
[ -e {folder}/hang ] || exec "$@"
case "$kind $*" in
"deaf "*) hang ;;
"stuck zfs send"*/web1@*) "$@" | {{ head -c 2000; hang; }} ;;
"drip zfs send"*/web1@*) "$@" | {{ head -c 2000; while [ -e {folder}/hang ]; do head -c 1; sleep 0.1; done; }} ;;
*) exec "$@" ;;
esac
"""
# The program, with days of a second in which a copy is at work.
OFTEN = f"""import sys
sys.path.insert(0, "{PROGRAM}")
from paranoid_nas import copying, main
copying.AGAIN = 1.0
sys.exit(main.main(sys.argv[1:]))
"""


def hanging(host: ZfsHost, *kinds: str) -> list[dict[str, Any]]:
    """Copies of here/backup over such ways."""
    (host.folder / "way").write_text(HANGING.format(folder=host.folder))
    (host.folder / "hang").touch()
    common = {"source": "here/backup", "hold_days": 30}
    command = ["sh", f"{host.folder}/way"]
    return [{**common, "dataset": f"there/{kind}", "source_command": [*command, kind]} for kind in kinds]


def test_what_hangs_is_given_up_and_the_next_copy_is_made(host: ZfsHost) -> None:
    """When a source says nothing, and when a stream stops in the middle; nothing half-done is left."""
    copies = hanging(host, "deaf", "stuck", "fine")
    done = program(host, "copy", copies=copies, hold_days=30, patience_minutes=0.25)
    (host.folder / "hang").unlink()
    deaf, stuck = done.stderr.splitlines()
    assert done.returncode == 1 and deaf.startswith("zfs get here/backup: no answer in time"), done
    assert stuck.startswith(f"zfs send {CLIENT}@") and "it hangs, and sent nothing for" in stuck, done
    assert stuck.endswith(", after 2000 bytes"), done
    assert names(host, "there/fine/web1") == names(host, CLIENT)
    assert "here/backup" in json.loads(program(host, "status", copies=copies).stdout)["problems"][0]
    assert host.run("zfs", "list", "there/stuck/web1").returncode != 0
    well(program(host, "copy", copies=copies, hold_days=30))
    assert names(host, "there/stuck/web1") == names(host, CLIENT)


def test_a_copy_that_hangs_delays_no_snapshot_and_no_rollback(host: ZfsHost) -> None:
    """While it hangs all else goes on; the next run brings what it did not, and until then its failure is told."""
    copies = hanging(host, "deaf")
    command = host.inside(sys.executable, "-I", PROGRAM, "--config", host.folder / "nas.json", "daily")
    well(program(host, "snapshot", copies=copies, hold_days=30))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as yesterday:
        try:
            assert wait_until(
                lambda: "at work since" in str(json.loads(program(host, "status", copies=copies).stdout)["remarks"])
            )
            host.read("zfs", "create", "here/backup/new2")
            assert "took here/backup@" in well(program(host, "snapshot", copies=copies, hold_days=30))
            host.read("zfs", "create", "here/backup/new3")
            today = program(host, "daily", copies=copies, hold_days=30)
            assert "took here/backup@" in today.stdout and (today.returncode, today.stderr) == (0, "")
            assert "another run is at work on there/deaf: let it finish\n" in today.stdout
            assert "-maintenance" in well(program(host, "snapshot", "--reason", "maintenance", hold_days=30))
            well(program(host, "expose", "web1", names(host, CLIENT)[-1]))
            well(program(host, "conceal", "web1"))
            assert yesterday.poll() is None
        finally:
            (host.folder / "hang").unlink()
        said = yesterday.communicate(timeout=60)[1]
    assert yesterday.returncode == 1 and said == "zfs get here/backup: it failed and said nothing\n"
    told = program(host, "status", copies=copies).stderr
    assert f"copies of there/deaf: the last run failed: {said}" in told
    assert "to there/deaf/web1" in well(program(host, "copy", copies=copies, hold_days=30))
    after = program(host, "status", copies=copies)
    assert "failed" not in after.stderr and "at work" not in after.stdout


def test_a_source_that_drips_keeps_no_other_copy_waiting(host: ZfsHost) -> None:
    """It is never silent, so nobody ends it: the others are made beside it, also anew, until a person ends it."""
    copies = hanging(host, "drip", "beside")

    def arrived() -> bool:
        there = host.run("zfs", "list", "there/beside/web1").returncode == 0
        return there and names(host, "there/beside/web1") == names(host, CLIENT)

    well(program(host, "snapshot", "--reason", "manual", copies=copies, hold_days=30))
    command = host.inside(sys.executable, "-I", "-c", OFTEN, "--config", host.folder / "nas.json", "daily")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as slow:
        try:
            assert wait_until(arrived), "at the same time"
            well(program(host, "snapshot", "--reason", "manual", copies=copies, hold_days=30))
            assert wait_until(arrived), "and once more"
            said = program(host, "copy", copies=copies, hold_days=30)
            assert said.returncode == 1 and "another run is at work on there/drip: let it finish\n" in said.stderr
            told = json.loads(program(host, "status", copies=copies).stdout)["remarks"]
            assert any(line.startswith("copies of there/drip: at work since") for line in told)
            assert slow.poll() is None
        finally:
            slow.send_signal(signal.SIGINT)
    assert slow.returncode == 128 + signal.SIGINT
    assert wait_until(lambda: host.run("pgrep", "-f", f"{host.folder}/way drip").returncode == 1), "with all of it"
    (host.folder / "hang").unlink()
    well(program(host, "copy", copies=copies, hold_days=30))
    assert names(host, "there/drip/web1") == names(host, CLIENT)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZfsHost]:
    """Another NAS, with a client's dataset, a file in it, and a key that may only come for its snapshots."""
    with zfs_fuse(tmp_path_factory.mktemp("away")) as running:
        folder = running.folder
        running.make_pool("away", disks=("d",))
        running.read("zfs", "create", "-o", f"mountpoint={folder}/srv", "away/backup")
        running.read("zfs", "create", "away/backup/web1")
        running.read("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/id")
        (folder / "forced").write_text(FORCED.format(folder=folder))
        (folder / "forced").chmod(0o755)
        public = (folder / "id.pub").read_text()
        (folder / "authorized").write_text(f'restrict,command="{folder}/forced" {public}')
        (folder / "known").write_text(f"nas1 {public}")
        (folder / "sshd_config").write_text(SSHD.format(folder=folder))
        running.read("mkdir", "-p", "/run/sshd")
        yield running


def ssh_to(host: ZfsHost) -> list[str]:
    """Return a command that comes there by a real ssh and sshd, without a port that others could have taken."""
    serve = " ".join(host.inside("/usr/sbin/sshd", "-i", "-f", f"{host.folder}/sshd_config"))
    known = f"UserKnownHostsFile={host.folder}/known"
    options = [f"ProxyCommand={serve}", f"IdentityFile={host.folder}/id", known, "StrictHostKeyChecking=yes"]
    return ["ssh", "-F", "none", *(word for one in options for word in ("-o", one)), "root@nas1"]


def test_a_copy_fetches_by_ssh_and_outlives_what_its_source_lost(host: ZfsHost, away: ZfsHost) -> None:
    """Cut in the middle of a first and of a later stream, and wiped at the source, whose root owns all of its holds."""
    copies = [{"dataset": "there/offsite", "source": "away/backup", "source_command": ssh_to(away), "hold_days": 30}]

    def write(words: str) -> None:
        away.read("sh", "-c", f"head -c 600000 /dev/urandom >{away.folder}/srv/web1/more; echo {words} >srv/web1/0")
        well(program(away, "snapshot", "--reason", "manual", dataset="away/backup", copies=[], hold_days=30))

    def cut() -> None:
        (away.folder / "cut").touch()
        said = program(host, "copy", copies=copies, hold_days=30)
        assert said.returncode == 1 and said.stderr.count("\n") == 1, said.stderr
        assert re.match("zfs recv there/offsite/web1: .+; .+", said.stderr), "and what ssh said of it"
        (away.folder / "cut").unlink()

    write("one")
    cut()
    assert host.run("zfs", "list", "there/offsite/web1").returncode != 0, "nothing half-done"
    write("two")
    said = well(program(host, "copy", copies=copies, hold_days=30))
    came = names(host, "there/offsite/web1")
    assert said.count("to there/offsite/web1\n") == 2 and came == names(away, "away/backup/web1")
    assert host.properties(f"there/offsite/web1@{came[0]}", "userrefs") == ["1"]
    write("three")
    cut()
    assert names(host, "there/offsite/web1") == came
    away.read("zfs", "release", "paranoid-backup", f"away/backup/web1@{came[0]}")
    away.read("zfs", "destroy", f"away/backup/web1@{came[0]}")
    write("four")
    assert "copied" in well(program(host, "copy", copies=copies, hold_days=30))
    assert names(host, "there/offsite/web1") == came + names(away, "away/backup/web1")[1:] and len(came) == 2
    host.read("sleep", "1.1")  # A hold of no days has ended a second later.
    ended = [{**copies[0], "hold_days": 0}]
    said = well(program(host, "copy", copies=ended, hold_days=30))
    assert f"let there/offsite/web1@{came[0]} go" in said, "its own hold ended"
    assert len(names(host, "there/offsite/web1")) == 3
    nobody = [{**copies[0], "source_command": ["ssh", "-F", "none", "-o", "ProxyCommand=false", "root@nas1"]}]
    silent = program(host, "copy", copies=nobody, hold_days=30)
    assert silent.returncode == 1 and re.fullmatch("zfs get away/backup: .+\n", silent.stderr), silent.stderr
