# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role backup_nas on a TrueNAS of each kind, with a strict fake midclt: made, repaired, left alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: the role lays down files of root")

# What the examples have people write, and a version of TrueNAS for each back-end.
EXAMPLES = {
    path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "inventories/nas").glob("truenas_*.yml"))
}
VERSIONS = {"core_iocage": "13", "scale_incus": "25.10", "scale_app": "25.10", "scale_container": "26"}
HOSTS: dict[str, dict[str, Any]] = {name: one["backup_nas"]["hosts"]["nas1"] for name, one in EXAMPLES.items()}
MIDCLT = """#!{python}
import json, sys
from pathlib import Path
sys.path.insert(0, "{support}")
from fake_midclt import FakeTrueNas
path = Path("{state}")
nas = FakeTrueNas(**json.loads(path.read_text()))
code, out, err = nas.run(["midclt", *sys.argv[1:]])
path.write_text(json.dumps({{"version": nas.version, "things": nas.things, "jobs": nas.jobs, "calls": nas.calls}}))
sys.stdout.write(out), sys.stderr.write(err)
sys.exit(code)
"""


def make_nas(folder: Path, version: str) -> None:
    """Lay down a midclt with a state of its own."""
    (folder / "bin").mkdir(parents=True)
    (folder / "own").mkdir()
    (folder / "state.json").write_text(json.dumps({"version": version}))
    names = {"python": sys.executable, "support": ROOT / "tests/support", "state": folder / "state.json"}
    (folder / "bin/midclt").write_text(MIDCLT.format(**names))
    (folder / "bin/midclt").chmod(0o755)


def play(folder: Path, *words: str, **common: Any) -> dict[str, int]:
    """Run the role on all of them, with the clients of an example; how many tasks changed something on each."""
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {
        name: {**own, **here, "backup_nas_python": sys.executable, "__test": str(folder / name)}
        for name, own in HOSTS.items()
    }
    inventory = {
        "backup_nas": {"hosts": hosts, "vars": common},
        "backup_clients": EXAMPLES["truenas_26"]["backup_clients"],
    }
    (folder / "hosts.json").write_text(json.dumps(inventory))
    path = {"PATH": "{{ __test }}/bin:" + os.environ["PATH"]}
    plays = [
        {"hosts": "backup_nas", "gather_facts": False, "environment": path, "roles": ["paranoid.backup.backup_nas"]}
    ]
    (folder / "play.yml").write_text(json.dumps(plays))
    private = {"__backup_nas_own": "{{ __test }}/own", "ansible_facts": {"service_mgr": "x", "system": "x"}}
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "--diff"]
    argv += ["-e", json.dumps(private), *words, "play.yml"]
    everything = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": f"{folder}/tmp", **environment}
    done = subprocess.run(argv, cwd=folder, env=everything, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return {name: int(count) for name, count in re.findall(r"^(\w+) +: .*changed=(\d+)", done.stdout, re.MULTILINE)}


def things(folder: Path, name: str) -> dict[str, Any]:
    """What a NAS has."""
    found: dict[str, Any] = json.loads((folder / name / "state.json").read_text())["things"]
    return found


def test_every_back_end_is_made_once_and_repaired(tmp_path: Path) -> None:
    clients = {"backup_nas_clients": [{"name": "web1", "quota": 5 << 30}, {"name": "web"}]}
    for name, own in HOSTS.items():
        make_nas(tmp_path / name, VERSIONS[own["backup_nas_backend"]])
    assert play(tmp_path, "--check") == dict.fromkeys(HOSTS, 4), "as the examples are, with their own clients"
    assert [things(tmp_path, name) for name in HOSTS] == [{}] * 4, "and nothing was made"
    assert play(tmp_path, **clients) == dict.fromkeys(HOSTS, 4), "datasets, program, cron job, server"
    for name in HOSTS:
        state = things(tmp_path, name)
        assert [one["id"] for one in state["pool.dataset"]] == [
            "tank/backup",
            "tank/backup-nas",
            "tank/backup/web1",
            "tank/backup/web",
        ]
        assert state["pool.dataset"][2]["refquota"]["rawvalue"] == str(6 << 30), "a GiB more"
        program = f"{tmp_path}/{name}/own/paranoid-backup-nas"
        tasks = [(one["command"], one["schedule"]["hour"], one["schedule"]["minute"]) for one in state["cronjob"]]
        assert tasks == [(f"{program} daily", "2", "0"), (f"{program} snapshot", "2", "10")]
        state["pool.dataset"][2]["quota"]["rawvalue"] = "0"  # drift
        state["cronjob"][0]["schedule"]["dow"] = "7"
        path = tmp_path / name / "state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "things": state}))
    inside = ["/mnt/tank/backup/web1:/srv/backup/web1", "/mnt/tank/backup/web:/srv/backup/web"]
    assert things(tmp_path, "truenas_app")["app"][0]["config"]["services"]["server"]["volumes"] == [
        *inside,
        *HOSTS["truenas_app"]["backup_nas_server_fields"]["volumes"],
    ], "and what else it was given"
    assert {line[0] for line in things(tmp_path, "truenas_core")["jail"][0]["fstab"]} == {
        one.split(":")[0] for one in inside
    }
    assert [one["attributes"]["target"] for one in things(tmp_path, "truenas_26")["container.device"]] == [
        one.split(":")[1] for one in inside
    ]
    assert play(tmp_path, **clients) == dict.fromkeys(HOSTS, 2), "what drifted, and nothing else"
    assert play(tmp_path, **clients) == dict.fromkeys(HOSTS, 0)


def own_directories(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Have the role look whose the directories of a server's clients are, in a folder that stands for the dataset."""
    own = {**HOSTS["truenas_26"], "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    own["backup_nas_dataset"] = f"..{folder}"
    mounts = [{"source": f"{folder}/{name}", "target": f"/srv/backup/{name}"} for name in ("web1", "new1")]
    (folder / "hosts.json").write_text(json.dumps({"backup_nas": {"hosts": {"nas1": own}}}))
    role = {"name": "paranoid.backup.backup_nas", "tasks_from": "truenas/owner.yml"}
    tasks = [{"ansible.builtin.include_role": role}]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", *words, "play.yml"]
    argv += ["-e", json.dumps({"__backup_nas_mounts": mounts})]
    everything = {**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": f"{folder}/tmp", **environment}
    return subprocess.run(argv, cwd=folder, env=everything, capture_output=True, text=True, check=False)


def test_the_servers_root_gets_new_datasets_and_no_directory_that_is_none(tmp_path: Path) -> None:
    """One that is locked or not mounted leaves a directory of the dataset above, and the server would write there."""
    web1 = tmp_path / "web1"
    web1.mkdir()
    refused = own_directories(tmp_path)
    assert refused.returncode == 2 and f"{web1}: no dataset is mounted there; mount it, or unlock it" in (
        " ".join(refused.stdout.split())
    ), refused.stdout
    assert web1.stat().st_uid == 0
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", web1], check=True)
    try:
        for words, owner, changed in ((["--check"], 0, 1), ([], 2147000001, 1), ([], 2147000001, 0)):
            done = own_directories(tmp_path, *words)
            assert done.returncode == 0 and f"changed={changed}" in done.stdout, done.stdout
            assert web1.stat().st_uid == web1.stat().st_gid == owner
    finally:
        subprocess.run(["umount", web1], check=True)
