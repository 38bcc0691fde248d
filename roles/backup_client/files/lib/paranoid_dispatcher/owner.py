# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of this host says by files: that it is switched off, and that he asks for a tunnel.

``<owner_dir>/off`` switches the backup off, and holds why; ``<base_dir>/request.json`` is what paranoid-backup-restore
leaves. Neither gives a right on the server: it is told, and people read it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from paranoid_dispatcher.output import printable
from paranoid_dispatcher.trust import find_distrust

OFF, HOOKS, SOURCES, REQUEST = "off", "hooks.d", "sources.d", "request.json"
TEXT_MAX = 300
READ_MAX = 4096  # bytes of one file
LISTED_MAX, LINE_MAX = 20, 150

Record = dict[str, Any]


@dataclass
class Owner:
    """What this session has seen of the owner's files; ``skipped`` are lines about what has no effect."""

    off: str = ""
    request: Optional[Record] = None
    sources: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)

    @property
    def told_briefly(self) -> Optional[Record]:
        """The same without its lists, where there is no room for them."""
        return replace(self, sources=(), excludes=(), hooks=(), skipped=[]).told

    @property
    def told(self) -> Optional[Record]:
        """What the answer tells; None if there is nothing."""
        record = {
            "off": self.off,
            "request": self.request,
            "sources": _cut(self.sources),
            "excludes": len(self.excludes),
            "hooks": _cut(self.hooks),
            "skipped": _cut(self.skipped),
        }
        return record if any(record.values()) else None


def look_at_owner(owner_dir: str, base_dir: Path) -> Owner:
    """Look whether the backup is switched off, and what is asked for; without OWNER_DIR nobody can say anything."""
    owner = Owner()
    if not owner_dir:
        return owner
    owner.request = load_request(base_dir)
    path = Path(owner_dir) / OFF
    if path.is_symlink() or path.exists():
        why = find_distrust(path)
        if why:
            owner.skipped.append(f"the backup is not switched off: {why}")
        else:
            owner.off = _read_reason(path)
    return owner


def _read_reason(path: Path) -> str:
    """Return what the file says; that it is there is what counts."""
    try:
        return printable(_read(path), TEXT_MAX) or "no reason given"
    except OSError:
        return "no reason that can be read"


def load_request(base_dir: Path) -> Optional[Record]:
    """Return ``why`` and ``made`` of the request for a tunnel; None if there is none that can be read."""
    try:
        record = json.loads(_read(base_dir / REQUEST))
        return {"why": printable(str(record["why"]), TEXT_MAX), "made": printable(str(record["made"]), 40)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def withdraw_request(base_dir: Path) -> None:
    """Remove the request: what it asked for is there."""
    (base_dir / REQUEST).unlink(missing_ok=True)


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, READ_MAX).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _cut(lines: Any) -> list[str]:
    return [printable(line, LINE_MAX) for line in lines][:LISTED_MAX]
