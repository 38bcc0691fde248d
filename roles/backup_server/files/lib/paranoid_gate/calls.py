# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Borg's protocol that the gate answers, each with its arguments checked.

Arguments are known by name, unknown ones are ignored, as in `borg.remote.RepositoryServer`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from borg.constants import LIST_SCAN_LIMIT, MAX_DATA_SIZE
from borg.remote import BORG_VERSION
from borg.repository import Repository

from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report
from paranoid_gate.guarded import (
    MANIFEST_ID,
    GuardedRepository,
    Writer,
    clear_unfinished,
    discard,
    open_repository,
    repository_id,
)
from paranoid_gate.policy import POLICIES, Budget, Policy
from paranoid_gate.quota import Space

_LOCK_WAIT = 30.0  # seconds; a client may ask for less
_REFUSALS_LIMIT = 128  # more than Borg has under way (MAX_INFLIGHT): who goes on after so many does not listen


class Calls:
    """State of one connection: the policy, and the repository once it is open.

    ``over_quota`` is what the client was told when it wrote too much, empty otherwise.
    """

    def __init__(
        self,
        policy: Policy,
        path: str,
        expected_id: str | None,
        budget: Budget,
        quota: int | None,
        first_segment: int | None,
        report: Report,
    ) -> None:
        self._policy = policy
        self._path = path
        self._expected_id = expected_id
        self._budget = budget
        self._space = Space(path, quota)
        self._first_segment = first_segment
        self._report = report
        self._repository: GuardedRepository | None = None
        self._writer: Writer | None = None
        self._exclusive = False
        self._fresh = False
        self.over_quota = ""
        handlers = {name.removeprefix("call_"): getattr(self, name) for name in dir(self) if name.startswith("call_")}
        self._handlers: dict[str, tuple[Callable[..., Any], frozenset[str]]] = {
            name: (handler, frozenset(inspect.signature(handler).parameters)) for name, handler in handlers.items()
        }
        if policy.name == "create":
            clear_unfinished(path)
        self._exists = repository_id(path) is not None
        if not self._exists and policy.name != "create":
            raise EndOfConnection("error", "there is no repository")
        if self._exists and policy.name == "create":
            self._policy = Policy(policy.name, POLICIES["read"].calls)

    def answer(self, method: str, arguments: dict[str, Any]) -> Any:
        """Return the result of one call, or raise what the client gets as an error."""
        try:
            if method not in self._policy.calls:
                raise Refused(method)
            handler, known = self._handlers[method]
            return handler(**{name: value for name, value in arguments.items() if name in known})
        except Refused as refused:
            detail = str(refused.args[0])
            self._report.refused(self._policy.name, method, detail)
            self._end_when_deaf("protocol")
            raise Refused(f"the backup server's policy '{self._policy.name}' does not allow: {detail}") from None
        except Repository.StorageQuotaExceeded as error:
            self.over_quota = error.get_message()
            self._report.refused(self._policy.name, method, self.over_quota)
            self._end_when_deaf("quota")
            raise

    def close(self) -> None:
        """Forget what is not committed and release the lock."""
        repository, self._repository = self._repository, None
        if repository is None:
            return
        if self._writer is not None:
            self._writer.rollback()
        repository.close()
        if self._fresh:
            discard(self._path)

    def call_negotiate(self, client_data: object = None) -> dict[str, Any]:
        """Tell the version; only clients that speak of themselves (Borg >= 1.1) are answered."""
        if not isinstance(client_data, dict):
            raise EndOfConnection("protocol", "the client is older than Borg 1.1")
        return {"server_version": BORG_VERSION}

    def call_open(
        self, create: object = False, lock_wait: object = None, lock: object = True, exclusive: object = None
    ) -> bytes:
        """Open the one repository, whatever path the client names."""
        if self._repository is not None:
            raise Refused("opening twice")
        if create and self._policy.name != "create":
            raise Refused("creating a repository")
        if create and self._exists:
            raise Repository.AlreadyExists("repository")
        if not create and not self._exists:
            raise Repository.DoesNotExist("repository")
        wait = float(lock_wait) if isinstance(lock_wait, (int, float)) else _LOCK_WAIT
        self._exclusive = bool(lock and exclusive)
        self._repository = open_repository(
            self._path,
            self._expected_id,
            create=bool(create),
            exclusive=bool(exclusive),
            lock=bool(lock),
            lock_wait=wait if 0 <= wait <= _LOCK_WAIT else _LOCK_WAIT,
            append_only=not create,
            storage_quota=0,
        )
        self._fresh = bool(create)
        self._writer = Writer(self._repository, self._budget, self._space, self._report, self._first_segment)
        self._report.opened()
        return bytes(self._repository.id)

    def call_rollback(self) -> None:
        """Drop what is not committed."""
        self._write().rollback() if self._exclusive else self._read().rollback()

    def call___len__(self) -> int:
        """Return the number of objects."""
        return len(self._read())

    def call_get(self, id: object = None) -> bytes:
        """Return one object's data."""
        return bytes(self._read().get(_key(id)))

    def call_list(self, limit: object = None, marker: object = None) -> list[bytes]:
        """Return ids in the order of the index, after ``marker``."""
        return list(self._read().list(limit=_limit(limit), marker=self._marker(marker)))

    def call_scan(self, limit: object = None, marker: object = None) -> list[bytes]:
        """Return ids in the order of the disk, after ``marker``."""
        return list(self._read().scan(limit=_limit(limit), marker=self._marker(marker)))

    def call_load_key(self) -> bytes:
        """Return the key that is stored in the repository, encrypted as it is."""
        return bytes(self._read().load_key())

    def call_check(self, repair: object = False, max_duration: object = 0) -> bool:
        """Check all segments, or what ``max_duration`` seconds allow; its progress is kept where writing is allowed."""
        if repair:
            raise Refused("check with repair")
        if not isinstance(max_duration, (int, float)) or not self._exclusive:
            raise Refused("check without an exclusive lock")
        repository = self._read()
        self._write().rollback()
        repository.writes_config = "commit" in self._policy.calls and not self._fresh
        try:
            return bool(repository.check(repair=False, max_duration=max_duration))
        finally:
            repository.writes_config = False

    def call_get_free_nonce(self) -> int | None:
        """Return the first nonce that nobody has reserved, None in a new repository."""
        nonce = self._read().get_free_nonce()
        return None if nonce is None else int(nonce)

    def call_commit_nonce_reservation(self, next_unreserved: object = None, start_nonce: object = None) -> None:
        """Reserve nonces."""
        if not isinstance(next_unreserved, int) or not isinstance(start_nonce, (int, type(None))):
            raise Refused("a nonce that is no number")
        self._write().reserve_nonces(next_unreserved, start_nonce)

    def call_put(self, id: object = None, data: object = None) -> None:
        """Store one object."""
        if not isinstance(data, bytes) or len(data) > MAX_DATA_SIZE:
            raise Refused("an object of this size")
        key = _key(id)
        if self._policy.name == "create" and key != MANIFEST_ID:
            raise Refused("storing anything but the first manifest")
        self._write().put(key, data)

    def call_delete(self, id: object = None) -> None:
        """Delete one object."""
        self._write().delete(_key(id))

    def call_commit(self, compact: object = True) -> None:
        """Commit; in `create` that is the end of writing."""
        if compact:
            raise Refused("compaction")
        self._report.committed(self._write().commit())
        if self._policy.name == "create":
            self._fresh = False
            self._policy = Policy(self._policy.name, POLICIES["read"].calls)

    def call_save_key(self, keydata: object = None) -> None:
        """Store the key of a repository that is being made."""
        if not isinstance(keydata, bytes):
            raise Refused("a key of unknown form")
        writer = self._write()
        if not self._fresh or self._read().load_key():
            raise Refused("replacing the key")
        self._read().writes_config = True
        try:
            writer.save_key(keydata)
        finally:
            self._read().writes_config = False

    def _read(self) -> GuardedRepository:
        if self._repository is None:
            raise EndOfConnection("protocol", "a call before the repository is open")
        return self._repository

    def _write(self) -> Writer:
        self._read()
        if self._writer is None or not self._exclusive:
            raise Refused("writing without an exclusive lock")
        return self._writer

    def _marker(self, marker: object) -> bytes | None:
        if marker is None:
            return None
        if _key(marker) not in self._read():
            raise Repository.ObjectNotFound(marker, "repository")
        return _key(marker)

    def _end_when_deaf(self, reason: str) -> None:
        if self._report.counts.refused >= _REFUSALS_LIMIT:
            raise EndOfConnection(reason, f"the client went on after {_REFUSALS_LIMIT} refusals")


def _key(value: object) -> bytes:
    # Borg's index reads 32 bytes, whatever it is given.
    if not isinstance(value, bytes) or len(value) != 32:
        raise Refused("an id that is not 32 bytes")
    return value


def _limit(value: object) -> int:
    if value is None:
        return int(LIST_SCAN_LIMIT)
    if not isinstance(value, int) or not 1 <= value <= LIST_SCAN_LIMIT:
        raise Refused("a list of this length")
    return value
