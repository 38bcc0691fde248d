# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paranoid_dispatcher.errors import Refused


@dataclass(frozen=True)
class Config:
    """/etc/paranoid-backup/client.json, written by the role backup_client.

    ``mounts`` says of some sources whether something must be mounted there.
    """

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
    keyholder_dir: str = ""
    keyholder_for: tuple[str, ...] = ()
    keys_dir: str = ""
    mounts: Mapping[str, bool] = field(default_factory=dict)
    tagged_paths: tuple[str, ...] = ()
    accept_unreadable: tuple[str, ...] = ()
    may_be_empty: tuple[str, ...] = ()  # sources
    escrow_recipients: tuple[tuple[str, str], ...] = ()  # holder, and what age encrypts for
    hook_seconds: int = 3600
    nice: int = 0  # of all that a session starts
    saved: str = ""  # a fingerprint of what this host was told to save, which the server has as well
    owner_dir: str = ""  # where the owner of this host has hooks.d, sources.d and off

    @classmethod
    def load(cls, path: Path) -> Config:
        """Load PATH; Refused if it cannot be used."""
        try:
            record = json.loads(path.read_bytes())
            required = {name: kind(record[name]) for name, kind in _CONFIG_FIELDS.items()}
            mounts = {str(path): bool(wish) for path, wish in dict(record.get("mounts", {})).items()}
            lists: dict[str, Any] = {name: tuple(map(str, record.get(name, ()))) for name in _LISTS}
            lists["escrow_recipients"] = tuple(
                (str(one["holder"]), str(one["recipient"])) for one in record.get("escrow_recipients", ())
            )
            return cls(
                **required,
                keyholder_dir=str(record.get("keyholder_dir", "")),
                owner_dir=str(record.get("owner_dir", "")),
                saved=str(record.get("saved", "")),
                mounts=mounts,
                hook_seconds=int(record.get("hook_seconds", cls.hook_seconds)),
                nice=int(record.get("nice", cls.nice)),
                **lists,
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise Refused(f"{path} cannot be read, run the role backup_client again: {exc!r}") from exc

    def as_keyholder(self, client: str) -> Config:
        """Return the configuration for work on behalf of CLIENT; Refused if this host is not its keyholder."""
        if client not in self.keyholder_for:
            raise Refused(
                f"this host is no keyholder of {client}: name it in backup_client_keyholder_for, run site.yml"
            )
        own, base = Path(self.keyholder_dir) / client, Path(self.base_dir) / "keyholder" / client
        return replace(
            self,
            client=client,
            repository=f"ssh://paranoid-backup/{client}",
            passphrase_file=str(own / "passphrase"),
            keys_dir=str(own / "keys"),
            owner_dir="",
            base_dir=str(base),
            runtime_dir=str(base / "runtime"),
        )


_LISTS = ("keyholder_for", "tagged_paths", "accept_unreadable", "may_be_empty")
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
