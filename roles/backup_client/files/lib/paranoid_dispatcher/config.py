# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record that says where everything is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from paranoid_dispatcher.errors import Refused


@dataclass(frozen=True)
class Config:
    """/etc/paranoid-backup/client.json, written by the role backup_client."""

    client: str
    transport: str
    remote_dir: str
    borgmatic: str
    borg: str
    config: str
    repository: str
    passphrase_file: str
    relay: str
    base_dir: str
    runtime_dir: str
    deadline: int

    @classmethod
    def load(cls, path: Path) -> Config:
        """Read PATH; Refused when it cannot be used."""
        try:
            record = json.loads(path.read_bytes())
            return cls(**{name: kind(record[name]) for name, kind in _CONFIG_FIELDS.items()})
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise Refused(f"{path} cannot be read, run the role backup_client again: {exc!r}") from exc


_CONFIG_FIELDS: dict[str, type] = {
    **dict.fromkeys(
        (
            *("client", "transport", "remote_dir", "borgmatic", "borg", "config"),
            *("repository", "passphrase_file", "relay", "base_dir", "runtime_dir"),
        ),
        str,
    ),
    "deadline": int,
}
