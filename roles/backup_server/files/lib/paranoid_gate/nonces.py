# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a connection may move the repository's nonce, whose end nobody must come near."""

from __future__ import annotations

from paranoid_gate.errors import Refused

_BLOCK = 16  # bytes that one nonce encrypts
_LEAP = 2**40  # blocks a connection may reserve beyond what it sends; 2**64 is the end


class NonceGuard:
    """Lets nonces move only forward, by what the bytes that came can need, and some room."""

    def __init__(self, received: int) -> None:
        self._received = received  # bytes that had come before anything could be reserved
        self._start: int | None = None

    def check(self, free: int, following: int, received: int) -> None:
        """Refuse to move the first free nonce from ``free`` to ``following`` after ``received`` bytes in all."""
        if self._start is None:
            self._start = free
        limit = self._start + _LEAP + (received - self._received) // _BLOCK
        if not free < following <= limit:
            raise Refused(f"moving the nonce from {free} to {following}")
