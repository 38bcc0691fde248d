# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets of clients, as the role backup_nas computes them from the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.filter.nas import FilterModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.jail import Desired
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_kinds import check_fields
from ansible_collections.paranoid.backup.plugins.modules.iocage import parse
from tool import ROOT

FILTERS = FilterModule().filters()


def test_clients_come_from_the_inventory() -> None:
    hostvars = {"web1": {"backup_client_quota": "1000"}, "db1": {"backup_client_name": "db"}}
    clients = FILTERS["quotas_of_clients"](["web1", "db1"], hostvars)
    assert clients == [{"name": "web1", "quota": 1000}, {"name": "db", "quota": None}]


def test_a_client_has_room_for_its_repository_and_for_snapshots() -> None:
    clients = [{"name": "web1", "quota": 1000}, {"name": "db"}]
    web1, db = FILTERS["client_datasets"](clients, "tank/b", {"atime": "off"}, "110", 300, "0")
    assert web1["name"] == "tank/b/web1" and web1["mark"] == "client web1"
    assert web1["properties"] == {"atime": "off", "refquota": "1100", "quota": "3000"}
    assert db["properties"] == {"atime": "off", "refquota": "none", "quota": "none"}


def test_borg_has_room_to_delete_in_a_small_repository_too() -> None:
    (web1,) = FILTERS["client_datasets"]([{"name": "web1", "quota": 1 << 30}], "tank/b", {}, 110, 150, 1 << 30)
    assert web1["properties"] == {"refquota": str(2 << 30), "quota": str(2 << 30)}


def test_a_truenas_takes_no_small_quota() -> None:
    clients = [{"name": "web1", "quota": 1000}, {"name": "db"}]
    datasets = FILTERS["client_datasets"](clients, "tank/b", {"atime": "off"}, 110, 300, 0)
    web1, db = FILTERS["truenas_datasets"](datasets)
    assert web1 == {
        "name": "tank/b/web1",
        "mark": "client web1",
        "fields": {"atime": "off", "refquota": 1 << 30, "quota": 1 << 30},
    }
    assert db["fields"] == {"atime": "off", "refquota": None, "quota": None}


def test_a_server_sees_its_clients_alone() -> None:
    mounts = FILTERS["client_mounts"]([{"name": "web1"}], "/mnt/tank/b", "/srv/backup")
    assert mounts == [{"source": "/mnt/tank/b/web1", "target": "/srv/backup/web1"}]


def test_where_the_program_is() -> None:
    """As the role itself says it, for each back-end."""
    command = FILTERS["nas_command"]
    assert command({}) == "/usr/local/sbin/paranoid-backup-nas"
    for backend in ("zfs", "btrfs", "iocage"):
        assert command({"backup_nas_backend": backend, "backup_nas_dataset": "/srv/backup"}) == command({})
    for backend in ("core_iocage", "scale_app", "scale_incus", "scale_container"):
        said = command({"backup_nas_backend": backend, "backup_nas_dataset": "tank/backup"})
        assert said == "/mnt/tank/backup-nas/paranoid-backup-nas"


def test_each_nas_of_the_clients_once() -> None:
    groups = {"backup_nas": ["nas1", "nas2"]}
    hostvars: dict[str, dict[str, str]] = {"a": {}, "b": {"backup_client_nas": "nas2"}, "c": {}}
    assert FILTERS["nas_of_clients"](["a", "b", "c"], hostvars, groups) == ["nas1", "nas2"]
    assert FILTERS["nas_of_clients"](["b"], hostvars, groups) == ["nas2"]
    assert FILTERS["nas_of_clients"](["a", "c"], hostvars, {}) == []


def jail(fields: dict[str, Any]) -> Desired:
    """The jail that the module makes of the fields of an example."""
    mounts = [{"source": "/srv/backup/web1", "target": "/srv/backup/web1"}]
    asked = {"name": "vault", "mounts": mounts, "packages": [], "properties": fields["props"]}
    return parse({**asked, "release": fields["release"]})


INVENTORIES = sorted((ROOT / "inventories/nas").glob("*.yml"))
VERSIONS = {"core_iocage": ("jail", "13"), "scale_incus": ("instance", "25.10"), "scale_container": ("container", "26")}


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.stem)
def test_the_examples_say_what_role_and_middleware_know(path: Path) -> None:
    specs = yaml.safe_load((ROOT / "roles/backup_nas/meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    (nas,) = yaml.safe_load(path.read_text())["backup_nas"]["hosts"].values()
    assert {name for name in nas if name.startswith("backup_nas_")} <= set(options)
    backend = nas.get("backup_nas_backend", "zfs")
    assert backend in options["backup_nas_backend"]["choices"]
    if backend == "iocage":
        assert len(jail(nas["backup_nas_server_fields"]).properties) == 4
    if backend in VERSIONS:
        kind, version = VERSIONS[backend]
        check_fields(kind, nas["backup_nas_server_fields"], version)
