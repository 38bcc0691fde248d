# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults and its argument specification say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).parents[3] / "roles"
MINE = ["backup_server", "backup_client"]


def _read(role: str, path: str) -> Any:
    return yaml.safe_load((ROLES / role / path).read_text())


@pytest.mark.parametrize("role", MINE)
def test_every_default_is_specified_and_equal(role: str) -> None:
    defaults = _read(role, "defaults/main.yml")
    options = _read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert set(defaults) == set(options)
    computed = {name for name, value in defaults.items() if isinstance(value, str) and "{{" in value}
    for name in set(defaults) - computed:
        assert options[name].get("default") == defaults[name], name
    assert not any("default" in options[name] for name in computed)


@pytest.mark.parametrize("role", MINE)
def test_every_option_is_described_and_prefixed(role: str) -> None:
    for entry in _read(role, "meta/argument_specs.yml")["argument_specs"].values():
        assert entry["short_description"]
        for name, option in entry["options"].items():
            assert name.startswith(f"{role}_") and option["description"] and option["type"], name


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/tasks/*.yml")), ids=lambda path: "/".join(path.parts[-3:]))
def test_task_files_can_be_read_at_one_glance(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60


def test_both_roles_install_the_same_borg() -> None:
    assert len({_read(role, "defaults/main.yml")[f"{role}_borg_version"] for role in MINE}) == 1
