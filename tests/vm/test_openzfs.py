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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT
from vm import NoVmError, Vm, machine, make_image

NAS = "/usr/local/sbin/paranoid-backup-nas"
SERVER = "as-server env PYTHONPATH=/opt/code /opt/borg/bin/python /opt/code/vm_server.py"
DISKS = {"a": 1600, "b": 1600, "usb": 400}  # sparse files; Borg deletes with 550 MB free
QUOTA = 8 << 20


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    """A machine with a mirror of two disks, and a third disk."""
    try:
        image = make_image()
    except NoVmError as error:
        pytest.skip(f"NOT TESTED: no virtual machine with OpenZFS: {error}")
    with machine(image, tmp_path_factory.mktemp("vm"), DISKS) as running:
        prepare(running)
        yield running


def provision(vm: Vm) -> int:
    """Run the role on the machine; how many tasks changed something."""
    key = str(vm.image / "key")
    nas: dict[str, Any] = {"ansible_host": "127.0.0.1", "ansible_port": vm.port, "ansible_user": "root"}
    nas |= {"ansible_ssh_common_args": f"-F none -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
    nas |= {"ansible_python_interpreter": "/usr/bin/python3", "backup_nas_dataset": "tank/backup"}
    nas |= {
        "backup_nas_clients": [{"name": "web1", "quota": QUOTA}, {"name": "web2"}, {"name": "web3"}],
        "backup_nas_room": 0,
    }
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
        for name in ("vm_borg.py", "vm_server.py"):
            tar.add(ROOT / "tests/support" / name, name)
    return out.getvalue()


def prepare(vm: Vm) -> None:
    """Make the server, keep the machine's state for after the cuts, and make the pools."""
    vm.read((ROOT / "tests/support/vm_boot.sh").read_text(), code())
    vm.keep_state()
    vm.resume()
    vm.read("zpool create -O mountpoint=none tank mirror vdb vdc; zpool create -O mountpoint=none usb vdd")


def import_pool(vm: Vm) -> None:
    """Import the pool and give the server its datasets, as the NAS does when it boots."""
    vm.read((ROOT / "tests/support/vm_import.sh").read_text())


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
    import_pool(vm)
    vm.read(
        """for number in 1 2 3; do
        as-server install -d -m 700 -o 200$number -g 200$number /srv/backup/web$number/repo
        mkdir -p /clients/data$number; dd if=/dev/urandom of=/clients/data$number/file bs=1M count=1 status=none
        POLICY=create borg-as-client web$number init -e repokey-blake2
        borg-as-client web$number create ::first /clients/data$number
        done"""
    )
    vm.read(f"{SERVER} configure web1 web2 web3")
    full = vm.run("as-server dd if=/dev/urandom of=/srv/backup/web1/fill bs=256k count=50")
    assert full.returncode != 0 and "quota" in full.stderr.lower(), full.stderr
    vm.read("borg-as-client web2 create ::second /clients/data2")
    vm.read("as-server rm /srv/backup/web1/fill; borg-as-client web1 create ::second /clients/data1")


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
    assert listed.count(snapshot) == 5 and "paranoid-backup" in listed
    assert vm.run(f"zfs destroy tank/backup/web1@{snapshot}").returncode != 0, "nor root of the NAS, by a slip"


def test_ransom_with_a_compaction_is_undone(vm: Vm, snapshot: str) -> None:
    """What server and client destroyed together comes back byte for byte; no nonce is used twice."""
    wanted = vm.read("sha256sum /clients/data2/file").split()[0]
    vm.read(f"borg-as-client web2 create ::later /clients/data1; {SERVER} audited web2")  # as each session ends
    highest = int(vm.read("as-server cat /srv/backup/web2/repo/nonce"), 16)
    vm.read("""borg-as-owner web2 delete --force --glob-archives '*'; borg-as-owner web2 compact --threshold 0
        as-server rm /srv/backup/web2/repo/nonce""")
    assert vm.read("borg-as-owner web2 list").strip() == ""
    place = vm.read(f"{NAS} expose web2 {snapshot}").strip()
    assert place == "/srv/backup/web2/snapshot/repo"
    assert vm.run(f"as-server touch {place}/x").returncode != 0
    evidence = vm.read(f"{SERVER} rollback web2 {place}").strip()
    vm.read(f"{NAS} conceal web2; as-server test -d {evidence}; rm -rf /clients/home-web2")
    assert int(vm.read("as-server cat /srv/backup/web2/repo/nonce"), 16) >= highest
    vm.read("mkdir -p /tmp/back && cd /tmp/back && borg-as-client web2 extract ::second")
    assert vm.read("sha256sum /tmp/back/clients/data2/file").split()[0] == wanted
    vm.read(f"borg-as-client web2 create ::again /clients/data2; as-server rm -rf {evidence}; rm -rf /tmp/back")


def test_the_copy_on_another_pool_is_restored_from(vm: Vm) -> None:
    wanted = vm.read("sha256sum /clients/data2/file").split()[0]
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


# What is done until the power is cut: it prints what was acknowledged.
WORK = {
    "session": """n=0; while :; do n=$((n+1)); dd if=/dev/urandom of=/clients/data1/new bs=16k count=1 status=none
        borg-as-client web1 create "::$CUT-$n" /clients/data1/new && echo "session $CUT-$n"; done""",
    "commit": "as-client web3 /opt/borg/bin/python /opt/code/vm_borg.py commits | sed -u 's/^/commit /'",
    "compaction": """as-owner web2 /opt/borg/bin/python /opt/code/vm_borg.py compactions /srv/backup/web2/repo |
        sed -u 's/^/compaction /'""",
    "append": f"{SERVER} append | sed -u 's/^/append /'",
}
EACH = int(os.environ.get("PARANOID_POWER_CUTS") or 0)  # cuts at each moment, instead of one in the middle of all
CUTS = [f"{moment}-{number}" for number in range(EACH) for moment in WORK] or ["all"]


def work_until_cut(vm: Vm, cut: str) -> dict[str, list[str]]:
    """Cut the power at a random moment of such work, once each kind of it was acknowledged; return what was."""
    moments = [moment for moment in WORK if cut.startswith((moment, "all"))]
    script = (
        f"CUT={cut}\n"
        + "".join(f"( {WORK[moment]}\necho ended {moment} ) </dev/null &\n" for moment in moments)
        + "wait\n"
    )
    told, errors = vm.folder / f"told-{cut}", vm.folder / f"errors-{cut}"
    began = time.monotonic()
    with told.open("wb") as out, errors.open("wb") as err:
        work = subprocess.Popen([*vm.ssh(), script], stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        while not all(f"{moment} ".encode() in told.read_bytes() for moment in moments):
            assert b"ended " not in told.read_bytes() and time.monotonic() < began + 600, errors.read_text()
            time.sleep(0.1)
        time.sleep(random.uniform(0, min(20, time.monotonic() - began)))
        vm.cut_power()
        work.wait(60)
    lines = [line.split() for line in told.read_text(errors="replace").split("\n")[:-1]]
    return {moment: [word for kind, word in lines if kind == moment] for moment in WORK}


def lost(vm: Vm, client: str, objects: list[str]) -> str:
    """Check a repository on its disk; which of the objects are not in it."""
    program = "/opt/borg/bin/python /opt/code/vm_borg.py checked"
    return vm.read(f"as-owner {client} {program} /srv/backup/{client}/repo", "\n".join([*objects, ""]).encode())


@pytest.fixture(scope="module")
def acknowledged() -> dict[str, list[str]]:
    """Everything that was acknowledged before any cut: it stays for ever."""
    return {moment: [] for moment in WORK}


@pytest.mark.parametrize("cut", CUTS)
def test_a_power_cut_loses_nothing_that_was_acknowledged(vm: Vm, acknowledged: dict[str, list[str]], cut: str) -> None:
    """In the middle of a session, a commit, a compaction and an append to the ledger; nobody mends anything."""
    for moment, words in work_until_cut(vm, cut).items():
        acknowledged[moment] += words
    vm.resume()
    import_pool(vm)
    assert vm.read("zpool list -H -o health tank").strip() == "ONLINE"
    archives = ["first", "second", *acknowledged["session"]]
    with ThreadPoolExecutor() as beside:  # two processors are there
        session = beside.submit(
            vm.read,
            f"""borg-as-client web1 create ::goes-on-{cut} /clients/data1
            borg-as-client web1 extract --dry-run ::{archives[-1]}
            borg-as-client web1 list --short""",
        )
        assert lost(vm, "web2", acknowledged["compaction"]) == ""
        assert lost(vm, "web3", acknowledged["commit"]) == ""
        assert "ok=True" in vm.read(f"{SERVER} verify {' '.join(acknowledged['append'][-1:])}")
        assert set(archives) <= set(session.result().split())
    assert lost(vm, "web1", []) == ""
    web1, web3, _ = vm.read(f"{SERVER} audited web1 web3 web2").splitlines()  # in web2 Borg is at work past the gate
    assert "verdict='clean'" in web1 and "verdict='clean'" in web3, (web1, web3)
