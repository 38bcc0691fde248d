# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shipped for AWX is what its tools take: checked against them, for AWX itself cannot run here."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import ansible
import pytest
import yaml
from tool import ROOT, run_tool

(PLAY,) = yaml.safe_load((ROOT / "docs/examples/awx/setup.yml").read_text())
TASKS = [(name, values) for task in PLAY["tasks"] for name, values in task.items() if name.startswith("awx.awx.")]
MODULES = Path(str(ansible.__file__)).parents[1] / "ansible_collections/awx/awx/plugins/modules"
TYPES: dict[str, Any] = {"str": str, "bool": bool, "int": (int, str), "list": list, "dict": dict, "float": float}


def options(module: str) -> dict[str, Any]:
    """Return the documented options of a module of awx.awx."""
    tree = ast.parse((MODULES / f"{module}.py").read_text())
    text = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION"
    )
    found: dict[str, Any] = yaml.safe_load(text)["options"]
    return found


def check(where: str, values: dict[str, Any], known: dict[str, Any]) -> None:
    """Compare what a task sets with the options of its module, and what is below them."""
    assert values.keys() <= known.keys(), where
    assert {name for name, one in known.items() if one.get("required")} <= values.keys(), where
    for name, value in values.items():
        kind = known[name].get("type", "str")
        assert isinstance(value, TYPES[kind]), f"{where}.{name} is no {kind}"
        if "choices" in known[name] and "{{" not in str(value):
            assert value in known[name]["choices"], f"{where}.{name}"
        below = known[name].get("suboptions")
        for one in (value if isinstance(value, list) else [value]) if below else ():
            check(f"{where}.{name}", one, below)


@pytest.mark.parametrize(("name", "values"), TASKS, ids=[f"{name} {place}" for place, (name, _v) in enumerate(TASKS)])
def test_each_task_is_one_that_the_collection_takes(name: str, values: dict[str, Any]) -> None:
    check(name, values, options(name.rpartition(".")[2]))


def test_its_parts_name_each_other() -> None:
    made = {(name.rpartition(".")[2], values["name"]) for name, values in TASKS if "name" in values}
    for name, values in TASKS:
        for key, kind in (("project", "project"), ("inventory", "inventory"), ("source_project", "project")):
            assert key not in values or (kind, values[key]) in made, f"{name}: {key}"
        assert all(("credential", one) in made for one in values.get("credentials", ()))
        if name == "awx.awx.job_template":
            assert (ROOT / "docs/examples/awx" / values["playbook"]).exists()
        for node in values.get("workflow_nodes", ()):
            assert ("job_template", node["unified_job_template"]["name"]) in made


def test_its_playbooks_can_be_read() -> None:
    for name in ("setup.yml", "backup.yml", "report.yml"):
        run_tool(
            "ansible-playbook", "--syntax-check", "-i", "localhost,", name,
            cwd=ROOT / "docs/examples/awx", ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".cache/collections"),
        )  # fmt: skip


def test_the_image_is_one_that_ansible_builder_describes(tmp_path: Path) -> None:
    builder = Path(sys.executable).parent / "ansible-builder"
    if not builder.exists():
        pytest.skip("NOT TESTED: ansible-builder is not installed: make bootstrap")
    run_tool("ansible-builder", "create", "--file", str(ROOT / "execution-environment.yml"), "--context", str(tmp_path))
    made = (tmp_path / "Containerfile").read_text()
    assert "ansible-runner==2.4.3" in made and "ansible-galaxy collection install --offline" in made
    assert "openssh-clients" in (tmp_path / "_build/bindep.txt").read_text()
