# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter that reads what the owner of a client left there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import OwnerResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.owners import describe_request


def _tunnel_request(text: str) -> str:
    """Return in one printable line since when an owner asks for a tunnel, and why, whatever his file holds."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        request = None
    owner = OwnerResult.from_dict({"request": request})
    return describe_request(owner) if owner else ""


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"tunnel_request": _tunnel_request}
