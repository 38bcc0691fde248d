# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one repository of a connection: what it is, and how it is opened."""

from __future__ import annotations

import configparser
import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

from borg.helpers import Manifest, bin_to_hex
from borg.repository import LoggedIO, Repository

from paranoid_gate.errors import EndOfConnection

MANIFEST_ID = bytes(Manifest.MANIFEST_ID)
ENTRY_SIZE: int = LoggedIO.put_header_fmt.size  # bytes before an object's data in its segment
_CONFIG_LIMIT = 64 * 1024  # bytes


class GuardedRepository(Repository):  # type: ignore[misc]
    """Borg's repository, whose `config` is written only where a policy needs it."""

    _writes_config = False

    @contextlib.contextmanager
    def writing_config(self, allowed: bool = True) -> Iterator[None]:
        """Let Borg write `config` in this block, if that is allowed."""
        self._writes_config = allowed
        try:
            yield
        finally:
            self._writes_config = False

    def save_config(self, path: str, config: configparser.ConfigParser) -> None:
        """Write `config`, or leave it: `borg check` tries to, and its result does not depend on it."""
        if self._writes_config:
            super().save_config(path, config)


def repository_id(path: str) -> str | None:
    """Return the id (hex) in the repository's config, None where there is no repository.

    Raises EndOfConnection if something else than a repository of plain files lies at ``path``.
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


def open_repository(path: str, expected_id: str | None, **options: Any) -> GuardedRepository:
    """Open the repository and hold its lock; raise EndOfConnection if it is not the expected one."""
    repository = GuardedRepository(path, **options)
    with repository.writing_config(bool(options.get("create"))):
        repository.__enter__()
    if expected_id is not None and bin_to_hex(repository.id) != expected_id:
        repository.close()
        raise EndOfConnection("error", f"the repository has id {bin_to_hex(repository.id)}, not {expected_id}")
    return repository
