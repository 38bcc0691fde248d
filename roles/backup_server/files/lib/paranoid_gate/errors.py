# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a call is refused, and how a connection ends early."""

from __future__ import annotations

import errno

from borg.helpers import Error

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


OUT_OF_MEMORY = (
    "it needs more memory than the server gives to one process of Borg: run it again, for the limit grows with what is"
    " committed; then give the server more memory"
)


def is_out_of_memory(error: Exception) -> bool:
    """Return whether the process was at its memory limit, also where Borg wraps that or has no exception for it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (cause.__class__ is Exception and str(cause).startswith("hashindex_")):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class Refused(Error):  # type: ignore[misc]
    """Error: {}"""

    # Borg's client rebuilds the class `Error` from its first argument and shows it as one line.


class EndOfConnection(Exception):
    """The connection must end now; ``reason`` is a word of the gate's report."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
