# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one repository of a connection: opened, written to and closed so that what was there before stays."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shutil
import stat
from typing import Any

from borg.helpers import Error, Manifest, bin_to_hex
from borg.repository import LoggedIO, Repository

from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report
from paranoid_gate.policy import Budget
from paranoid_gate.quota import Space

MANIFEST_ID = bytes(Manifest.MANIFEST_ID)
ENTRY_SIZE: int = LoggedIO.put_header_fmt.size  # bytes before an object's data in its segment
_GONE_SIZE = 48  # bytes that the hints keep of each object that was deleted or replaced
_ARCHIVE_SIZE = 128  # bytes that one archive takes in a stored manifest, at most
_NONCE_LEAP = 2**40  # blocks of 16 bytes a connection may reserve beyond what it sends; 2**64 is the end
_KEY = re.compile(r"[A-Za-z0-9+/=]{1,256}(\n[A-Za-z0-9+/=]{1,256})*\n?\Z")
_KEY_LIMIT = 32 * 1024  # characters
_CONFIG_LIMIT = 64 * 1024  # bytes
# What Borg may have written before its first commit.
_UNFINISHED_SEGMENTS = 8  # at most; `borg init` needs three
_UNFINISHED = re.compile(r"(README|data|(config|nonce|lock|hints|index|integrity)([.-].{1,64})?)\Z")


class GuardedRepository(Repository):  # type: ignore[misc]
    """Borg's repository, whose `config` is written only where a policy needs it."""

    writes_config = False

    def save_config(self, path: str, config: configparser.ConfigParser) -> None:
        """Write `config`, or leave it: `borg check` tries to, and its result does not depend on it."""
        if self.writes_config:
            super().save_config(path, config)


def repository_id(path: str) -> str | None:
    """Return the id (hex) in the repository's config, None where there is no repository.

    Raises EndOfConnection when something else than a repository of plain files lies at ``path``.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise EndOfConnection("error", "the repository is not a directory")
        handle = os.open(os.path.join(path, "config"), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EndOfConnection("error", f"cannot read the repository's config: {error.strerror}") from None
    with os.fdopen(handle, "rb") as config:
        content = config.read(_CONFIG_LIMIT + 1)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if len(content) > _CONFIG_LIMIT:
            raise ValueError
        parser.read_string(content.decode())
        return bytes.fromhex(parser.get("repository", "id")).hex()
    except (configparser.Error, ValueError):
        raise EndOfConnection("error", "the repository's config is broken: restore it") from None


class Writer:
    """Writes to an open repository; every object of an earlier session is out of reach, but for the budget.

    Which objects are earlier is read off their segment: compaction never runs here, so that segments from
    ``first_segment`` on are this session's own. That costs no memory, however much is sent. An earlier connection of
    the same session names it: borgmatic creates an archive in one and renames it in the next.
    """

    def __init__(
        self, repository: GuardedRepository, budget: Budget, space: Space, report: Report, first_segment: int | None
    ) -> None:
        self._repository = repository
        self._budget = budget
        self._space = space
        self._report = report
        self._counts = report.counts
        self._first_segment = first_segment
        self._begun = False
        self._index_size = 0
        self._manifest_floor = 0
        self._deleted: set[bytes] = set()
        self._deleted_bytes = 0
        self._doomed: Exception | None = None
        self._nonce_limit: int | None = None
        self._nonce_sent = report.counts.received

    def put(self, key: bytes, data: bytes) -> None:
        """Store a new object, or the next manifest."""
        self._begin()
        if key == MANIFEST_ID:
            self._check_manifest(len(data))
            self._charge(len(data) + 2 * ENTRY_SIZE, new_files=2)
        else:
            position = self._repository.index.get(key)
            if position is not None and position[0] < self._earlier():
                raise Refused("overwriting what is already stored")
            if key in self._deleted:
                raise Refused("storing again what this connection has deleted")
            self._charge(len(data) + ENTRY_SIZE + (0 if position is None else ENTRY_SIZE + _GONE_SIZE))
        self._repository.put(key, data)
        self._counts.put += 1
        self._counts.manifests += key == MANIFEST_ID

    def delete(self, key: bytes) -> None:
        """Delete an object of this connection, or within the budget one of an earlier one."""
        self._begin()
        position = self._repository.index.get(key)
        if position is None:
            raise Repository.ObjectNotFound(key, self._repository.path)
        if key == MANIFEST_ID:
            raise Refused("deleting the manifest")
        if position[0] < self._earlier():
            self._spend(key, *position)
        self._charge(ENTRY_SIZE + _GONE_SIZE)
        self._repository.delete(key)
        self._counts.delete += 1

    def commit(self) -> int:
        """Commit without compaction; return the transaction's number."""
        if self._doomed is not None:
            raise self._doomed.with_traceback(None)  # else it keeps every refused message alive
        if not self._repository._active_txn:
            raise Refused("a commit of nothing")
        self._charge(LoggedIO.header_fmt.size, new_files=2)  # a segment of its own, and the one that came before
        self._repository.commit(compact=False)
        return int(self._repository.io.segment) - 1

    def reserve_nonces(self, following: int, start: int | None) -> None:
        """Move the repository's nonce forward, by what can be needed for the bytes that came, and some room."""
        current = self._repository.get_free_nonce()
        if self._nonce_limit is None:
            self._nonce_limit = (current or 0) + _NONCE_LEAP
        limit = self._nonce_limit + (self._counts.received - self._nonce_sent) // 16
        if not (current or 0) < following <= limit:
            raise Refused(f"moving the nonce from {current or 0} to {following}")
        self._repository.commit_nonce_reservation(following, start)

    def save_key(self, key: bytes) -> None:
        """Store the key of a new repository; its form leaves no room for other lines of the config."""
        text = key.decode("ascii", "replace")
        if len(text) > _KEY_LIMIT or not _KEY.match(text):
            raise Refused("a key of unknown form")
        self._repository.save_key(key)

    def rollback(self) -> None:
        """Forget what is not committed, on the disk as well."""
        self._doomed = None
        repository = self._repository
        if repository._active_txn:
            # Closing the last segment may fail once, on a full disk; the second call deletes it all the same.
            with contextlib.suppress(OSError):
                repository.io.close_segment()
            transaction = repository.io.get_segments_transaction_id()
            repository.io.cleanup(-1 if transaction is None else transaction)
        repository.rollback()

    def doom(self, error: Exception) -> None:
        """Refuse to commit from now on: something of this transaction is missing."""
        self._doomed = error

    def _begin(self) -> None:
        if self._doomed is not None:
            raise self._doomed.with_traceback(None)
        if self._repository._active_txn:
            return
        repository = self._repository
        repository.prepare_txn(repository.get_transaction_id())
        if not self._begun:
            self._begun = True
            if self._first_segment is None:
                self._first_segment = int(repository.io.segment)
                self._report.begun(self._first_segment)
            self._space.measure()
            self._index_size = int(repository.index.size())
            self._manifest_floor = self._lowest_manifest()

    def _earlier(self) -> int:
        return self._first_segment or 0

    def _charge(self, size: int, new_files: int = 0) -> None:
        growth = int(self._repository.index.size()) - self._index_size
        try:
            self._space.charge(size, new_files, growth)
        except (Repository.StorageQuotaExceeded, Repository.InsufficientFreeSpaceError) as error:
            self.doom(error)
            raise

    def _spend(self, key: bytes, segment: int, offset: int) -> None:
        size = int(self._repository.io.read(segment, offset, key, read_data=False))
        if not self._budget.objects:
            raise Refused("deleting what is already stored")
        if len(self._deleted) >= self._budget.objects or self._deleted_bytes + size > self._budget.bytes:
            error = Refused(f"deleting more than {self._budget.objects} objects or {self._budget.bytes} bytes")
            self.doom(error)
            raise error
        self._deleted.add(key)
        self._deleted_bytes += size

    def _lowest_manifest(self) -> int:
        """Size (bytes) below which a manifest has certainly lost more archives than the budget names.

        The manifest is encrypted; each archive adds about 45 to 110 bytes to it. Half is left for a client that
        compresses it differently in `delete` than in `create`: a bound on disaster, the audit looks closer.
        """
        position = self._repository.index.get(MANIFEST_ID)
        if position is None or not self._budget.objects:
            return 0
        segment, offset = position
        size = int(self._repository.io.read(segment, offset, MANIFEST_ID, read_data=False)) - ENTRY_SIZE
        return (size - self._budget.archives * _ARCHIVE_SIZE) // 2

    def _check_manifest(self, size: int) -> None:
        if size < self._manifest_floor:
            error = Refused(f"a manifest that loses more than {self._budget.archives} archives")
            self.doom(error)
            raise error


def clear_unfinished(path: str) -> None:
    """Remove what a `create` that was cut off left behind, so that the next one can make the repository.

    Whatever may be more than that stays: with a commit it is a repository, without one a person has to look.
    """
    try:
        names = sorted(os.listdir(path))
        segments = sum(len(files) for _path, _folders, files in os.walk(os.path.join(path, "data")))
    except OSError:
        return  # whoever opens the repository says why
    if "config" in names and _is_committed(path):
        return
    if segments > (_UNFINISHED_SEGMENTS if "config" in names else 0):
        raise EndOfConnection("error", f"a damaged repository lies in {path}: restore it, or move it away")
    strange = [name for name in names if not _UNFINISHED.match(name)]
    if strange:
        raise EndOfConnection("error", f"no repository can be made beside {strange[0]!r}: move it out of {path}")
    discard(path)


def _is_committed(path: str) -> bool:
    """Tell whether anything was ever committed there; raise EndOfConnection when Borg cannot say."""
    repository = Repository(path, lock=False)
    try:
        repository.open(path, exclusive=False, lock=False)
        return repository.io.get_segments_transaction_id() is not None
    except (Error, OSError, ValueError, configparser.Error) as error:
        text = (error.get_message() if isinstance(error, Error) else str(error)).partition("\n")[0]
        raise EndOfConnection("error", f"the repository in {path} cannot be opened: {text}") from None


def discard(path: str) -> None:
    """Remove a repository that was begun and never committed; the directory itself stays."""
    for name in os.listdir(path):
        entry = os.path.join(path, name)
        if os.path.isdir(entry) and not os.path.islink(entry):
            shutil.rmtree(entry)
        else:
            os.unlink(entry)


def open_repository(path: str, expected_id: str | None, **options: Any) -> GuardedRepository:
    """Open the repository and hold its lock; raise EndOfConnection when it is not the expected one."""
    repository = GuardedRepository(path, **options)
    repository.writes_config = bool(options.get("create"))
    repository.__enter__()
    if expected_id is not None and bin_to_hex(repository.id) != expected_id:
        repository.close()
        raise EndOfConnection("error", f"the repository has id {bin_to_hex(repository.id)}, not {expected_id}")
    return repository
