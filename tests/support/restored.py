# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the key's owner gets out of a repository, whatever its list of archives says: an archive by its id."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from borg.archive import Archive
from borg.crypto.key import key_factory
from borg.helpers import Error, IntegrityError, Manifest
from borg.logger import setup_logging
from borg.repository import Repository

LIST_ID = bytes(32)

setup_logging(stream=sys.stderr, env_var=None, level="critical")  # Borg wants it before the first call


@dataclass(frozen=True)
class Restored:
    """The content of an archive's files by their paths, and the ids of all objects that it needs.

    ``unreadable`` is the id of the object that ended it, empty if the archive was read to its last byte.
    """

    files: dict[str, bytes]
    needed: frozenset[bytes] = frozenset()
    unreadable: bytes = b""


class _Watched(Repository):  # type: ignore[misc]
    """A repository that remembers which object was read last."""

    last = LIST_ID

    def get(self, key: bytes) -> bytes:
        self.last = key
        return bytes(super().get(key))


@contextmanager
def reading(repository: Path) -> Iterator[_Watched]:
    """Open the repository without a lock, and close all of it: without one Borg leaves its segments open."""
    with _Watched(str(repository), lock=False) as opened:
        try:
            yield opened
        finally:
            opened.io.close()


class Keyring:
    """The client's key, taken while its list of archives was sound. The passphrase is in the environment."""

    def __init__(self, repository: Path) -> None:
        with reading(repository) as opened:
            self._key = key_factory(opened, opened.get(LIST_ID))

    def restore(self, repository: Path, archive: str) -> Restored:
        """Read an archive as far as it can be read."""
        with reading(repository) as opened:
            self._key.repository = opened
            try:
                return self._restore(opened, bytes.fromhex(archive))
            except (Error, IntegrityError, ValueError, TypeError, KeyError):  # whatever garbage brings about
                return Restored({}, unreadable=opened.last)

    def _restore(self, opened: _Watched, archive: bytes) -> Restored:
        manifest = Manifest(self._key, opened)
        manifest.archives["it"] = (archive, "2026-01-01T00:00:00.000000")
        found = Archive(opened, self._key, manifest, "it")
        needed = {archive, *found.metadata.items}
        files: dict[str, bytes] = {}
        for item in found.iter_items(preload=False):
            if "chunks" in item:
                chunks = [chunk.id for chunk in item.chunks]
                needed.update(chunks)
                files[item.path] = b"".join(self._key.decrypt(one, opened.get(one)) for one in chunks)
        return Restored(files, frozenset(needed))


def read_list(repository: Path) -> bytes:
    """Return the list of archives as it is stored."""
    with reading(repository) as opened:
        return bytes(opened.get(LIST_ID))


def read_objects(repository: Path) -> dict[bytes, bytes]:
    """Return all stored objects but the list of archives, in the order in which they lie."""
    with reading(repository) as opened:
        ids = [one for one in opened.list() if one != LIST_ID]
        ids.sort(key=lambda one: opened.index[one])
        return {one: bytes(opened.get(one)) for one in ids}
