# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter paranoid.backup.absent_clients: who is missing from a play, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import read_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.absence import describe_roll


def _absent_clients(results: Sequence[Mapping[str, Any]], present: Sequence[str]) -> list[str]:
    """Return a sentence for each client of the servers in RESULTS that is not one of the hosts PRESENT."""
    return describe_roll(read_roll(results, present))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"absent_clients": _absent_clients}
