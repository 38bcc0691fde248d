# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS with btrfs: subvolumes by the role, snapshots by its program, on a real file system."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from btrfs_volume import btrfs_volume
from tool import ROOT

PROGRAM = ROOT / "roles/backup_nas/files/lib"


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    with btrfs_volume(tmp_path) as place:
        yield place


@pytest.fixture
def root(volume: Path) -> Path:
    """A subvolume with one of a client in it, which has a repository."""
    for name in ("backup", "backup/web1"):
        subprocess.run(["btrfs", "subvolume", "create", volume / name], check=True, capture_output=True)
    (volume / "backup/web1/repo").mkdir()
    (volume / "backup/web1/repo/0").write_text("history")
    return volume / "backup"


def program(root: Path, *words: str, hold_days: int = 2) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    config = {"schema": 1, "storage": "btrfs", "dataset": str(root), "hold_days": hold_days, "copies": []}
    path = root.parent.parent / "nas.json"
    path.write_text(json.dumps(config))
    argv: list[str | Path] = [sys.executable, "-I", PROGRAM, "--config", path, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def well(done: subprocess.CompletedProcess[str]) -> str:
    """What a run said that went well."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def kept(root: Path, client: str = "web1") -> list[str]:
    """Names of a client's snapshots, oldest first."""
    place = root.parent / "backup-snapshots" / client
    return sorted(os.listdir(place)) if place.exists() else []


def test_what_the_server_wipes_comes_back_from_a_snapshot(root: Path) -> None:
    assert "took" in well(program(root, "daily"))
    assert well(program(root, "daily")) == "", "one a day"
    (name,) = kept(root)
    assert kept(root, "_server") == [name] and (root.parent / "backup-snapshots").stat().st_mode & 0o777 == 0o700
    (root / "web1/repo/0").write_text("wiped")
    place = Path(well(program(root, "expose", "web1", name)).strip())
    assert place == root / "web1/snapshot/repo" and (place / "0").read_text() == "history"
    with pytest.raises(OSError, match="Read-only"):
        (place / "0").write_text("x")
    assert well(program(root, "expose", "web1", name)).strip() == str(place), "once more"
    assert "took" in well(program(root, "snapshot", "--reason", "maintenance")), "while it is shown"
    well(program(root, "conceal", "web1"))
    well(program(root, "conceal", "web1"))
    assert not place.exists() and len(kept(root)) == 2 and (root / "web1/repo/0").read_text() == "wiped"
    assert name in program(root, "expose", "web1", "paranoid-20200101T000000Z-daily").stderr
    assert "name a client" in program(root, "expose", "../backup", name).stderr


def test_what_the_servers_root_put_there_is_not_followed(root: Path) -> None:
    """It owns its clients' directories: a link to a snapshot must not have the NAS delete, or change, that."""
    well(program(root, "snapshot"))
    (name,) = kept(root)
    link, snapshot = root / "web1/snapshot", root.parent / f"backup-snapshots/web1/{name}"
    link.symlink_to(snapshot)
    for words in (("conceal", "web1"), ("expose", "web1", name)):
        said = program(root, *words)
        assert said.returncode == 1 and "it stays" in said.stderr and said.stderr.count("\n") == 1
    assert (snapshot / "repo/0").read_text() == "history" and link.is_symlink()
    link.unlink()
    subprocess.run(["btrfs", "subvolume", "create", link], check=True, capture_output=True)
    assert "it stays" in program(root, "conceal", "web1").stderr, "a subvolume of its own, which is no snapshot"
    (root / "web2").symlink_to(snapshot)
    assert "took" in well(program(root, "snapshot", "--reason", "manual")) and kept(root, "web2") == []


def test_only_what_has_had_its_time_goes(root: Path) -> None:
    """By the clock and by days with later snapshots; what is not the program's own stays."""
    place = root.parent / "backup-snapshots/web1"
    place.mkdir(parents=True)
    now = datetime.now(UTC)
    names = [f"paranoid-{now - timedelta(days=days):%Y%m%dT%H%M%SZ}-daily" for days in (9, 8, 7, 6, 1)]
    for name in [*names, "by-hand"]:
        argv: list[str | Path] = ["btrfs", "subvolume", "snapshot", "-r", root / "web1", place / name]
        subprocess.run(argv, check=True, capture_output=True)
    (place / names[0].replace("daily", "manual")).mkdir()
    said = well(program(root, "daily"))
    assert "took" in said
    assert names[0] in said and set(names) - set(kept(root)) == set(names[:3]), said
    assert "by-hand" in kept(root) and names[0].replace("daily", "manual") in kept(root)


def test_a_run_that_did_not_come_to_its_end_is_done_again(root: Path) -> None:
    place = root.parent / "backup-snapshots/web1"
    place.mkdir(parents=True)
    subprocess.run(["chattr", "+i", place], check=True)
    assert re.fullmatch(f"{place}/paranoid-.*: Operation not permitted\n", program(root, "daily").stderr)
    subprocess.run(["chattr", "-i", place], check=True)
    assert "took" in well(program(root, "daily")) and len(kept(root)) == 1
    place.rename(place.with_name("old"))
    place.touch()
    assert program(root, "daily").stderr == f"{place}: Not a directory\n"


def test_the_state_is_measured(root: Path, tmp_path: Path) -> None:
    new = json.loads(well(program(root, "status")))
    assert new["first_due"].keys() == {f"{root}/web1"} and new["ages"]["snapshot"] is None
    well(program(root, "daily"))
    healthy = json.loads(well(program(root, "status")))
    assert healthy["newest"][str(root)][f"{root}/web1"] and healthy["ages"] == {**healthy["ages"], "scrub": None}
    assert healthy["lines"] == [{"what": "snapshots", "root": str(root), "late": []}], "what the page takes"
    pool = healthy["pools"][str(root)]
    assert pool["capacity"].endswith("%") and 0 < pool["used"] < pool["size"] and len(pool["disks"]) == 1
    subprocess.run(["btrfs", "scrub", "start", "-B", root], check=True, capture_output=True)
    well(program(root, "daily"))
    seen = json.loads((root.parent.parent / "nas.json.seen").read_text())
    assert seen["samples"].keys() == seen["scrubs"].keys() == {str(root)}
    scrubbed = json.loads(program(root, "status").stdout)  # So small a file system has little room left after one.
    assert 0 <= scrubbed["ages"]["scrub"] < 3600
    with suppress(OSError), (root / "web1/fill").open("wb", buffering=0) as file:
        while file.write(os.urandom(1 << 20)):
            pass
    os.sync()
    assert "% full" in program(root, "status").stderr
    (tmp_path / "plain/backup").mkdir(parents=True)
    for words in (("snapshot",), ("status",)):
        said = program(tmp_path / "plain/backup", *words)
        assert said.returncode == 1 and "btrfs" in said.stderr and "Traceback" not in said.stderr


def test_the_role_makes_subvolumes_once_and_takes_nothing_else(volume: Path, tmp_path: Path) -> None:
    """Hosts that are wrong, each in its way, beside one that is not."""
    (volume / "plain/web1").mkdir(parents=True)
    (tmp_path / "nothing").mkdir()
    hosts = {
        "good": {"backup_nas_dataset": f"{volume}/backup"},
        "plain": {"backup_nas_dataset": f"{volume}/plain"},
        "other": {"backup_nas_dataset": f"{tmp_path}/nothing/backup"},
        "named": {"backup_nas_dataset": "tank/backup"},
        "copied": {"backup_nas_dataset": f"{volume}/backup", "backup_nas_copies": [{"dataset": "usb/copy"}]},
    }
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_nas_backend": "btrfs",
        "backup_nas_python": sys.executable,
        "backup_nas_clients": [{"name": "web1", "quota": 5 << 30}, {"name": "web"}],
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    plays = [{"hosts": "all", "gather_facts": False, "roles": ["paranoid.backup.backup_nas"]}]
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    done = play(tmp_path)
    for said in (
        "is no subvolume",
        "nothing is not on btrfs",
        "with backup_nas_backend btrfs it is a",
        "needs ZFS on both",
    ):
        assert said in done.stdout, done.stdout + done.stderr
    assert re.findall(r"^(\w+) +: .*changed=(\d+) .*failed=(\d+)", done.stdout, re.MULTILINE) == [
        ("copied", "0", "1"), ("good", "3", "0"), ("named", "0", "1"), ("other", "0", "1"), ("plain", "0", "1"),
    ]  # fmt: skip
    assert {os.stat(volume / "backup" / name).st_ino for name in (".", "web1", "web")} == {256}
    assert json.loads((tmp_path / "nas.json").read_text())["storage"] == "btrfs"
    assert "changed=0" in play(tmp_path, "--limit", "good", "--diff").stdout
    assert "took" in subprocess.run([tmp_path / "sbin/nas", "daily"], capture_output=True, text=True, check=True).stdout


def play(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the role."""
    for place in ("lib", "sbin", "cron.d"):
        (folder / place).mkdir(exist_ok=True)
    private = {
        "__backup_nas_lib": f"{folder}/lib/nas",
        "__backup_nas_command": f"{folder}/sbin/nas",
        "__backup_nas_config_path": f"{folder}/nas.json",
        "__backup_nas_cron_dir": f"{folder}/cron.d",
        "ansible_facts": {"service_mgr": "other", "system": "Linux"},
    }
    argv: list[str | Path] = [
        Path(sys.executable).parent / "ansible-playbook",
        "-i",
        "hosts.json",
        "play.yml",
        *arguments,
    ]
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    everything = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": f"{folder}/tmp", **collections}
    argv += ["-e", json.dumps(private)]
    return subprocess.run(argv, cwd=folder, env=everything, capture_output=True, text=True, check=False)
