# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's defaults and its argument specification say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text())
    assert isinstance(loaded, dict), f"{path} is no mapping"
    return loaded


def has_default(value: Any) -> bool:
    """Whether a specification can say this default: not null, and no template, which it would not evaluate."""
    return value is not None and "{{" not in str(value)


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_defaults_equal_argument_specs(role: Path) -> None:
    entry_points = load(role / "meta/argument_specs.yml")["argument_specs"]
    options = entry_points["main"]["options"]
    optional = {name for name, option in options.items() if not option.get("required", False)}
    defaults = load(role / "defaults/main.yml")
    assert defaults.keys() == optional, "variables that only one of the two knows"
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert {name: value for name, value in defaults.items() if has_default(value)} == specified
