# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks in docs/examples/hooks.d do what they say, twice in a row and after they were cut off."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from btrfs_volume import btrfs_volume
from dispatched import BIN, needs_borg
from owner_files import needs_root
from paranoid_dispatcher.owner_hooks import NAME
from tool import ROOT
from zfs_fuse import missing, zfs_fuse

EXAMPLES = ROOT / "docs/examples/hooks.d"
# Programs as far as the examples use them; whatever else they are asked is an error.
PROGRAMS = {
    "systemctl": """
state=${0%/*}/running
case $* in
    "--quiet is-active shop.service") test -e "$state" ;;
    "stop shop.service") rm "$state" ;;
    "start shop.service") touch "$state" ;;
    *) echo "systemctl $*" >&2; exit 64 ;;
esac""",
    "slapcat": """
test "$*" = "-n 1" || exit 64
cat "${0%/*}/database" """,
}


class Example:
    """One of the examples, for the paths of a test."""

    def __init__(self, path: Path, name: str, **variables: str | Path) -> None:
        text = (EXAMPLES / name).read_text()
        for variable, value in variables.items():
            text, found = re.subn(rf"^{variable}=.*$", f"{variable}={value}", text, flags=re.MULTILINE)
            assert found == 1, f"{name} sets no {variable}"
        self.top, self.program = path, path / name
        self.program.write_text(text)
        self.program.chmod(0o755)
        (path / "bin").mkdir()
        for program, script in PROGRAMS.items():
            (path / "bin" / program).write_text(f"#!/bin/sh\n{script}\n")
            (path / "bin" / program).chmod(0o755)

    def __call__(self, *words: str) -> int:
        """Run it as the dispatcher does."""
        environment = {"PATH": f"{self.top}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        return subprocess.run([self.program, *words], env=environment, umask=0o077, check=False).returncode


def test_each_example_would_be_run() -> None:
    names = sorted(path.name for path in EXAMPLES.iterdir())
    assert len(names) == 5 and all(NAME.fullmatch(name) and os.access(EXAMPLES / name, os.X_OK) for name in names)


@pytest.mark.parametrize("operation", ["backup", "restore"])
def test_a_service_stands_still_meanwhile(tmp_path: Path, operation: str) -> None:
    hook, running = Example(tmp_path, "10-service", MARK=tmp_path / "mark"), tmp_path / "bin/running"
    running.touch()
    assert [hook(operation, state) for state in ("pre", "inspect")] == [0, 0] and not running.exists()
    assert [hook(operation, state) for state in ("error", "post", "post")] == [0, 0, 0] and running.exists()


def test_a_service_that_was_stopped_stays_so_and_one_that_a_killed_backup_stopped_comes_back(tmp_path: Path) -> None:
    hook, running = Example(tmp_path, "10-service", MARK=tmp_path / "mark"), tmp_path / "bin/running"
    assert [hook("backup", state) for state in ("pre", "post")] == [0, 0] and not running.exists()
    running.touch()
    assert [hook("backup", state) for state in ("pre", "pre", "post")] == [0, 0, 0] and running.exists()


def test_a_dump_is_whole_and_private_or_stops_the_backup(tmp_path: Path) -> None:
    dumps, database = tmp_path / "dumps", tmp_path / "bin/database"
    hook = Example(tmp_path, "30-dump", DUMPS=dumps)
    database.write_text("dn: dc=example\n")
    assert hook("backup", "pre") == 0 and (dumps / "ldap").read_text() == "dn: dc=example\n"
    assert (dumps.stat().st_mode & 0o777, (dumps / "ldap").stat().st_mode & 0o777) == (0o700, 0o600)
    for broken in ("", None):  # An empty dump, and none at all; the older one is not taken for either.
        database.write_text(broken) if broken is not None else database.unlink()
        assert hook("backup", "pre") != 0 and not (dumps / "ldap").exists()
    assert [hook("restore", "pre"), hook("backup", "error"), hook("backup", "post")] == [0, 0, 0]
    assert list(dumps.iterdir()) == []


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of btrfs."""
    with btrfs_volume(tmp_path) as place:
        yield place


# What a backup does with a snapshot, twice: first it is killed, and later ends well. Borg trusts no time that is the
# newest of all, and some file systems count whole seconds.
TWO_NIGHTS = """
exec 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export TMPDIR=$WORK BORG_BASE_DIR=$WORK BORG_REPO=$WORK/repo BORG_SELFTEST=disabled
$BORG init -e none
echo first >$LIVE/file && sleep 1.1
echo 'Borg does not trust the newest time of all' >$LIVE/newer
for night in one two; do
    $HOOK backup pre && $HOOK backup inspect || echo "FAILED before night $night"
    echo "changed in night $night" >$LIVE/newer
    echo "saved: $(cat $SNAPSHOT/newer)"
    $BORG create --list ::$night $SNAPSHOT/file $SNAPSHOT/newer
done
for state in error post post; do $HOOK backup $state || echo "FAILED at $state"; done
$HOOK restore pre && $HOOK restore post && ls -A $SNAPSHOT && echo "left: $(ls -A $SNAPSHOT)"
"""


def assert_two_nights(said: str, snapshot: str) -> None:
    """Assert that each night saw its own moment, and that Borg knew the file that had not changed, by its path."""
    lines = said.splitlines()
    assert "FAILED" not in said, said
    saved = [line for line in lines if line.startswith("saved: ")]
    assert saved == ["saved: Borg does not trust the newest time of all", "saved: changed in night one"], said
    assert [line for line in lines if line.endswith(f"{snapshot}/file")] == [
        f"A {snapshot}/file",
        f"U {snapshot}/file",
    ], said
    assert "left: " in lines, said


@needs_root
@needs_borg
@pytest.mark.skipif(bool(missing()), reason=f"NOT TESTED: {missing()}")
def test_a_snapshot_of_zfs_is_of_one_moment_and_borg_knows_its_files_again(tmp_path: Path) -> None:
    live, snapshot = tmp_path / "live", tmp_path / "snapshot"
    hook = Example(tmp_path, "20-snapshot-zfs", MOUNT=snapshot)
    words = {"WORK": tmp_path, "LIVE": live, "SNAPSHOT": snapshot, "BORG": BIN / "borg", "HOOK": hook.program}
    with zfs_fuse(tmp_path) as host:
        host.make_pool("tank", disks=("a",))
        host.read("zfs", "create", "-o", f"mountpoint={live}", "tank/srv")
        setting = [f"{name}={value}" for name, value in words.items()]
        said = host.read("env", *setting, "sh", "-c", TWO_NIGHTS)
        assert_two_nights(said, str(snapshot))
        assert host.read("zfs", "list", "-H", "-o", "name", "-t", "all").split() == ["tank", "tank/srv"]


# A kernel of our own as a process: it has the device mapper, and this machine's files, which it only reads.
LINUX, MODULES = Path("/usr/bin/linux.uml"), Path("/usr/lib/uml/modules")
BOOT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mount -t tmpfs mnt /mnt
exec >/dev/console 2>&1 </dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LVM_SYSTEM_DIR=/run
mkdir -p /run/lib /mnt/live && ln -s {modules} /run/lib/modules
for module in loop dm-mod dm-snapshot ext4; do modprobe -d /run $module; done
echo 'activation {{ udev_sync=0 udev_rules=0 }} devices {{ use_devicesfile=0 }}' >/run/lvm.conf
truncate -s 160M /mnt/disk && losetup /dev/loop0 /mnt/disk
pvcreate -q /dev/loop0 && vgcreate -q data /dev/loop0 && lvcreate -q -y -L 64M -n srv data
mkfs.ext4 -q /dev/data/srv && mount /dev/data/srv /mnt/live
{work}
echo "volumes: $(lvs --noheadings -o name data | xargs)"
poweroff -f
"""


@needs_root
@needs_borg
@pytest.mark.skipif(
    not (LINUX.exists() and shutil.which("lvcreate") and shutil.which("modprobe")),
    reason="NOT TESTED: a kernel with the device mapper (user-mode-linux, lvm2, kmod)",
)
def test_a_snapshot_of_lvm_is_of_one_moment_and_borg_knows_its_files_again(tmp_path: Path) -> None:
    hook = Example(tmp_path, "20-snapshot-lvm", MOUNT="/mnt/snapshot", SIZE="16M")
    words = {
        "WORK": "/mnt",
        "LIVE": "/mnt/live",
        "SNAPSHOT": "/mnt/snapshot",
        "BORG": BIN / "borg",
        "HOOK": hook.program,
    }
    setting = "\n".join(f"{name}={value}" for name, value in words.items())
    (tmp_path / "init").write_text(BOOT.format(modules=MODULES, work=f"{setting}\n{TWO_NIGHTS}"))
    (tmp_path / "init").chmod(0o755)
    argv: list[str | Path] = [
        LINUX,
        "mem=384M",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        f"init={tmp_path}/init",
        "quiet",
    ]
    argv += ["con=null", "con0=fd:0,fd:1"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout.replace("\r\n", "\n")
    assert_two_nights(said, "/mnt/snapshot")
    assert "\nvolumes: srv\n" in said, said


@needs_root
@needs_borg
def test_a_snapshot_of_btrfs_is_of_one_moment_and_borg_knows_its_files_again(tmp_path: Path, volume: Path) -> None:
    """The status U of a file says that Borg did not read it again (borg create, "Item flags")."""
    snapshot = volume / ".snapshot"
    hook = Example(tmp_path, "20-snapshot-btrfs", SUBVOLUME=volume, SNAPSHOT=snapshot)
    (volume / "file").write_text("first")
    os.utime(volume / "file", ns=(10**18, 10**18))
    (volume / "newer").write_text("Borg does not trust the newest time of all")
    borg = {"PATH": "/usr/bin:/bin", "BORG_BASE_DIR": str(tmp_path), "BORG_REPO": str(tmp_path / "repo")}
    subprocess.run([BIN / "borg", "init", "-e", "none"], env=borg, check=True, capture_output=True)
    seen = []
    for name in ("::one", "::two"):
        assert [hook("backup", state) for state in ("pre", "inspect")] == [0, 0]
        (volume / "newer").write_text("changed meanwhile")
        assert (snapshot / "newer").read_text() != "changed meanwhile" or name == "::two"
        command: list[str | Path] = [BIN / "borg", "create", "--list", name, snapshot / "file", snapshot / "newer"]
        seen.append(subprocess.run(command, env=borg, check=True, capture_output=True, text=True).stderr)
        if name == "::two":
            assert [hook("backup", state) for state in ("error", "post", "post")] == [0, 0, 0]
    assert f"A {snapshot}/file\n" in seen[0]
    assert f"U {snapshot}/file\n" in seen[1]
    assert not snapshot.exists()
