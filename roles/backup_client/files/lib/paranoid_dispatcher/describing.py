# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of this system, which every archive has: with it a burned host is built anew.

It comes by a pattern before all others: no list of sources or excludes, nor the role's own excludes, leaves it out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from paranoid_system.asking import Asker
from paranoid_system.description import NAME, describe, save

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.host import versions
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.server_link import ServerLink

LINE_MAX = 300


def keep_description(config: Config, link: ServerLink) -> list[str]:
    """Write what this system is, and return the options of borgmatic that save it; a backup does not fail for it."""
    path = Path(config.base_dir) / NAME
    try:
        save(path, describe(versions(config), Asker(lambda: bool(link.stop_reason)), _has_postgresql(config)))
    except (OSError, ValueError) as exc:
        line = printable(f"dispatch: this system could not be described: {exc}", LINE_MAX)
        os.write(2, line.encode("utf-8", "replace") + b"\n")
    return ["--patterns", json.dumps([f"R {path}", f"+ pf:{path}"])] if path.is_file() else []


def _has_postgresql(config: Config) -> bool:
    """Tell whether a database of PostgreSQL on this host is saved."""
    databases = json.loads(Path(config.config).read_bytes()).get("postgresql_databases") or ()
    return any(not database.get("hostname") for database in databases)
