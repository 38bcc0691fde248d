# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a connection may move the repository's nonce, whose end nobody must come near."""

from __future__ import annotations

from paranoid_gate.errors import Refused

_BLOCK = 16  # bytes that one nonce encrypts
_LEAP = 2**40  # blocks a connection may reserve beyond what it sends; 2**64 is the end
_OLD_CLIENTS = 2**61  # what lies behind is divided among keyholders and clients
_CLOCK_LIMIT = 2**63 + 2**62  # a client begins below, where its clock says; as much again lies before the end


class NonceGuard:
    """Lets nonces move only forward, by what the bytes that came can need, and some room.

    A client leaps once to where its clock puts it, so that no two hosts with one key encrypt with the same nonces.
    """

    def __init__(self, received: int) -> None:
        self._received = received  # bytes that had come before anything could be reserved
        self._start: int | None = None

    def check(self, free: int, following: int, received: int) -> None:
        """Refuse to move the first free nonce from ``free`` to ``following`` after ``received`` bytes in all."""
        if self._start is None:
            self._start = free
        limit = self._start + _LEAP + (received - self._received) // _BLOCK
        is_beginning = _OLD_CLIENTS < following <= _CLOCK_LIMIT
        if not (free < following and (following <= limit or is_beginning)):
            raise Refused(f"moving the nonce from {free} to {following}")
