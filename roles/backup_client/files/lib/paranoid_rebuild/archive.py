# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that a machine is rebuilt from, read by Borg through the tunnel."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_rebuild.errors import RebuildError, printable
from paranoid_rebuild.running import Runner

BORG = "/usr/local/sbin/paranoid-backup-borg"
LOOKED_AT = 40
_FIELDS: dict[str, type] = {
    "hostname": str,
    "machine": str,
    "os": dict,
    "architecture": str,
    "package_manager": str,
    "packages": list,
    "unchanged_configuration": list,
    "users": list,
    "groups": list,
    "services": list,
    "masked": list,
    "file_systems": list,
    "postgresql_roles": list,
    "remarks": list,
}

Record = dict[str, Any]


@dataclass(frozen=True)
class Archives:
    """Reads archives; ``description`` is where they have what their system was."""

    runner: Runner
    description: str

    def choose(self, name: str, machine: str) -> tuple[str, Optional[Record]]:
        """Return the archive of this NAME, or the newest that was not made by this MACHINE, and what its system was."""
        names = [name] if name else self._names()
        for one in names[:LOOKED_AT]:
            text = self.read(one, self.description)
            system = parse_description(text) if text else None
            if name or system is None or not machine or system["machine"] != machine:
                return one, system
        raise RebuildError("all archives were made by this very machine: name the one to rebuild from by --archive")

    def read(self, archive: str, path: str) -> str:
        """Return the text of a file of an archive, empty if it has none: then Borg ends with 1."""
        done = self.runner.run(BORG, "extract", "--stdout", f"::{archive}", path.lstrip("/"))
        if done.code not in (0, 1):  # Below is a signal: what it said until then may be a part.
            raise RebuildError(f"{printable(archive)} cannot be read: {done.reason}")
        return done.out

    def _names(self) -> list[str]:
        """Return the names of the archives, the newest first."""
        done = self.runner.run(BORG, "list", "--json")
        if done.code:
            raise RebuildError(f"the archives cannot be listed: {done.reason}")
        names = [str(one["name"]) for one in json.loads(done.out)["archives"]]
        if not names:
            raise RebuildError("there is no archive yet")
        return names[::-1]


def parse_description(text: str) -> Record:
    """Return what a system was; RebuildError for what is no description of one."""
    try:
        found = json.loads(text)
        if found["schema"] != 1:
            raise RebuildError(f"the description of the old system has schema {found['schema']!r}, which is not known")
        for name, kind in _FIELDS.items():
            if not isinstance(found[name], kind):
                raise TypeError(name)
    except (ValueError, KeyError, TypeError) as exc:
        raise RebuildError(f"the description of the old system cannot be read: {exc!r}") from None
    return dict(found)
