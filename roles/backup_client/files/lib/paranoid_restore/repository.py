# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository, read through Borg's own library and the tunnel. All that knows Borg is here and in `writing`.

Borg 1.4: `Manifest.load`, `Archive.iter_items`, `RemoteRepository.get_many`, `key.decrypt`, which checks what it
decrypts against the object's id.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timezone
from typing import Any

import borg
import borg.remote
from borg.archive import Archive
from borg.cache import assert_secure
from borg.helpers import Error, Location, Manifest
from borg.logger import setup_logging

from paranoid_restore.errors import RestoreError
from paranoid_restore.selection import Listed

LOCK_SECONDS = 5.0
IN_FLIGHT = 1000  # requests under way; Borg's own 100 wait for the network at 200 ms
_LOST = "the tunnel is closed: open it again, and repeat the command; what has come is not fetched again"


class Source:
    """An open repository."""

    def __init__(self, repository: Any) -> None:
        self._repository = repository
        self.manifest, self.key = Manifest.load(repository, (Manifest.Operation.READ,))
        assert_secure(repository, self.manifest, LOCK_SECONDS)

    def archives(self) -> list[Listed]:
        """Return the archives that are whole, oldest first."""
        found = self.manifest.archives.list(sort_by=["ts"], consider_checkpoints=False)
        return [Listed(one.name, one.id.hex(), one.ts.replace(tzinfo=one.ts.tzinfo or timezone.utc)) for one in found]

    def archive(self, listed: Listed) -> Archive:
        """Return an archive of Borg's, which sets no flags: an immutable file could not be put in its place."""
        return Archive(self._repository, self.key, self.manifest, listed.name, noflags=True)

    def fetch(self, identifiers: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield these chunks in order, each with its id, encrypted as they are stored."""
        return zip(identifiers, self._repository.get_many(identifiers))

    def decrypt(self, identifier: bytes, data: bytes) -> bytes:
        """Return a chunk's content; Borg raises IntegrityError when it is not what the id says."""
        return bytes(self.key.decrypt(identifier, data))

    def digest(self, content: bytes) -> bytes:
        """Return the id that a chunk of this content has."""
        return bytes(self.key.id_hash(content))


@contextmanager
def opened(location: str) -> Iterator[Source]:
    """Open the repository for a while, to read it; RestoreError says in a line what Borg says in many."""
    if not borg.__version__.startswith("1.4."):
        raise RestoreError(f"this is Borg {borg.__version__}, but 1.4 is needed: set backup_client_borg_version")
    setup_logging(level="warning")
    borg.remote.MAX_INFLIGHT = IN_FLIGHT
    options = argparse.Namespace(rsh=None, remote_path=None, debug_topics=[], upload_ratelimit=0, upload_buffer=0)
    try:
        with borg.remote.RemoteRepository(Location(location), lock_wait=LOCK_SECONDS, args=options) as repository:
            yield Source(repository)
    except (borg.remote.ConnectionClosed, BrokenPipeError, ConnectionError):
        raise RestoreError(_LOST) from None
    except Error as error:
        raise RestoreError(f"Borg: {' '.join(error.get_message().split())}") from None


def set_environment(config: dict[str, Any], socket: str) -> None:
    """Let Borg find tunnel, passphrase and keys, as the dispatcher does."""
    os.environ.update(
        {
            "PARANOID_BACKUP_SOCKET": socket,
            "BORG_RSH": config["relay"],
            "BORG_PASSCOMMAND": f"cat {config['passphrase_file']}",
            "BORG_BASE_DIR": config["base_dir"],
            "LANG": "C.UTF-8",
        }
    )
