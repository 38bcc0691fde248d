# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module and action offer the same options as the documentation."""

from __future__ import annotations

import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._session.options import SESSION_SPEC
from ansible_collections.paranoid.backup.plugins.modules.session import DOCUMENTATION


def test_documentation_and_spec_agree() -> None:
    options = yaml.safe_load(DOCUMENTATION)["options"]
    shown = {
        name: {key: value for key, value in option.items() if key != "description"} for name, option in options.items()
    }
    assert shown == SESSION_SPEC
