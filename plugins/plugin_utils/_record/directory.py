# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a run: <report_dir>/<run id>/ with record.json, report.txt, report.html and mail.eml.

Directories are 0700, files 0600, and every file is replaced in one step: a reader sees the old or the new one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run

RECORD = "record.json"


class RecordExistsError(Exception):
    """There is already a run with this id."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's directory."""

    path: Path

    @classmethod
    def create(cls, report_dir: Path, run_id: str) -> RunDir:
        """Make the directory; raises RecordExistsError if there is one, so that two runs cannot share it."""
        path = report_dir / run_id
        report_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            raise RecordExistsError(f"the run {run_id} already has a record") from None
        path.chmod(0o700)
        return cls(path)

    @property
    def record(self) -> Path:
        """The path of the record."""
        return self.path / RECORD

    def begin(self, run: Run) -> None:
        """Write the first record; on an error remove the directory again and raise OSError."""
        try:
            self.save(run)
        except OSError:
            self.path.rmdir()
            raise

    def save(self, run: Run) -> None:
        """Replace the record; raises OSError."""
        self.write(RECORD, (json.dumps(run.to_dict(), ensure_ascii=False, indent=1) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Replace one file; on an error keep the old one and raise OSError."""
        atomic_write(str(self.path / name), content)
