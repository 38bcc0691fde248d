# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client lacks although its backups arrive, in words: mail and page say the same of it. No I/O."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import NONE, OUTDATED, UNREADABLE
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import ESCROW, RESTORE

NO_NAS = (
    "none in the inventory, so no snapshot is out of a server's reach: whoever is root there "
    "can delete all backups for good (nas.md)"
)
_ESCROW = {
    NONE: "no escrow: set backup_client_escrow_recipients, run site.yml, then escrow.yml",
    OUTDATED: "escrowed for others than it should be: run site.yml, then escrow.yml",
    UNREADABLE: "what is escrowed cannot be read on the server: bring it back from a copy",
}


def describe_escrow(state: str) -> str:
    """Return what is wrong with an escrow of this state, empty if nothing is."""
    return _ESCROW.get(state, "")


def describe_unopened(last: str, overdue: Collection[str]) -> str:
    """Return since when nobody opened the escrow, empty if that is not overdue; ``last`` is when somebody did."""
    if ESCROW not in overdue:
        return ""
    what = "was opened by a holder too long ago" if last else "was never opened by a holder"
    return f"the escrow {what}: escrow.yml --tags prove"


def describe_untried(last: str, overdue: Collection[str]) -> str:
    """Return since when nobody tried a restore, empty if that is not overdue; ``last`` is when somebody did."""
    if RESTORE not in overdue:
        return ""
    return f"a restore was {'tried too long ago' if last else 'never tried'}: drill.yml"
