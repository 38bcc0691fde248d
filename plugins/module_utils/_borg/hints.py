# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's hints, read without Borg: how much the next compaction can free.

The server's own Borg writes ``hints.<transaction>`` at each commit, a msgpack map.
Source: Borg 1.4, docs/internals/data-structures, "Index, hints and integrity".
"""

from __future__ import annotations

import struct

from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._borg.msgpack import Msgpack
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import read_beneath

_LIMIT = 16 * 1024 * 1024  # bytes that are read; `compact` comes before the part that grows


def freeable_bytes(repository: str, transaction: int) -> int | None:
    """Return what the next compaction could free, None without hints for this transaction; raise Unreadable."""
    try:
        content = read_beneath(repository, f"hints.{transaction}", limit=_LIMIT)
    except FileNotFoundError:
        return None
    try:
        return _freeable(Msgpack(content))
    except (IndexError, ValueError, struct.error):
        raise Unreadable(f"hints.{transaction} is no hints file of Borg 1.4") from None


def _freeable(hints: Msgpack) -> int:
    for _pair in range(hints.map_length()):
        name = hints.value()
        if name == b"compact":
            return sum(max(0, hints.pair()[1]) for _pair in range(hints.map_length()))
        hints.skip()
    raise ValueError("no compact")
