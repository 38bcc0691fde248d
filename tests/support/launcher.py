# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic as the role backup_client installs it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tool import ROOT

SOURCE = ROOT / "roles/backup_client/files/strict_borgmatic.py"


def install_launcher(directory: Path) -> str:
    """Write the launcher into a directory, as a program of the tests' own venv; return its path."""
    path = directory / "borgmatic"
    path.write_text(f"#!{sys.executable} -I\n{SOURCE.read_text()}")
    path.chmod(0o755)
    for name in ("borgmatic_hooks.py", "borgmatic_databases.py"):
        shutil.copy(SOURCE.with_name(name), directory)
    return str(path)
