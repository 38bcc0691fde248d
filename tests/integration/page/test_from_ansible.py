# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""page.yml as a runner starts it: one NAS tells that it is ill, another is away, and the page is not green for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from page_world import Host, make_server
from tool import ROOT

PROGRAM = """#!{python}
import json, time
now = time.time()
line = {{"what": "snapshots", "root": "tank/backup", "late": ["tank/backup/web2"]}}
newest = {{"tank/backup": {{"tank/backup/web1": now - 60, "tank/backup/web2": now - 900000}}}}
told = {{"measured": now, "lines": [line], "newest": newest, "ages": {{"snapshot": 900000}}}}
print(json.dumps({{**told, "pools": {{"tank": {{"capacity": "42%"}}}}, "problems": ["tank <b>aches"]}}))
"""


def play(directory: Path, inventory: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the playbook on an inventory of hosts that are this machine."""
    (directory / "inventory.yml").write_text(yaml.safe_dump(inventory))
    command: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", directory / "inventory.yml"]
    extra = f"backup_config_dir={directory} backup_page_fetch={directory}/fetched"
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "HOME": str(directory)}
    command += [ROOT / "playbooks/page.yml", "-e", extra, "-e", '{"backup_page_clients": ["web1"]}']
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_page_asks_each_nas(tmp_path: Path) -> None:
    hosts = tuple(Host(name, 3, 1) for name in ("web1", "web2", "db1"))
    make_server(tmp_path, hosts, days=3, now=datetime.now(UTC))
    own = tmp_path / "nas/backup-nas"
    own.mkdir(parents=True)
    (own / "paranoid-backup-nas").write_text(PROGRAM.format(python=sys.executable))
    (own / "paranoid-backup-nas").chmod(0o755)
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    places = {name: os.path.relpath(tmp_path / name / "backup", "/mnt") for name in ("nas", "nowhere")}
    one, two = ({"backup_nas_backend": "core_iocage", "backup_nas_dataset": place} for place in places.values())
    inventory = {
        "backup_servers": {"hosts": {"vault": here}},
        "backup_nas": {"hosts": {"nas1": {**here, **one}, "nas2": {**here, **two}}},
        "backup_clients": {"hosts": {"web1": {}, "web2": {}, "db1": {"backup_client_nas": "nas2"}}},
    }
    done = play(tmp_path, inventory)
    assert done.returncode == 0, done.stdout + done.stderr
    status = json.loads((tmp_path / "fetched/vault/status.json").read_text())
    assert [one["nas"] for one in status["nas"]] == [one["of"] for one in status["troubles"]] == ["nas1", "nas2"]
    assert status["nas"][0]["problems"] == ["tank <b>aches"]
    clients = {one["client"]: (one["health"], bool(one["snapshot"])) for one in status["clients"]}
    assert clients == {"db1": ("noted", False), "web2": ("noted", True), "web1": ("good", True)}
    page = (tmp_path / "fetched/vault/index.html").read_text()
    assert "2 of 3 clients need somebody, and somebody should look at nas1 and nas2</h1>" in page
    assert "tank &lt;b&gt;aches" in page
    metrics = (tmp_path / "metrics/paranoid_backup.prom").read_text()
    assert 'paranoid_backup_nas_problems{nas="nas1"} 1\n' in metrics
