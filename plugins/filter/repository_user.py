# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter paranoid.backup.repository_user."""

from __future__ import annotations

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import repository_user


def _filter(client: object) -> str:
    if not isinstance(client, str):
        raise AnsibleFilterError(f"repository_user needs a client's name, not {type(client).__name__}")
    try:
        return repository_user(client)
    except ValueError as exc:
        raise AnsibleFilterError(f"repository_user: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[[object], str]]:
        """Map filter names to functions."""
        return {"repository_user": _filter}
