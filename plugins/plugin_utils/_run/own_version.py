# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version this collection is: as it was built, or as its source says."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_VERSION = re.compile(r"""^\s*"?version"?:\s*"([^"\\]{1,40})",?\s*$""", re.ASCII | re.MULTILINE)


def find_version() -> str:
    """Return the version, empty where neither MANIFEST.json nor galaxy.yml says it."""
    for name in ("MANIFEST.json", "galaxy.yml"):
        try:
            found = _VERSION.search((_ROOT / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        if found:
            return found[1]
    return ""
