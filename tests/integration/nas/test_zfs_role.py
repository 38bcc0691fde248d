# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role backup_nas with the back-end zfs, on real pools: made once, repaired, refused, and nothing destroyed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT
from zfs_fuse import ZfsHost, missing, zfs_fuse

pytestmark = pytest.mark.skipif(missing() != "", reason=f"NOT TESTED: {missing()}")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZfsHost]:
    with zfs_fuse(tmp_path_factory.mktemp("zfs")) as running:
        running.make_pool("nastank")
        yield running


def play(host: ZfsHost, *arguments: str, system: str = "Linux", **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the role on this host."""
    settings = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_nas_dataset": "nastank/backup",
        "backup_nas_mountpoint": f"{host.folder}/srv",
        "backup_nas_python": sys.executable,
        "backup_nas_copies": [{"dataset": "nosuch/copy", "removable": True}],
        "backup_nas_room": 0,
        "backup_nas_recordsize": "128K",  # the most that zfs-fuse has
        "backup_nas_clients": [{"name": "web1", "quota": 20 << 20}, {"name": "web"}],
        **variables,
    }
    (host.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"nas": settings}}}))
    plays = [{"hosts": "all", "gather_facts": False, "roles": ["paranoid.backup.backup_nas"]}]
    (host.folder / "play.yml").write_text(json.dumps(plays))
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    place = host.folder / "root"
    for folder in ("lib", "sbin", "etc", "cron.d"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    private = {
        "__backup_nas_lib": f"{place}/lib/paranoid-backup-nas",
        "__backup_nas_command": f"{place}/sbin/paranoid-backup-nas",
        "__backup_nas_config_path": f"{place}/etc/paranoid-backup-nas.json",
        "__backup_nas_cron_dir": f"{place}/cron.d",
        "ansible_facts": {"service_mgr": "bsdinit", "system": system},
    }
    argv: list[str | Path] = [
        Path(sys.executable).parent / "ansible-playbook",
        "-i",
        "hosts.json",
        "-e",
        json.dumps(private),
        "play.yml",
    ]
    command = host.inside(*argv, *arguments)
    path = f"{host.folder}/bin:{os.environ['PATH']}"
    everything = {
        **os.environ,
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_LOCAL_TEMP": f"{host.folder}/tmp",
        **environment,
    }
    return subprocess.run(command, env=everything, capture_output=True, text=True, check=False)


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, in a run that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def test_datasets_are_made_once_and_repaired(host: ZfsHost) -> None:
    assert changed(play(host, "--check", "--diff")) == 3
    assert host.read("zfs", "list", "-H", "-o", "name").split() == ["nastank"], "check mode made something"
    done = play(host, "--diff")
    assert changed(done) == 3 and "+refquota=23068672" in done.stdout
    assert changed(play(host)) == 0
    wanted = ["off", "off", "off", "off", "131072", "off", str((20 << 20) * 3), f"{host.folder}/srv/web1"]
    names = ("atime", "exec", "setuid", "devices", "recordsize", "compression", "quota", "mountpoint")
    assert host.properties("nastank/backup/web1", *names) == wanted
    assert host.properties("nastank/backup/web", "quota", "refquota") == ["0", "0"], "a name that begins another's"
    host.read("zfs", "set", "quota=50M", "nastank/backup/web1")
    host.read("zfs", "umount", "nastank/backup/web")
    assert changed(play(host)) == 1
    assert host.properties("nastank/backup/web1", "quota") == [str((20 << 20) * 3)]
    assert host.properties("nastank/backup/web", "mounted") == ["yes"]
    cron = (host.folder / "root/cron.d/paranoid-backup-nas").read_text()
    assert cron.endswith(f"0 2 * * * root {host.folder}/root/sbin/paranoid-backup-nas daily\n")
    assert "took nastank/backup@" in host.read(host.folder / "root/sbin/paranoid-backup-nas", "daily")


def test_a_quota_stops_one_client_and_not_the_other(host: ZfsHost) -> None:
    for client, code in (("web1", 1), ("web", 0)):
        said = host.run("dd", "if=/dev/urandom", f"of=srv/{client}/fill", "bs=1M", "count=26")
        assert said.returncode == code, said.stderr
    assert "quota" in host.run("dd", "if=/dev/zero", "of=srv/web1/more", "bs=1M", "count=2").stderr
    host.read("rm", "-f", "srv/web1/fill", "srv/web1/more", "srv/web/fill")


def test_what_is_not_the_roles_is_left_alone(host: ZfsHost) -> None:
    """One line for each, by the module itself: a play for each of them would cost a second."""
    host.read("zfs", "create", "nastank/backup/old")
    (host.folder / "srv2").mkdir()
    (host.folder / "srv2/hidden").touch()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"name": "nastank/backup/old", "mark": "client old"}, "exists and was not made for client old"),
        ({"name": "nastank/backup/web1", "mark": "client old"}, "was made for client web1, not for client old"),
        ({"name": "nosuch/backup", "mark": "x"}, "there is no pool nosuch"),
        ({"name": "nastank/new", "mark": "x", "properties": {"mountpoint": f"{host.folder}/srv2"}}, "would hide"),
        ({"name": "nastank/new", "mark": "x", "properties": {"sync": "disabled"}}, "a power cut loses"),
        ({"name": "nastank/we b", "mark": "x"}, "is no dataset's name"),
        ({"name": "nastank/a/b", "mark": "x"}, "parent does not exist"),
        ({"name": "nastank/new", "mark": "x", "properties": {"recordsize": "1M"}}, "'recordsize' must be power of 2"),
    ]
    before = host.read("zfs", "list", "-H", "-o", "name")
    for entry, said in cases:
        result = module(host, entry)
        assert result.get("failed") and said in result["msg"] and "\n" not in result["msg"], result
    assert host.read("zfs", "list", "-H", "-o", "name") == before


def test_a_degraded_pool_is_a_warning_and_a_faulted_one_is_refused(host: ZfsHost) -> None:
    entry = {"name": "nastank/backup", "mark": "all clients"}
    host.read("zpool", "offline", "nastank", host.folder / "nastank-b")
    result = module(host, entry)
    assert result["changed"] is False and "DEGRADED" in str(result["warnings"])
    host.read("zpool", "online", "nastank", host.folder / "nastank-b")
    host.read("zpool", "export", "nastank")
    assert "there is no pool nastank: import it" in module(host, entry)["msg"]
    host.read("zpool", "import", "-d", host.folder, "nastank")
    assert module(host, entry)["changed"] is False


def module(host: ZfsHost, entry: dict[str, Any]) -> dict[str, Any]:
    """What the module says of one dataset."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"datasets": [entry], "_ansible_remote_tmp": "/tmp"}})
    (host.folder / "arguments.json").write_text(arguments)
    module = "ansible_collections.paranoid.backup.plugins.modules.zfs_datasets"
    path = f"PYTHONPATH={ROOT / '.cache/collections'}"
    done = host.run("env", path, sys.executable, "-m", module, "arguments.json")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


IOCAGE = """#!{python}
import json, os, sys
from pathlib import Path
sys.path.insert(0, "{support}")
from fake_iocage import FakeIocage
path = Path("{state}")
host = FakeIocage(**json.loads(path.read_text()))
code, out, err = host.run([os.path.basename(sys.argv[0]), *sys.argv[1:]])
path.write_text(json.dumps(vars(host)))
sys.stdout.write(out), sys.stderr.write(err)
sys.exit(code)
"""


def test_the_server_is_a_jail_that_sees_its_clients_only(host: ZfsHost) -> None:
    """The datasets are of real pools, where iocage's own pool is asked for; iocage is a strict fake."""
    (host.folder / "bin").mkdir()
    state = host.folder / "iocage.json"
    state.write_text(json.dumps({"top": f"{host.folder}/iocage", "pools": {"nastank": "yes"}}))
    for name in ("iocage", "mount"):
        text = IOCAGE.format(python=sys.executable, support=ROOT / "tests/support", state=state)
        (host.folder / "bin" / name).write_text(text)
        (host.folder / "bin" / name).chmod(0o755)
    host.read("zfs", "set", "org.freebsd.ioc:active=yes", "nastank")
    host.read("zfs", "create", "-o", f"mountpoint={host.folder}/iocage", "nastank/iocage")
    example = yaml.safe_load((ROOT / "inventories/nas/freebsd.yml").read_text())["backup_nas"]["hosts"]["nas1"]
    fields = example["backup_nas_server_fields"]
    jail: dict[str, Any] = {"system": "FreeBSD", "backup_nas_backend": "iocage", "backup_nas_server_fields": fields}
    host.read("zfs", "set", "devices=on", "nastank/backup/web1")
    wrong = play(host, **{**jail, "backup_nas_server_fields": {"relaese": "14.3-RELEASE"}})
    assert wrong.returncode != 0 and "backup_nas_server_fields has release" in wrong.stdout + wrong.stderr
    assert changed(play(host, "--check", "--diff", **jail)) == 1 and json.loads(state.read_text())["jails"] == {}
    assert changed(play(host, **jail)) == 1
    (name, made), *others = json.loads(state.read_text())["jails"].items()
    inside = [
        (f"{host.folder}/srv/{one}", f"{host.folder}/iocage/jails/vault/root{host.folder}/srv/{one}")
        for one in ("web1", "web")
    ]
    assert (name, others, made["state"], made["packages"]) == ("vault", [], "up", ["pkg", "python3"])
    assert [tuple(line) for line in made["live"]] == inside
    assert changed(play(host, **jail)) == 0
    assert host.properties("nastank/backup/web1", "devices") == ["on"], "FreeBSD's zfs does not take that property"
