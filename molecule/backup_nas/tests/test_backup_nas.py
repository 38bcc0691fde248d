# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_nas leaves behind on a TrueNAS."""

from __future__ import annotations

import json

from testinfra.host import Host


def things(vault: Host) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = json.loads(
        vault.file("/usr/local/lib/fake-truenas/state.json").content_string
    )["things"]
    return found


def test_each_client_has_a_dataset_and_the_server_sees_that(vault: Host) -> None:
    names = ["tank/backup", "tank/backup-nas", "tank/backup/web1", "tank/backup/db1"]
    assert [one["id"] for one in things(vault)["pool.dataset"]] == names
    (server,), devices = things(vault)["container"], things(vault)["container.device"]
    assert server["name"] == "inner" and server["status"] == {"state": "RUNNING"}
    seen = [one["attributes"] for one in devices]
    assert seen == [
        {"dtype": "FILESYSTEM", "source": f"/mnt/tank/backup/{name}", "target": f"/srv/backup/{name}"}
        for name in ("web1", "db1")
    ]


def test_the_nas_starts_its_own_program(vault: Host) -> None:
    (job,) = things(vault)["cronjob"]
    assert job["command"] == "/mnt/tank/backup-nas/paranoid-backup-nas daily"
    program = vault.file("/mnt/tank/backup-nas/paranoid-backup-nas")
    assert (program.user, program.group, oct(program.mode)) == ("root", "root", "0o755")
    said = vault.run("/mnt/tank/backup-nas/paranoid-backup-nas daily")
    assert said.rc == 1 and "Traceback" not in said.stderr, "a container has no ZFS"
