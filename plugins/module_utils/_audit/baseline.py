# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline: what an audit keeps of a repository for the next one, and its form in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class Directory:
    """The committed segments of one directory: how many, their bytes, a digest of numbers and sizes.

    While ``mtime`` (ns) is the same, no segment was added to this directory or removed from it.
    """

    number: int
    mtime: int
    count: int
    size: int
    digest: str


@dataclass(frozen=True)
class Baseline:
    """The state of a repository after a session. None means unknown; sizes are bytes.

    ``transaction`` is the last committed segment, -1 in an empty repository; ``objects`` counts the index's entries;
    ``manifest`` is the stored size of the list of archives; below ``manifest_floor``, the next backup's list has
    certainly lost some; ``config`` is a digest; ``nonce`` is the first that is not reserved; ``freeable`` is what the
    next compaction could free; ``compression`` is what the last backup was told to use, empty if unknown;
    ``highest_nonce`` is the highest that any audit saw, also when the repository went back since.
    """

    transaction: int
    directories: tuple[Directory, ...]
    objects: int | None
    manifest: int
    manifest_floor: int
    config: str
    nonce: int | None
    freeable: int | None
    compression: str = ""
    highest_nonce: int | None = None

    @property
    def size(self) -> int:
        """The size of all committed segments, in bytes."""
        return sum(directory.size for directory in self.directories)

    def to_dict(self) -> dict[str, Any]:
        """Return the baseline as JSON can hold it."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Baseline:
        """Return the baseline that ``to_dict`` wrote; ValueError if ``content`` is anything else."""
        try:
            if content["schema"] != SCHEMA:
                raise ValueError(f"a baseline of schema {content['schema']}")
            fields = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
            fields["directories"] = tuple(Directory(**entry) for entry in fields["directories"])
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a baseline: {error}") from None
