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
from dispatched import BIN, needs_borg
from owner_files import needs_root
from paranoid_dispatcher.owner_hooks import NAME
from tool import ROOT

EXAMPLES = ROOT / "docs/examples/hooks.d"
# Service managers and volume managers as far as the examples use them; whatever else they are asked is an error.
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
    "lvcreate": """
test "$*" = "--quiet --snapshot --size 2G --name paranoid-backup {top}/data/srv" && touch {top}/data/paranoid-backup""",
    "lvremove": """
test "$*" = "--yes --quiet {top}/data/paranoid-backup" && test ! -e {top}/mounted && rm {top}/data/paranoid-backup""",
    "zfs": """
case $* in
    "list -H -t snapshot tank/srv@paranoid-backup") test -e {top}/data/paranoid-backup ;;
    "snapshot tank/srv@paranoid-backup") touch {top}/data/paranoid-backup ;;
    "destroy tank/srv@paranoid-backup") test ! -e {top}/mounted && rm {top}/data/paranoid-backup ;;
    *) echo "zfs $*" >&2; exit 64 ;;
esac""",
    "mount": """
echo "mount $*" >>{top}/mounts; test -e {top}/data/paranoid-backup && touch {top}/mounted""",
    "umount": """test "$*" = {top}/mnt && rm {top}/mounted""",
    "mountpoint": """test "$*" = "-q {top}/mnt" && test -e {top}/mounted""",
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
            (path / "bin" / program).write_text("#!/bin/sh\n" + script.replace("{top}", str(path)) + "\n")
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


@pytest.mark.parametrize(
    ("name", "variables", "mounted"),
    [
        ("20-snapshot-lvm", ("VOLUME",), "mount -o ro,noload {top}/data/paranoid-backup {top}/mnt"),
        ("20-snapshot-zfs", (), "mount -t zfs tank/srv@paranoid-backup {top}/mnt"),
    ],
)
def test_snapshots_that_only_stand_ins_have_seen(
    tmp_path: Path, name: str, variables: tuple[str, ...], mounted: str
) -> None:
    """Neither LVM nor ZFS is here; what is shown is the order of the commands, also after a backup that was killed."""
    (tmp_path / "data").mkdir()
    more = dict.fromkeys(variables, tmp_path / "data/srv")
    hook, snapshot = Example(tmp_path, name, MOUNT=tmp_path / "mnt", **more), tmp_path / "data/paranoid-backup"
    for states in (("pre",), ("pre", "inspect")):
        assert [hook("backup", state) for state in states] == [0] * len(states)
        assert snapshot.exists() and (tmp_path / "mounted").exists()
    assert [hook("backup", state) for state in ("error", "post", "post")] == [0, 0, 0]
    assert not snapshot.exists() and not (tmp_path / "mounted").exists()
    lines = (tmp_path / "mounts").read_text().splitlines()
    assert lines == [mounted.format(top=tmp_path)] * 2
    assert [hook("restore", state) for state in ("pre", "post")] == [0, 0] and not snapshot.exists()


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of btrfs, in a file."""
    if not shutil.which("mkfs.btrfs"):
        pytest.skip("NOT TESTED: no mkfs.btrfs (btrfs-progs)")
    place = tmp_path / "volume"
    place.mkdir()
    with (tmp_path / "image").open("wb") as handle:
        handle.truncate(128 * 2**20)
    subprocess.run(["mkfs.btrfs", "-q", tmp_path / "image"], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", tmp_path / "image", place], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: btrfs cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@needs_root
@needs_borg
def test_a_snapshot_of_btrfs_is_of_one_moment_and_borg_knows_its_files_again(tmp_path: Path, volume: Path) -> None:
    """The status U of a file says that Borg did not read it again (borg create, "Item flags")."""
    snapshot = volume / ".snapshot"
    hook = Example(tmp_path, "20-snapshot-btrfs", SUBVOLUME=volume, SNAPSHOT=snapshot)
    (tmp_path / "bin/mount").unlink()
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
