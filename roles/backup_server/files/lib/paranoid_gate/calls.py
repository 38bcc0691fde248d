# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Borg's protocol that the gate answers, each with its arguments checked.

A connection opens the one repository once, and reads and writes it as the policy allows. Under `create` the repository
is being *made* as long as nothing is committed: only then its key and its first manifest are stored; from the first
commit on, or if the repository was there before, the connection only reads. What was made and never committed is
removed at the end. Every call but `negotiate` and `open` before the repository is open ends the connection.

Arguments are known by name, unknown ones are ignored, as in `borg.remote.RepositoryServer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from borg.constants import LIST_SCAN_LIMIT, MAX_DATA_SIZE
from borg.remote import BORG_VERSION
from borg.repository import Repository

from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report
from paranoid_gate.guarded import MANIFEST_ID, GuardedRepository, open_repository, repository_id
from paranoid_gate.policy import READ_CALLS, Options
from paranoid_gate.unfinished import clear_unfinished, discard
from paranoid_gate.writer import Writer

_LOCK_WAIT = 30.0  # seconds; a client may ask for less
_REFUSALS_LIMIT = 128  # more than Borg has under way (MAX_INFLIGHT): who goes on after so many does not listen


class Calls:
    """State of one connection: the repository once it is open, and whether it is being made.

    ``over_quota`` is what the client was told when it wrote too much, empty otherwise.
    """

    def __init__(self, options: Options, report: Report) -> None:
        self._options = options
        self._policy = options.policy
        self._report = report
        self._repository: GuardedRepository | None = None
        self._writer: Writer | None = None
        self._is_exclusive = False
        self.over_quota = ""
        if self._policy.may_create:
            clear_unfinished(options.path)
        self._is_making = repository_id(options.path) is None
        if self._is_making and not self._policy.may_create:
            raise EndOfConnection("error", "there is no repository")

    def answer(self, method: str, arguments: dict[str, Any]) -> Any:
        """Return the result of one call, or raise what the client gets as an error."""
        try:
            if method not in self._answered_calls():
                raise Refused(method)
            handler, names = HANDLERS[method]
            return handler(self, **{name: arguments[name] for name in names if name in arguments})
        except Refused as refused:
            detail = str(refused.args[0])
            self._report.record_refusal(self._policy.name, method, detail)
            self._end_if_deaf("protocol")
            raise Refused(f"the backup server's policy '{self._policy.name}' does not allow: {detail}") from None
        except Repository.StorageQuotaExceeded as error:
            self.over_quota = error.get_message()
            self._report.record_refusal(self._policy.name, method, self.over_quota)
            self._end_if_deaf("quota")
            raise

    def close(self) -> None:
        """Forget what is not committed and release the lock."""
        repository, self._repository = self._repository, None
        if repository is None:
            return
        if self._writer is not None:
            self._writer.rollback()
        repository.close()
        if self._is_making:
            discard(self._options.path)

    def negotiate(self, client_data: object = None) -> dict[str, Any]:
        """Return the version; only clients that describe themselves (Borg >= 1.1) are answered."""
        if not isinstance(client_data, dict):
            raise EndOfConnection("protocol", "the client is older than Borg 1.1")
        return {"server_version": BORG_VERSION}

    def open(
        self, create: object = False, lock_wait: object = None, lock: object = True, exclusive: object = None
    ) -> bytes:
        """Open the one repository, whatever path the client names."""
        if self._repository is not None:
            raise Refused("opening twice")
        if create and not self._policy.may_create:
            raise Refused("creating a repository")
        if create and not self._is_making:
            raise Repository.AlreadyExists("repository")
        if not create and self._is_making:
            raise Repository.DoesNotExist("repository")
        wait = float(lock_wait) if isinstance(lock_wait, (int, float)) else _LOCK_WAIT
        self._is_exclusive = bool(lock and exclusive)
        self._repository = open_repository(
            self._options.path,
            self._options.repository_id,
            create=bool(create),
            exclusive=bool(exclusive),
            lock=bool(lock),
            lock_wait=wait if 0 <= wait <= _LOCK_WAIT else _LOCK_WAIT,
            append_only=not create,
            storage_quota=0,
        )
        self._writer = Writer(self._repository, self._options, self._report)
        self._report.record_open()
        return bytes(self._repository.id)

    def rollback(self) -> None:
        """Drop what is not committed."""
        self._exclusive_writer().rollback() if self._is_exclusive else self._open_repository().rollback()

    def count(self) -> int:
        """Return the number of objects."""
        return len(self._open_repository())

    def get(self, id: object = None) -> bytes:
        """Return one object's data."""
        data = bytes(self._open_repository().get(_checked_id(id)))
        self._report.counts.read += len(data)
        return data

    def list(self, limit: object = None, marker: object = None) -> tuple[bytes, ...]:
        """Return ids in the order of the index, after ``marker``."""
        return tuple(self._open_repository().list(limit=_checked_limit(limit), marker=self._checked_marker(marker)))

    def scan(self, limit: object = None, marker: object = None) -> tuple[bytes, ...]:
        """Return ids in the order of the disk, after ``marker``."""
        return tuple(self._open_repository().scan(limit=_checked_limit(limit), marker=self._checked_marker(marker)))

    def load_key(self) -> bytes:
        """Return the key that is stored in the repository, encrypted as it is."""
        return bytes(self._open_repository().load_key())

    def check(self, repair: object = False, max_duration: object = 0) -> bool:
        """Check all segments, or what ``max_duration`` seconds allow; its progress is kept where writing is allowed."""
        if repair:
            raise Refused("check with repair")
        if not isinstance(max_duration, (int, float)) or not self._is_exclusive:
            raise Refused("check without an exclusive lock")
        repository = self._open_repository()
        self._exclusive_writer().rollback()
        try:
            with repository.writing_config(self._policy.may_write):
                return bool(repository.check(repair=False, max_duration=max_duration))
        finally:
            repository.rollback()  # a check that fails leaves an empty index, in which nothing is history

    def get_free_nonce(self) -> int | None:
        """Return the first nonce that nobody has reserved, None in a new repository."""
        nonce = self._open_repository().get_free_nonce()
        return None if nonce is None else int(nonce)

    def commit_nonce_reservation(self, next_unreserved: object = None, start_nonce: object = None) -> None:
        """Reserve nonces."""
        if not isinstance(next_unreserved, int) or not isinstance(start_nonce, (int, type(None))):
            raise Refused("a nonce that is no number")
        self._exclusive_writer().reserve_nonces(next_unreserved, start_nonce)

    def put(self, id: object = None, data: object = None) -> None:
        """Store one object."""
        if not isinstance(data, bytes) or len(data) > MAX_DATA_SIZE:
            raise Refused("an object of this size")
        key = _checked_id(id)
        if self._is_making and key != MANIFEST_ID:
            raise Refused("storing anything but the first manifest")
        self._exclusive_writer().put(key, data)

    def delete(self, id: object = None) -> None:
        """Delete one object."""
        self._exclusive_writer().delete(_checked_id(id))

    def commit(self, compact: object = True) -> None:
        """Commit; what was being made is made by that."""
        if compact:
            raise Refused("compaction")
        self._report.record_commit(self._exclusive_writer().commit())
        self._is_making = False

    def save_key(self, keydata: object = None) -> None:
        """Store the key of a repository that is being made."""
        if not isinstance(keydata, bytes):
            raise Refused("a key of unknown form")
        writer = self._exclusive_writer()
        if self._open_repository().load_key():
            raise Refused("replacing the key")
        writer.save_key(keydata)

    def _answered_calls(self) -> frozenset[str]:
        is_made = self._policy.may_create and not self._is_making
        return READ_CALLS if is_made else self._policy.calls

    def _open_repository(self) -> GuardedRepository:
        if self._repository is None:
            raise EndOfConnection("protocol", "a call before the repository is open")
        return self._repository

    def _exclusive_writer(self) -> Writer:
        self._open_repository()
        if self._writer is None or not self._is_exclusive:
            raise Refused("writing without an exclusive lock")
        return self._writer

    def _checked_marker(self, marker: object) -> bytes | None:
        if marker is None:
            return None
        if _checked_id(marker) not in self._open_repository():
            raise Repository.ObjectNotFound(marker, "repository")
        return _checked_id(marker)

    def _end_if_deaf(self, reason: str) -> None:
        if self._report.counts.refused >= _REFUSALS_LIMIT:
            raise EndOfConnection(reason, f"the client went on after {_REFUSALS_LIMIT} refusals")


# For each call of the protocol what answers it, and which arguments of the client that one takes.
HANDLERS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "negotiate": (Calls.negotiate, ("client_data",)),
    "open": (Calls.open, ("create", "lock_wait", "lock", "exclusive")),
    "rollback": (Calls.rollback, ()),
    "__len__": (Calls.count, ()),
    "get": (Calls.get, ("id",)),
    "list": (Calls.list, ("limit", "marker")),
    "scan": (Calls.scan, ("limit", "marker")),
    "load_key": (Calls.load_key, ()),
    "check": (Calls.check, ("repair", "max_duration")),
    "get_free_nonce": (Calls.get_free_nonce, ()),
    "commit_nonce_reservation": (Calls.commit_nonce_reservation, ("next_unreserved", "start_nonce")),
    "put": (Calls.put, ("id", "data")),
    "delete": (Calls.delete, ("id",)),
    "commit": (Calls.commit, ("compact",)),
    "save_key": (Calls.save_key, ("keydata",)),
}


def _checked_id(value: object) -> bytes:
    # Borg's index reads 32 bytes, whatever it is given.
    if not isinstance(value, bytes) or len(value) != 32:
        raise Refused("an id that is not 32 bytes")
    return value


def _checked_limit(value: object) -> int:
    if value is None:
        return int(LIST_SCAN_LIMIT)
    if not isinstance(value, int) or not 1 <= value <= LIST_SCAN_LIMIT:
        raise Refused("a list of this length")
    return value
