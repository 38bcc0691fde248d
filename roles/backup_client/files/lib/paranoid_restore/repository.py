# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository, read through Borg's own library and the tunnel. All that knows Borg is here and in `writing`.

Borg 1.4: `Manifest.load`, `Archive.iter_items`, `RemoteRepository.call_many`, `key.decrypt`, which checks what it
decrypts against the object's id.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timezone
from typing import Any, Optional

import borg
import borg.remote
from borg.archive import Archive
from borg.cache import assert_secure
from borg.constants import MAX_DATA_SIZE
from borg.helpers import Error, IntegrityError, Location, Manifest, msgpack
from borg.logger import setup_logging
from borg.remote import ARGS, MSG, MSGID
from borg.repository import Repository

from paranoid_restore.errors import RestoreError
from paranoid_restore.selection import Listed

LOCK_SECONDS = 5.0
GROUP_CHUNKS, GROUP_BYTES = 1000, 16 * 2**20
# What is asked for before it is needed: less than a fast line of 200 ms holds would leave it idle. It lies on the way,
# in memory only where a chunk is missing; the requests (75 bytes each) fit into a channel of ssh, which holds 2 MiB.
AHEAD_CHUNKS, AHEAD_BYTES = 4000, 128 * 2**20
_LOST = "the tunnel is closed: open it again, and repeat the command; what has come is not fetched again"


@dataclass(frozen=True)
class Group:
    """Chunks that are asked for together; ``size`` in bytes."""

    identifiers: list[bytes]
    size: int


class Source:
    """An open repository. ``seconds`` is how long it took to open: processes, key and round trips."""

    def __init__(self, repository: Any, began: float) -> None:
        self._repository = repository
        self.manifest, self.key = Manifest.load(repository, (Manifest.Operation.READ,))
        assert_secure(repository, self.manifest, LOCK_SECONDS)
        self.seconds = time.monotonic() - began

    def archives(self) -> list[Listed]:
        """Return the archives that are whole, oldest first."""
        found = self.manifest.archives.list(sort_by=["ts"], consider_checkpoints=False)
        return [Listed(one.name, one.id.hex(), one.ts.replace(tzinfo=one.ts.tzinfo or timezone.utc)) for one in found]

    def archive(self, listed: Listed) -> Archive:
        """Return an archive of Borg's, which sets no flags: an immutable file could not be put in its place."""
        return Archive(self._repository, self.key, self.manifest, listed.name, noflags=True)

    def fetch(self, chunks: Iterable[Any]) -> Iterator[tuple[bytes, Optional[bytes]]]:
        """Yield these chunks in order, each with its id, encrypted as they are stored; None for one that is not there.

        Those behind are asked for before these have come, so that the line is never idle.
        """
        groups = _in_groups(chunks)
        asked: deque[Group] = deque()
        while True:
            while _has_room(asked) and (group := next(groups, None)):
                self._ask(group.identifiers)
                asked.append(group)
            if not asked:
                return
            yield from self._receive(asked.popleft().identifiers)

    def _ask(self, group: list[bytes]) -> None:
        """Send the requests, as Borg's `call_many` does for what it preloads, but many in one write."""
        remote = self._repository
        for identifier in group:
            remote.msgid += 1
            remote.chunkid_to_msgids.setdefault(identifier, []).append(remote.msgid)
            remote.to_send.push_back(msgpack.packb({MSGID: remote.msgid, MSG: "get", ARGS: {"id": identifier}}))

    def _receive(self, group: list[bytes]) -> Iterator[tuple[bytes, Optional[bytes]]]:
        left = group
        while left:
            done = 0
            try:
                for data in self._repository.get_many(left, is_preloaded=True):
                    yield left[done], data
                    done += 1
            except (Repository.ObjectNotFound, IntegrityError):
                yield left[done], None
                done += 1
                self._ask(left[done:])  # Borg passes over the answers that stood behind it.
            left = left[done:]

    def decrypt(self, identifier: bytes, data: bytes) -> bytes:
        """Return a chunk's content; Borg raises IntegrityError when it is not what the id says."""
        return bytes(self.key.decrypt(identifier, data))

    def digest(self, content: bytes) -> bytes:
        """Return the id that a chunk of this content has."""
        return bytes(self.key.id_hash(content))


def _has_room(asked: Iterable[Group]) -> bool:
    """Tell whether more may be asked for."""
    chunks, size = sum(len(group.identifiers) for group in asked), sum(group.size for group in asked)
    return chunks < AHEAD_CHUNKS and size < AHEAD_BYTES


def _in_groups(chunks: Iterable[Any]) -> Iterator[Group]:
    """Yield the ids of chunks in groups that are neither too many nor too large."""
    group: list[bytes] = []
    size = 0
    for chunk in chunks:
        group.append(chunk.id)
        size += chunk.size
        if len(group) >= GROUP_CHUNKS or size >= GROUP_BYTES:
            yield Group(group, size)
            group, size = [], 0
    if group:
        yield Group(group, size)


@contextmanager
def opened(location: str) -> Iterator[Source]:
    """Open the repository for a while, to read it; RestoreError says in a line what Borg says in many."""
    if not borg.__version__.startswith("1.4."):
        raise RestoreError(f"this is Borg {borg.__version__}, but 1.4 is needed: set backup_client_borg_version")
    setup_logging(level="warning")
    borg.remote.MAX_INFLIGHT = GROUP_CHUNKS
    _keep_memory()
    began = time.monotonic()
    place = Location(location)
    options = argparse.Namespace(rsh=None, remote_path=None, debug_topics=[], upload_ratelimit=0, upload_buffer=0)
    try:
        # Borg's own way out asks for a rollback, and waits for its answer behind all that is under way, up to 30 s.
        with closing(borg.remote.RemoteRepository(place, lock_wait=LOCK_SECONDS, args=options)) as repository:
            yield Source(repository, began)
    except (borg.remote.ConnectionClosed, BrokenPipeError, ConnectionError):
        raise RestoreError(_LOST) from None
    except Error as error:
        raise RestoreError(f"Borg: {' '.join(error.get_message().split())}") from None


def _keep_memory() -> None:
    """Let memory that was used be used again: Borg takes 10 MiB for a read of what may be 64 KiB (remote.py, BUFSIZE).

    glibc fetches no more from the system than what is larger than all that was freed so (mallopt(3), M_MMAP_THRESHOLD).
    """
    bytes(MAX_DATA_SIZE)


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
