# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs read: status.json by its schema, metrics by the rules of their format."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace

import jsonschema
import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import Disk, plain
from ansible_collections.paranoid.backup.plugins.module_utils._page.metrics import make_metrics
from ansible_collections.paranoid.backup.plugins.module_utils._page.status import make_status
from hostile_page import HOSTILE, make_hostile_fleet
from page_world import NOW
from promtool import NO_PROMTOOL, PROMTOOL
from tool import ROOT

SCHEMA = json.loads((ROOT / "docs/schemas/status.json").read_text())
QUOTED = r'"(?:[^"\\\n]|\\[\\"n])*"'
LINE = re.compile(rf"(?P<name>[a-z_]+)(?:\{{(?P<labels>[a-z]+={QUOTED}(?:,[a-z]+={QUOTED})*)\}})? (?P<number>\S+)")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def read(metrics: bytes) -> dict[str, dict[str, float]]:
    """Return values by metric and last label, read as the format says."""
    found: dict[str, dict[str, float]] = {}
    for line in metrics.decode("utf-8", "surrogatepass").removesuffix("\n").split("\n"):
        if line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        assert match, line[:200]
        last = re.findall(QUOTED, match["labels"] or '""')[-1][1:-1]
        value = re.sub(r"\\.", lambda escape: ESCAPES[escape[0]], last)
        series = found.setdefault(match["name"], {})
        assert value not in series, "twice the same"
        series[value] = float(match["number"])
    return found


def test_status_is_what_its_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    fleet = replace(make_hostile_fleet(), head=f"4711:{'a' * 64}")
    unknown = replace(fleet.clients[0], size=None, files=None, duration=None, added=None, disk=Disk(), last_good=None)
    content = make_status(replace(fleet, clients=(*fleet.clients, unknown)))
    status = json.loads(content)
    jsonschema.validate(status, SCHEMA)
    assert content.isascii()
    assert len(content) < 100_000
    assert status["made"] == "2026-11-26T07:30:00+00:00"
    assert sum(status["counts"].values()) == len(status["clients"]) == len(HOSTILE) + 1
    described = SCHEMA["$defs"]["client"]
    assert list(status["clients"][0]) == described["required"] == list(described["properties"])
    assert list(status) == SCHEMA["required"] == list(SCHEMA["properties"])


@pytest.mark.parametrize(
    ("key", "value"), [("health", "fine"), ("last_good", "yesterday"), ("size", "12"), ("held", 1.5)]
)
def test_the_schema_refuses_what_is_wrong(key: str, value: object) -> None:
    status = json.loads(make_status(replace(make_hostile_fleet(), head=f"1:{'a' * 64}")))
    status["clients"][0][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(status, SCHEMA)


def test_metrics_say_the_same_of_every_client_and_of_nobody_else() -> None:
    fleet = make_hostile_fleet()
    found = read(make_metrics(fleet))
    assert found["paranoid_backup_made_timestamp_seconds"] == {"": NOW.timestamp()}
    assert found["paranoid_backup_clients"] == dict(fleet.counts)
    names = [plain(client.name) for client in fleet.clients]
    per_client = {name: series for name, series in found.items() if "made" not in name and "clients" not in name}
    assert len(per_client) == 20 + 6, "of each client, and of each NAS of the same names"
    for series in per_client.values():
        assert list(series) == names, "no label became another series"
    assert found["paranoid_backup_frozen"] == {plain(c.name): float(c.health == "frozen") for c in fleet.clients}
    assert set(found["paranoid_backup_quota_bytes"].values()) == {1.0}
    unknown = replace(fleet.clients[0], name="web1", size=None, duration=None, disk=Disk(), last_good=None)
    found = read(make_metrics(replace(fleet, clients=(unknown,))))
    assert {"paranoid_backup_size_bytes", "paranoid_backup_disk_bytes"}.isdisjoint(found)
    assert "paranoid_backup_last_good_timestamp_seconds" not in found
    assert found["paranoid_backup_good"] == {"web1": 0.0}


@pytest.mark.skipif(PROMTOOL is None, reason=NO_PROMTOOL)
def test_promtool_reads_them() -> None:
    fleet = make_hostile_fleet()
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=make_metrics(fleet), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
