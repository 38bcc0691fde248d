# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owners of clients say by files of their own, as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_times
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import OWNER_LIMIT
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import OwnerResult

NAMES_SHOWN = 5
SKIPPED_SHOWN = 10


def describe_request(owner: OwnerResult) -> str:
    """Return since when an owner asks for a tunnel, and why."""
    since = f"since {format_times(owner.asked)}" if owner.asked else "since an unknown time"
    return f"{since}: {owner.why or 'no reason given'}"


def describe_additions(owner: OwnerResult) -> tuple[str, ...]:
    """Return a line for each kind of what an owner added, and for each file that has no effect."""
    lines = [_count(owner.sources, "source of the owner", "sources of the owner")]
    lines.append(f"{owner.excludes} exclude{'' if owner.excludes == 1 else 's'} of the owner" if owner.excludes else "")
    lines.append(_count(owner.hooks, "hook of the owner", "hooks of the owner"))
    more = len(owner.skipped) - SKIPPED_SHOWN
    lines += [*owner.skipped[:SKIPPED_SHOWN], f"and {more} more, see the record" if more > 0 else ""]
    return tuple(filter(None, lines))


def _count(names: Sequence[str], one: str, many: str) -> str:
    if not names:
        return ""
    more = ", …" if len(names) > NAMES_SHOWN else ""
    count = f"{len(names)}{'' if len(names) < OWNER_LIMIT else '+'}"  # no more are told
    return f"{count} {one if len(names) == 1 else many}: {', '.join(names[:NAMES_SHOWN])}{more}"
