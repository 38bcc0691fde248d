# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of one session: by the server itself, and what the client said."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result


@dataclass(frozen=True)
class Evidence:
    """``deadline`` is the code of the one that passed, ``seconds`` its length; ``protocol`` says what broke it.

    ``ssh_signal`` is the signal that ended our own ssh, unless it came from here.
    """

    deadline: str = ""
    seconds: float = 0
    ssh_code: int | None = None
    ssh_signal: int | None = None
    ssh_log: str = ""
    hello: bool = False
    result: Result | None = None
    protocol: str = ""
    last_words: str = ""
    gate: GateSummary = field(default_factory=GateSummary)
