# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples for Prometheus and Grafana: they can be loaded, alert when they should, and ask for what is there."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from typing import Any

import jsonschema
import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.metrics import (
    CLIENT_METRICS,
    NAS_METRICS,
    POOL_METRICS,
    PREFIX,
)
from promtool import NO_PROMTOOL, PROMTOOL
from tool import ROOT

EXAMPLES = ROOT / "docs/examples/monitoring"
DASHBOARD: dict[str, Any] = json.loads((EXAMPLES / "dashboard.json").read_text())
MODEL = json.loads((ROOT / "tests/fixtures/grafana_dashboard.json").read_text())
LISTED: Any = (*CLIENT_METRICS, *NAS_METRICS, *POOL_METRICS)
METRICS = {"made_timestamp_seconds", "clients", *(name for name, _meaning, _find in LISTED)}


@pytest.mark.skipif(PROMTOOL is None, reason=NO_PROMTOOL)
def test_rules_alert_when_they_should() -> None:
    for words in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run([str(PROMTOOL), *words], cwd=EXAMPLES, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["rules.yml", "rules_test.yml", "dashboard.json"])
def test_only_metrics_that_are_written_are_asked_for(name: str) -> None:
    asked = set(re.findall(rf"\b{PREFIX}(\w+)", (EXAMPLES / name).read_text()))
    assert asked, "this test looks in the wrong place"
    assert asked <= METRICS


def test_the_dashboard_is_what_grafana_documents() -> None:
    jsonschema.Draft202012Validator.check_schema(MODEL)
    jsonschema.validate(DASHBOARD, MODEL)
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, f"{one} lies over {other}"
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]+)", json.dumps(DASHBOARD))) <= variables


@pytest.mark.parametrize(
    "change",
    [{"panels": []}, {"uid": "a b"}, {"time": {"from": "now-1h"}}, {"templating": {"list": [{"name": "x"}]}}],
)
def test_the_model_refuses_what_grafana_would(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(DASHBOARD | change, MODEL)
