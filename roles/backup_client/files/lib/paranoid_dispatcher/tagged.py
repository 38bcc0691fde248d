# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories tags left out of the last archive: a report names those that are new, and counts the others."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

NAME = "tagged.json"
KEPT_MAX = 10_000  # paths; what is beyond is named again


def load_tagged(base_dir: Path) -> frozenset[str]:
    """Return what was told before; nothing if that cannot be read, so that all is told."""
    try:
        return frozenset(map(str, json.loads((base_dir / NAME).read_bytes())))
    except (OSError, ValueError, TypeError):
        return frozenset()


def save_tagged(base_dir: Path, paths: Iterable[str]) -> None:
    """Remember what has been told. Where the disk is full it is told again: no backup fails for that."""
    new = base_dir / f"{NAME}.new"
    with contextlib.suppress(OSError):
        new.write_text(json.dumps(sorted(paths)[:KEPT_MAX]), encoding="ascii")
        os.replace(new, base_dir / NAME)
