# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rebuild has done already, so that a second run finishes it and does nothing twice."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from paranoid_rebuild.errors import RebuildError

NAME = "rebuild.json"


@dataclass(frozen=True)
class State:
    """The archive that this machine is rebuilt from; whether its files are here, and which databases are.

    ``is_raised``: root is a superuser of PostgreSQL meanwhile, which is to be taken back.
    """

    archive: str = ""
    has_files: bool = False
    databases: tuple[str, ...] = ()
    is_raised: bool = False

    @classmethod
    def load(cls, base_dir: Path) -> State:
        """Return what an earlier run noted, or that there was none."""
        path = base_dir / NAME
        try:
            noted = json.loads(path.read_bytes())
            databases = tuple(map(str, noted["databases"]))
            return cls(str(noted["archive"]), bool(noted["has_files"]), databases, bool(noted.get("is_raised")))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError):
            raise RebuildError(f"{path} cannot be read: remove it, and everything is done once more") from None

    def note(self, base_dir: Path, **changes: Any) -> State:
        """Write down what has changed, and return it."""
        changed = replace(self, **changes)
        fresh = base_dir / f"{NAME}.new"
        fresh.write_text(json.dumps(asdict(changed)), encoding="utf-8")
        os.replace(fresh, base_dir / NAME)
        return changed
