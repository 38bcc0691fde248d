# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAS with real OpenZFS, in a virtual machine: who owns the server owns no snapshot, and power cuts lose nothing.

The tests build on each other, in their order. The server there is root of a user namespace, as in a container, with the
real gate and engine; clients are Borg itself.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT
from vm import Vm, VmError, machine, make_image

NAS = "/usr/local/sbin/paranoid-backup-nas"
SERVER = "as-server env PYTHONPATH=/opt/code /opt/borg/bin/python /opt/code/vm_server.py"
DISKS = {"a": 1600, "b": 1600, "usb": 400}  # sparse files; Borg deletes with 550 MB free
QUOTA = 8 << 20
CUTS = 2


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    """A machine with a mirror of two disks, and a third disk."""
    try:
        image = make_image()
    except VmError as error:
        pytest.skip(f"NOT TESTED: no virtual machine with OpenZFS: {error}")
    with machine(image, tmp_path_factory.mktemp("vm"), DISKS) as running:
        running.read("zpool create -O mountpoint=none tank mirror vdb vdc; zpool create -O mountpoint=none usb vdd")
        yield running


def provision(vm: Vm) -> int:
    """Run the role on the machine; how many tasks changed something."""
    key = str(vm.image / "key")
    nas: dict[str, Any] = {"ansible_host": "127.0.0.1", "ansible_port": vm.port, "ansible_user": "root"}
    nas |= {"ansible_ssh_common_args": f"-F none -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
    nas |= {"ansible_python_interpreter": "/usr/bin/python3", "backup_nas_dataset": "tank/backup"}
    nas |= {"backup_nas_clients": [{"name": "web1", "quota": QUOTA}, {"name": "web2"}], "backup_nas_room": 0}
    nas |= {"backup_nas_compression": "lz4", "backup_nas_copies": [{"dataset": "usb/copy", "removable": True}]}
    (vm.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"nas": nas}}}))
    facts = {"ansible_facts": {"service_mgr": "none", "system": "Linux"}}  # to gather them takes seconds there
    plays = [{"hosts": "all", "gather_facts": False, "vars": facts, "roles": ["paranoid.backup.backup_nas"]}]
    (vm.folder / "play.yml").write_text(json.dumps(plays))
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    environment |= {"ANSIBLE_PIPELINING": "true", "LC_ALL": "C.UTF-8", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(vm.folder)}
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts.json", "play.yml"]
    everything = {**os.environ, **environment}
    run = subprocess.run(argv, cwd=vm.folder, env=everything, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr
    return int(re.findall(r"changed=(\d+)", run.stdout)[-1])


def code() -> bytes:
    """The engine, the gate and what the tests run on the server, as one archive."""
    out, utils = io.BytesIO(), "ansible_collections/paranoid/backup/plugins/module_utils"
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(ROOT / "plugins/module_utils", utils, filter=lambda one: None if "__pycache__" in one.name else one)
        tar.add(ROOT / "roles/backup_server/files/lib", "gate")
        tar.add(ROOT / "tests/support/vm_server.py", "vm_server.py")
    return out.getvalue()


def boot_server(vm: Vm) -> None:
    """Make what the disk of the machine forgets with each boot."""
    vm.read("cat >/tmp/boot && sh /tmp/boot", (ROOT / "tests/support/vm_boot.sh").read_bytes())


def test_provisioned_twice_and_nothing_to_change(vm: Vm) -> None:
    assert provision(vm) == 3, "datasets, program, cron"
    assert provision(vm) == 0
    said = vm.read("zfs get -Hp -o value recordsize,compression,quota,setuid,devices tank/backup/web1").split()
    assert said == ["1048576", "lz4", str(3 * QUOTA), "off", "off"]
    vm.read("zfs set sync=disabled tank")
    with pytest.raises(AssertionError, match=r"set at tank: a power cut loses"):
        provision(vm)
    vm.read("zfs inherit sync tank")


def test_two_clients_and_the_quota_of_one(vm: Vm) -> None:
    boot_server(vm)
    vm.read("tar -C /opt/code -xf -; chmod -R a+rX /opt/code", code())
    vm.read(
        """for number in 1 2; do
        as-server install -d -m 700 -o 200$number -g 200$number /srv/backup/web$number/repo
        mkdir -p /opt/code/data$number && dd if=/dev/urandom of=/opt/code/data$number/file bs=1M count=1 status=none
        POLICY=create borg-of web$number init -e repokey-blake2
        borg-of web$number create ::first /opt/code/data$number
        done"""
    )
    vm.read(f"{SERVER} configure web1 web2")
    full = vm.run("as-server dd if=/dev/urandom of=/srv/backup/web1/fill bs=256k count=50")
    assert full.returncode != 0 and "quota" in full.stderr.lower(), full.stderr
    vm.read("borg-of web2 create ::second /opt/code/data2")
    vm.read("as-server rm /srv/backup/web1/fill; borg-of web1 create ::second /opt/code/data1")


@pytest.fixture(scope="module")
def snapshot(vm: Vm) -> str:
    """The name of a snapshot that the NAS took."""
    said = vm.read(f"{NAS} snapshot")
    found = re.search(r"took tank/backup@(\S+)", said)
    assert found
    return found[1]


def test_root_of_the_server_reaches_no_snapshot(vm: Vm, snapshot: str) -> None:
    """Not even with the programs and the device at hand, which a container has not."""
    assert vm.read("as-server id -u").strip() == "0"
    for attack in (
        f"zfs release paranoid-backup tank/backup/web1@{snapshot}",
        f"zfs destroy -r tank/backup@{snapshot}",
        f"zfs rollback -r tank/backup/web1@{snapshot}",
        "zfs destroy -r tank/backup",
        "zpool destroy -f tank",
        "zpool export -f tank",
        f"zfs hold mine tank/backup/web1@{snapshot}",
        "zfs set quota=none tank/backup/web1",
        f"rm -rf /srv/backup/web1/.zfs/snapshot/{snapshot}",
        "mount -t zfs tank/secret /tmp",
        "cat /secret/file",
        "mknod /tmp/disk b 254 16",
        f"{NAS} snapshot",
    ):
        assert vm.run(f"as-server {attack}").returncode != 0, attack
    listed = vm.read(f"zfs list -H -t snapshot -o name -r tank/backup; zfs holds -H tank/backup/web1@{snapshot}")
    assert listed.count(snapshot) == 4 and "paranoid-backup" in listed
    assert vm.run(f"zfs destroy tank/backup/web1@{snapshot}").returncode != 0, "nor root of the NAS, by a slip"


def test_ransom_with_a_compaction_is_undone(vm: Vm, snapshot: str) -> None:
    """What server and client destroyed together comes back byte for byte; no nonce is used twice."""
    wanted = vm.read("sha256sum /opt/code/data2/file").split()[0]
    vm.read(f"borg-of web2 create ::later /opt/code/data1; {SERVER} audited web2")  # as each session ends
    highest = int(vm.read("as-server cat /srv/backup/web2/repo/nonce"), 16)
    vm.read("""borg-there web2 delete --force --glob-archives '*'; borg-there web2 compact --threshold 0
        as-server rm /srv/backup/web2/repo/nonce""")
    assert vm.read("borg-there web2 list").strip() == ""
    place = vm.read(f"{NAS} expose web2 {snapshot}").strip()
    assert place == "/srv/backup/web2/snapshot/repo"
    assert vm.run(f"as-server touch {place}/x").returncode != 0
    evidence = vm.read(f"{SERVER} rollback web2 {place}").strip()
    vm.read(f"{NAS} conceal web2; as-server test -d {evidence}; rm -rf /opt/code/home-web2")
    assert int(vm.read("as-server cat /srv/backup/web2/repo/nonce"), 16) >= highest
    vm.read("mkdir -p /tmp/back && cd /tmp/back && borg-of web2 extract ::second")
    assert vm.read("sha256sum /tmp/back/opt/code/data2/file").split()[0] == wanted
    vm.read(f"borg-of web2 create ::again /opt/code/data2; as-server rm -rf {evidence}; rm -rf /tmp/back")


def test_the_copy_on_another_pool_is_restored_from(vm: Vm) -> None:
    wanted = vm.read("sha256sum /opt/code/data2/file").split()[0]
    assert "copied" in vm.read(f"{NAS} snapshot --reason manual && {NAS} copy")
    assert vm.run("zpool list usb").returncode != 0, "a removable disk is exported again"
    assert vm.read(f"{NAS} copy").strip() == "", "nothing new"
    name = vm.read("zpool import usb; zfs list -H -t snapshot -o name -s creation usb/copy/web2 | tail -1").strip()
    assert vm.run(f"zfs destroy {name}").returncode != 0, "held there, too"
    restored = vm.read(
        f"""zfs clone -o mountpoint=/tmp/back {name} usb/back; cd /tmp
        export BORG_PASSPHRASE=secret BORG_BASE_DIR=/tmp/home BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
        export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
        /opt/borg/bin/borg extract --stdout /tmp/back/repo::second | sha256sum
        zfs destroy usb/back; zpool export usb"""
    )
    assert restored.split()[0] == wanted


def spoil(disk: Path) -> None:
    """Overwrite what a disk holds, but for ZFS's labels at both ends."""
    with disk.open("r+b", buffering=0) as file:
        offset, end = 8 << 20, disk.stat().st_size - (8 << 20)
        while offset < end:
            try:
                offset = os.lseek(file.fileno(), offset, os.SEEK_DATA)
            except OSError:
                return  # nothing follows
            os.pwrite(file.fileno(), os.urandom(1 << 16), offset)
            offset += 1 << 16


def test_a_scrub_that_repairs_is_told(vm: Vm) -> None:
    assert vm.run(f"{NAS} status").returncode == 0
    spoil(vm.disks[1])
    vm.read("zpool scrub -w tank")
    said = vm.run(f"{NAS} status")
    assert said.returncode == 1 and "the last scrub of tank repaired" in said.stderr, said.stderr
    vm.read("zpool clear tank; zpool scrub -w tank")
    assert vm.run(f"{NAS} status").stderr == ""


WORK = """( n=0; while :; do n=$((n+1))
  dd if=/dev/urandom of=/opt/code/data1/new bs=64k count=2 status=none
  borg-of web1 create "::$1-$n" /opt/code/data1/new && echo "archive $1-$n"
done ) &
( while :; do borg-there web2 create ::gone /opt/code/data2; borg-there web2 delete ::gone
  borg-there web2 compact --threshold 0; done >/dev/null 2>&1 ) &
SERVER append | sed -u "s/^/entry /" &
wait
"""


@pytest.mark.parametrize("cut", range(CUTS))
def test_a_power_cut_loses_nothing_that_was_acknowledged(vm: Vm, cut: int) -> None:
    """In the middle of sessions, commits, compactions and the ledger's appends, all at once; nobody mends anything."""
    script = WORK.replace("SERVER", SERVER)
    told = vm.folder / f"told-{cut}"
    with told.open("wb") as out:
        work = subprocess.Popen(
            [*vm.ssh(), "sh", "-s", f"c{cut}"], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL
        )
        assert work.stdin
        work.stdin.write(script.encode())
        work.stdin.close()
        until = time.monotonic() + 240
        while (b"archive" not in told.read_bytes() or b"entry" not in told.read_bytes()) and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(random.Random(cut + time.time_ns()).uniform(0, 6))
        vm.cut_power()
        work.kill()
        work.wait(60)
    lines = told.read_text(errors="replace").splitlines()
    archives = [line.split()[1] for line in lines if line.startswith("archive ")]
    heads = [line.split()[1] for line in lines if re.fullmatch(r"entry \d+:[0-9a-f]{64}", line)]
    assert archives and heads, "nothing was acknowledged before the cut"
    vm.boot()
    boot_server(vm)
    assert "ONLINE" in vm.read("zpool list -H -o health tank")
    listed = vm.read("borg-of web1 list --short").split()
    assert set(archives) <= set(listed), set(archives) - set(listed)
    vm.read("POLICY=append borg-of web1 create ::goes-on-$(date +%s%N) /opt/code/data1")
    report, head = vm.read(f"{SERVER} verify").splitlines()
    assert "ok=True" in report and int(head.partition(":")[0]) >= int(heads[-1].partition(":")[0])
    for client in ("web1", "web2"):
        vm.read(f"{SERVER} audited {client}; borg-there {client} check --repository-only")
    assert {"first", "second"} <= set(vm.read("borg-of web2 list --short").split())
