# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of the server's own, which appear whole or not at all and are for root alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any


def save_json(path: str, content: Mapping[str, Any]) -> None:
    """Replace the file at ``path``, mode 0600; it is on disk when this returns."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8", opener=_owner_only) as handle:
        json.dump(content, handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(path + ".new", path)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
