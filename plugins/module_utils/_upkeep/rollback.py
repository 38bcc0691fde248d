# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollback: a repository goes back to a transaction of its own, or to a copy; what was there is kept as evidence.

Source of the steps: Borg 1.4, docs/usage/notes, "Append-only mode", and that a nonce must never be used twice.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import free_nonce
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    baseline_path,
    load_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg
from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    File,
    directories,
    ends_with_commit,
    files,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import RollbackEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import forget_compaction
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import clear_intent

_EXPENDABLE = re.compile(r"(hints|index|integrity)\.\d+\Z")
_TRANSACTION = re.compile(rb"transaction (\d+), ")


@dataclass(frozen=True)
class Target:
    """Where to go back to: the last ``transaction``, and the directory of a copy (None: the repository's own past)."""

    transaction: int
    copy: Optional[str]


def target_transaction(held: Site, transaction: int) -> Target:
    """Return the target for a transaction of the repository itself; SessionError when it cannot be reached."""
    compaction = held.ledger.history(held.name).first_compaction_after(transaction)
    if compaction is not None:
        day = compaction.time.date().isoformat()
        raise SessionError(
            "refused", f"the compaction of {day} freed what transaction {transaction} needs: use a snapshot"
        )
    own = {file.number: file for file in _segments(held.client.repository)}
    if transaction not in own or not ends_with_commit(own[transaction]):
        raise SessionError("refused", f"{held.name} has no transaction {transaction}: ledger_info lists them")
    return Target(transaction, None)


def target_snapshot(held: Site, snapshot: str) -> Target:
    """Return the target for a directory that holds a copy of the repository; SessionError when it is no such copy."""
    expected = place.recorded_id(held)
    if expected is None or place.repository_id(snapshot) != expected:
        raise SessionError("wrong_repository", f"{snapshot} holds no copy of {held.name}'s repository")
    commits = [file.number for file in _segments(snapshot) if ends_with_commit(file)]
    if not commits:
        raise SessionError("refused", f"the copy in {snapshot} has no transaction")
    return Target(commits[-1], os.path.abspath(snapshot))


def consequences(held: Site, target: Target, reason: str) -> RollbackEntry:
    """Return the ledger's entry: which archives are lost, and which deleted ones come back."""
    history, back_to = held.ledger.history(held.name), target.transaction
    return RollbackEntry(held.name, reason, history.lost_by(back_to), back_to, history.restored_by(back_to))


def roll_back(held: Site, target: Target, entry: RollbackEntry, moment: str) -> str:
    """Go back, and return where the evidence is; SessionError when the result is not sound, with evidence in place."""
    repository = held.client.repository
    evidence = os.path.join(os.path.dirname(repository), f"evidence-{moment}")
    nonce = _highest_nonce(held, target)
    if target.copy is None:
        _keep_evidence(repository, evidence)
        _carry(nonce, repository, held)
        _cut(repository, target.transaction, held)
    else:
        _copy_beside(target.copy, place.beside(repository), held)
        _carry(nonce, place.beside(repository), held)
        _replace(repository, evidence)
    code, said = run_borg(held, "check", "--repository-only")  # It also makes the index anew.
    if code:
        raise SessionError(
            "server_error", f"{held.name} is damaged after the rollback: {said}; evidence is in {evidence}"
        )
    found, baseline = audit(repository, None, "append")
    if found.verdict == ALARM or baseline is None:
        raise SessionError("alarm", alarm_line(held.name, found))
    held.ledger.append(entry)
    save_baseline(held, baseline)
    clear_intent(held)
    forget_compaction(held)
    return evidence


def _segments(repository: str) -> list[File]:
    """Return all segments in order; SessionError for what is no repository of plain files."""
    try:
        found = directories(repository)
        for path in (os.path.join(repository, "data"), *(path for _number, path in found)):
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise SessionError("wrong_repository", f"{path} is not a directory: somebody replaced it")
        return sorted(file for _number, path in found for file in files(path))
    except Broken as error:
        raise SessionError("wrong_repository", str(error)) from None


def _highest_nonce(held: Site, target: Target) -> Optional[int]:
    known = []
    for repository in (held.client.repository, target.copy):
        with suppress(OSError, ValueError):  # What an attacker broke says nothing; baseline and copy still do.
            known.append(free_nonce(repository) if repository else None)
    with suppress(OSError, ValueError):
        baseline = load_baseline(baseline_path(held))
        known.append(baseline.nonce if baseline else None)
    return max((nonce for nonce in known if nonce is not None), default=None)


def _keep_evidence(repository: str, evidence: str) -> None:
    """Link the segments, which Borg never changes, and copy the small files, which it does."""
    os.mkdir(evidence, 0o700)
    for name in os.listdir(repository):
        path = os.path.join(repository, name)
        if stat.S_ISREG(os.lstat(path).st_mode):
            shutil.copy2(path, os.path.join(evidence, name), follow_symlinks=False)
    for file in _segments(repository):
        directory = os.path.join(evidence, "data", os.path.basename(os.path.dirname(file.path)))
        os.makedirs(directory, mode=0o700, exist_ok=True)
        os.link(file.path, os.path.join(directory, str(file.number)), follow_symlinks=False)


def _cut(repository: str, transaction: int, held: Site) -> None:
    for name in os.listdir(repository):
        if _EXPENDABLE.match(name):
            os.unlink(os.path.join(repository, name))
    # From the newest on: whenever this is interrupted, an older transaction is whole.
    for file in reversed(_segments(repository)):
        if file.number > transaction:
            os.unlink(file.path)
    with suppress(FileNotFoundError):
        path = os.path.join(repository, "transactions")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as handle:
            lines = [line for line in handle if (found := _TRANSACTION.match(line)) and int(found[1]) <= transaction]
        _write(path, b"".join(lines), held)


def _carry(nonce: Optional[int], repository: str, held: Site) -> None:
    """Write the highest nonce, before anybody could go on with an older one."""
    if nonce is not None:
        _write(os.path.join(repository, "nonce"), f"{nonce:016x}".encode(), held)


def _copy_beside(copy: str, fresh: str, held: Site) -> None:
    shutil.rmtree(fresh, ignore_errors=True)  # Left by a rollback that was interrupted.
    _copy_tree(copy, fresh, held)
    os.sync()


def _replace(repository: str, evidence: str) -> None:
    """Swap the whole copy in; when this is cut off after the first step, `place.end_swap` does the second."""
    try:
        os.rename(repository, evidence)
    except OSError as error:
        raise SessionError("server_error", f"{repository} cannot be moved aside: {error.strerror}") from None
    place.end_swap(repository)


def _copy_tree(source: str, target: str, held: Site) -> None:
    os.mkdir(target, 0o700)
    for entry in os.scandir(source):
        mode, path = entry.stat(follow_symlinks=False).st_mode, os.path.join(target, entry.name)
        if entry.name.startswith("lock."):
            continue
        if stat.S_ISDIR(mode):
            _copy_tree(entry.path, path, held)
        elif stat.S_ISREG(mode):
            shutil.copyfile(entry.path, path, follow_symlinks=False)
            os.chmod(path, 0o600)
            _give(path, held)
        else:
            raise SessionError("wrong_repository", f"{entry.path} is neither a file nor a directory")
    _give(target, held)  # Last: until then nobody else can put anything in root's way.


def _write(path: str, content: bytes, held: Site) -> None:
    """Replace a file of the repository: evidence may be linked to the old one."""
    with suppress(FileNotFoundError):
        os.unlink(path + ".new")  # Whatever it is: a link or a pipe of the repository's user as well.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path + ".new", flags, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    _give(path + ".new", held)
    os.replace(path + ".new", path)


def _give(path: str, held: Site) -> None:
    if os.geteuid() == 0:
        user = account(held.client.repository_user)
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
