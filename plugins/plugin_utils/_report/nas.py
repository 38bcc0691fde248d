# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAS under the servers, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    format_duration,
    format_number,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.shortcomings import NO_NAS
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Pool
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import Nas

ADVICE = "Measured there by paranoid-backup-nas status. No failure of this run; docs/nas.md says what to do about each."
_REMARKS_SHOWN = 3
_FORESEEN_DAYS = 400


def list_troubled(nas: Sequence[Nas]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return name and problems of each NAS that somebody should look at."""
    return tuple((one.name, one.problems) for one in nas if one.problems)


def summarize_nas(nas: Sequence[Nas]) -> str:
    """Return one sentence, as ``Somebody should look at nas1: 2 problems.``; empty if all is well."""
    troubled = list_troubled(nas)
    count = sum(len(lines) for _name, lines in troubled)
    if not troubled:
        return ""
    noun = "problem" if count == 1 else "problems"
    return f"Somebody should look at {join_names([name for name, _lines in troubled])}: {format_number(count)} {noun}."


def describe_nas(nas: Sequence[Nas] | None) -> list[str]:
    """Return a short line of ages for each NAS, and its remarks; one for an inventory without any."""
    if nas is None:
        return []
    if not nas:
        return [NO_NAS]
    return [line for one in nas for line in (*_describe_ages(one), *_list_remarks(one))]


def _describe_ages(nas: Nas) -> list[str]:
    aged = {"snapshot": nas.snapshot, "copy": nas.copy, "scrub": nas.scrub}
    parts = [f"{what} {format_duration(age)} ago" for what, age in aged.items() if age is not None]
    parts += [f"{pool.name} {pool.percent} % full{_foresee(pool)}" for pool in nas.pools if pool.percent is not None]
    return [f"{nas.name}: {', '.join(parts)}"] if parts else []


def _foresee(pool: Pool) -> str:
    """Return when a pool is full, if that is known and so soon that somebody may want to buy disks."""
    days = pool.full_in_days
    return f" (wholly in {days:.0f} days)" if days is not None and days <= _FORESEEN_DAYS else ""


def _list_remarks(nas: Nas) -> list[str]:
    shown = [f"{nas.name}: {remark}" for remark in nas.remarks[:_REMARKS_SHOWN]]
    rest = len(nas.remarks) - len(shown)
    return [*shown, f"{nas.name}: and {rest} more remarks, see the record"] if rest > 0 else shown
