# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes to the open repository so that what was there before stays."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from borg.repository import LoggedIO, Repository

from paranoid_gate.errors import Refused
from paranoid_gate.events import Report
from paranoid_gate.guarded import ENTRY_SIZE, MANIFEST_ID, GuardedRepository
from paranoid_gate.nonces import NonceGuard
from paranoid_gate.policy import Options
from paranoid_gate.quota import Space
from paranoid_gate.spread import Spread
from paranoid_gate.trim import TrimBudget

_GONE_SIZE = 48  # bytes that the hints keep of each object that was deleted or replaced
_KEY = re.compile(r"[A-Za-z0-9+/=]{1,256}(\n[A-Za-z0-9+/=]{1,256})*\n?\Z")
_KEY_LIMIT = 32 * 1024  # characters


class Writer:
    """Writes to an open repository; every object of an earlier session is out of reach, but for the budget.

    Which objects are earlier is read off their segment: compaction never runs here, so that segments from
    ``first_segment`` on are this session's own. That costs no memory, however much is sent. An earlier connection of
    the same session names it: borgmatic creates an archive in one and renames it in the next.

    A transaction from which something is missing (quota, budget) is doomed: it can only be rolled back.
    """

    def __init__(self, repository: GuardedRepository, options: Options, report: Report) -> None:
        self._repository = repository
        self._report = report
        self._counts = report.counts
        self._space = Space(options.path, options.quota)
        self._spread = Spread()
        self._kept = options.kept
        self._trim = TrimBudget(options.budget)
        self._nonces = NonceGuard(report.counts.received)
        self._first_segment = options.first_segment
        self._is_measured = False
        self._in_transaction = False  # Borg's own flag is also set by a read that failed half-way
        self._index_size = 0
        self._doomed: Exception | None = None

    def put(self, key: bytes, data: bytes) -> None:
        """Store a new object, or the next manifest."""
        self._begin()
        if key == MANIFEST_ID:
            with self._dooming():
                self._trim.check_manifest(len(data))
            self._charge(len(data) + 2 * ENTRY_SIZE, new_files=2)
        else:
            position = self._repository.index.get(key)
            if position is not None and self._is_earlier(position[0]):
                self._keep(key, position, len(data))
                return
            self._trim.check_new(key)
            if position is None:
                self._spread.check(key)
            self._charge(len(data) + ENTRY_SIZE + (0 if position is None else ENTRY_SIZE + _GONE_SIZE))
        self._repository.put(key, data)
        self._counts.put += 1
        self._counts.manifests += key == MANIFEST_ID

    def delete(self, key: bytes) -> None:
        """Delete an object of this session, or within the budget one of an earlier session."""
        self._begin()
        position = self._repository.index.get(key)
        if position is None:
            raise Repository.ObjectNotFound(key, self._repository.path)
        if key == MANIFEST_ID:
            raise Refused("deleting the manifest")
        if self._is_earlier(position[0]):
            if self._trim.is_empty:
                raise Refused("deleting what is already stored")
            with self._dooming():
                self._spend(key, position)
        self._charge(ENTRY_SIZE + _GONE_SIZE)
        self._repository.delete(key)
        self._counts.delete += 1

    def commit(self) -> int:
        """Commit without compaction; return the transaction's number."""
        if self._doomed is not None:
            raise self._doomed.with_traceback(None)  # else it keeps every refused message alive
        if not self._in_transaction:
            raise Refused("a commit of nothing")
        self._charge(LoggedIO.header_fmt.size, new_files=2)  # a segment of its own, and the one that came before
        self._repository.commit(compact=False)
        self._in_transaction = False
        return int(self._repository.io.segment) - 1

    def reserve_nonces(self, following: int, start: int | None) -> None:
        """Move the repository's nonce forward, within bounds."""
        free = self._repository.get_free_nonce()
        if start != free:
            raise Refused(f"moving the nonce from {start}, but it is {free}")
        self._nonces.check(free or 0, following, self._counts.received)
        self._repository.commit_nonce_reservation(following, start)

    def save_key(self, key: bytes) -> None:
        """Store the key of a new repository; its form leaves no room for other lines of the config."""
        text = key.decode("ascii", "replace")
        if len(text) > _KEY_LIMIT or not _KEY.match(text):
            raise Refused("a key of unknown form")
        with self._repository.writing_config():
            self._repository.save_key(key)

    def rollback(self) -> None:
        """Forget what is not committed, on the disk as well."""
        self._doomed = None
        self._in_transaction = False
        repository = self._repository
        if repository._active_txn:
            # Closing the last segment may fail once, on a full disk; the second call deletes it all the same.
            with contextlib.suppress(OSError):
                repository.io.close_segment()
            transaction = repository.io.get_segments_transaction_id()
            if transaction is not None:
                repository.io.cleanup(transaction)
            elif repository.created:  # else no commit can be read: that is damage, and nothing to clean up
                repository.io.cleanup(-1)
        repository.rollback()

    def _begin(self) -> None:
        if self._doomed is not None:
            raise self._doomed.with_traceback(None)
        if self._in_transaction:
            return
        repository = self._repository
        repository.rollback()  # what a read that failed left in memory is not what lies on the disk
        repository.prepare_txn(repository.get_transaction_id())
        if not self._is_measured:
            self._measure()
            self._is_measured = True
        self._in_transaction = True

    def _measure(self) -> None:
        repository = self._repository
        if self._first_segment is None:
            self._first_segment = int(repository.io.segment)
            self._report.record_begin(self._first_segment)
        self._space.measure()
        self._index_size = int(repository.index.size())
        manifest = repository.index.get(MANIFEST_ID)
        if manifest is not None and not self._trim.is_empty:
            self._trim.begin(self._stored_size(MANIFEST_ID, *manifest) - ENTRY_SIZE)

    def _keep(self, key: bytes, position: tuple[int, int], size: int) -> None:
        """Leave a stored object as it is, whatever comes under its id; refuse what certainly is something else.

        An honest client stores again what lies there when nothing on its list of archives leads to that: after an
        earlier list came back, say. One id is one content, which Borg packs into as many bytes each time.
        """
        if self._stored_size(key, *position) != size + ENTRY_SIZE:
            raise Refused("overwriting what is already stored")

    def _spend(self, key: bytes, position: tuple[int, int]) -> None:
        objection = self._kept.objection(key, position)
        if objection:
            raise Refused(objection)
        self._trim.spend(key, self._stored_size(key, *position))

    def _is_earlier(self, segment: int) -> bool:
        return self._first_segment is None or segment < self._first_segment

    def _stored_size(self, key: bytes, segment: int, offset: int) -> int:
        return int(self._repository.io.read(segment, offset, key, read_data=False))

    def _charge(self, size: int, new_files: int = 0) -> None:
        index = self._repository.index
        growth = int(index.size()) - self._index_size
        with self._dooming():
            self._space.charge(size, new_files, growth, len(index) + len(self._repository.shadow_index))

    @contextlib.contextmanager
    def _dooming(self) -> Iterator[None]:
        """Doom the transaction if this block refuses something of it."""
        try:
            yield
        except (Refused, Repository.StorageQuotaExceeded, Repository.InsufficientFreeSpaceError) as error:
            self._doomed = error
            raise
