# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' interfaces: defaults and argument specification say the same, and so do roles that share something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TASK_FILES = sorted((ROOT / "roles").glob("*/tasks/*.yml"))
each_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict), f"{path} is no mapping"
    return loaded


def has_default(value: Any) -> bool:
    """Whether a specification can say this default: not null, and no template, which it would not evaluate."""
    return value is not None and "{{" not in str(value)


@each_role
def test_defaults_equal_argument_specs(role: Path) -> None:
    entry_points = load(role / "meta/argument_specs.yml")["argument_specs"]
    options = entry_points["main"]["options"]
    optional = {name for name, option in options.items() if not option.get("required", False)}
    defaults = load(role / "defaults/main.yml")
    assert defaults.keys() == optional, "variables that only one of the two knows"
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert {name: value for name, value in defaults.items() if has_default(value)} == specified


@each_role
def test_every_option_is_described_and_prefixed(role: Path) -> None:
    for entry_point in load(role / "meta/argument_specs.yml")["argument_specs"].values():
        assert entry_point["short_description"]
        for name, option in entry_point["options"].items():
            assert name.startswith(f"{role.name}_") and option["description"] and option["type"], name


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_task_files_can_be_read_at_one_glance(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60


@pytest.mark.parametrize("program", ["borg", "borgmatic"])
def test_roles_install_the_same_version(program: str) -> None:
    defaults = {name: value for role in ROLES for name, value in load(role / "defaults/main.yml").items()}
    versions = {value for name, value in defaults.items() if name.endswith(f"_{program}_version")}
    assert len(versions) == 1


def test_the_yaml_parser_is_the_same_wherever_wheels_are_named() -> None:
    parser = load(ROOT / "roles/backup_client/vars/main.yml")["__backup_client_yaml_parser"]
    built = load(ROOT / "roles/backup_wheelhouse/vars/main.yml")["__backup_wheelhouse_requirements"]
    assert parser in built and parser in (ROOT / "tests/tools/wheels.txt").read_text().splitlines()


def test_the_server_takes_every_setting_that_a_client_sends() -> None:
    """Else site.yml fails at the first client."""
    sent = load(ROOT / "roles/backup_client/vars/main.yml")["__backup_client_settings"]
    spec = load(ROOT / "roles/backup_server/meta/argument_specs.yml")["argument_specs"]["client"]["options"]
    assert set(sent) <= set(spec["backup_server_client_settings"]["options"])
