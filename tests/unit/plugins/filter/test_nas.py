# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Datasets of clients, as the role backup_nas computes them from the inventory."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.filter.nas import FilterModule

FILTERS = FilterModule().filters()


def test_clients_come_from_the_inventory() -> None:
    hostvars = {"web1": {"backup_client_quota": "1000"}, "db1": {"backup_client_name": "db"}}
    clients = FILTERS["quotas_of_clients"](["web1", "db1"], hostvars)
    assert clients == [{"name": "web1", "quota": 1000}, {"name": "db", "quota": None}]


def test_a_client_has_room_for_its_repository_and_for_snapshots() -> None:
    clients = [{"name": "web1", "quota": 1000}, {"name": "db"}]
    web1, db = FILTERS["client_datasets"](clients, "tank/b", {"atime": "off"}, "110", 300)
    assert web1["name"] == "tank/b/web1" and web1["mark"] == "client web1"
    assert web1["properties"] == {"atime": "off", "refquota": "1100", "quota": "3000"}
    assert db["properties"] == {"atime": "off", "refquota": "none", "quota": "none"}
