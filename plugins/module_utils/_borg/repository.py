# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the repository there, mounted, and this client's? Asked before anything is started."""

from __future__ import annotations

import configparser
import json
import os
import stat
from contextlib import suppress
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import (
    directory_beneath,
    open_beneath,
    save_json,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

_CONFIG_LIMIT = 64 * 1024


def check_place(site: Site) -> None:
    """Raise SessionError unless the client's repository directory is mounted, real and its own."""
    if site.server.require_mount and not os.path.ismount(site.server.repository_root):
        raise SessionError("not_mounted", f"nothing is mounted at {site.server.repository_root}: mount the dataset")
    owner = account(site.client.repository_user).pw_uid
    for path, uid in ((os.path.dirname(site.client.repository), None), (site.client.repository, owner)):
        _check_directory(path, uid)


def check_repository(site: Site) -> str:
    """Return the id of the client's repository when it is the one that provisioning recorded."""
    expected = recorded_id(site)
    if expected is None:
        raise SessionError("not_provisioned", f"{site.name} has no repository yet: run site.yml for it")
    found = repository_id(site.client.repository)
    if found is None:
        raise SessionError(
            "repository_missing", f"{site.client.repository} holds no repository: mount the dataset, or restore it"
        )
    if found != expected:
        raise SessionError(
            "wrong_repository",
            f"{site.client.repository} holds repository {found[:12]}, but {site.name} has {expected[:12]}",
        )
    return found


def index_size(repository: str) -> int:
    """Return how many bytes the index and the hints of a repository have, all that lie there."""
    with suppress(OSError), directory_beneath(repository) as directory:  # Whoever opens it says what is wrong.
        names = [name for name in os.listdir(directory) if name.startswith(("index.", "hints."))]
        return sum(os.stat(name, dir_fd=directory, follow_symlinks=False).st_size for name in names)
    return 0


def beside(repository: str) -> str:
    """Return where a rollback makes the copy that is to take the repository's place."""
    return repository + ".new"


def end_swap(repository: str) -> None:
    """Put a copy into the place that a rollback has emptied for it; a copy that is not whole never finds it empty."""
    if not os.path.lexists(repository) and os.path.isdir(beside(repository)):
        os.rename(beside(repository), repository)


def repository_id(repository: str) -> str | None:
    """Return the id in ``<repository>/config`` (Borg docs, internals, "Repository config"), None without one."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with os.fdopen(open_beneath(repository, "config"), encoding="utf-8") as handle:
            parser.read_string(handle.read(_CONFIG_LIMIT))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise SessionError("wrong_repository", f"{repository}/config cannot be read: {reason}") from None
    found = parser.get("repository", "id", fallback="")
    return found if valid_id(found) else None


def recorded_id(site: Site) -> str | None:
    """Return the id that verb ``create`` recorded, None before it did."""
    try:
        with open(_record_path(site), encoding="utf-8") as handle:
            content: Any = json.load(handle)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SessionError("server_error", f"cannot read {_record_path(site)}: {error}") from None
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) and valid_id(found) else None


def record_repository(site: Site, now: str) -> str:
    """Record the id of the repository that was just made and return it; the file appears whole or not at all."""
    found = repository_id(site.client.repository)
    if found is None:
        raise SessionError("repository_missing", f"{site.name} said ok, but {site.client.repository} has no repository")
    save_json(_record_path(site), {"schema": 1, "id": found, "created": now})
    return found


def _record_path(site: Site) -> str:
    return site.state_file("repository.json")


def _check_directory(path: str, uid: int | None) -> None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise SessionError("repository_missing", f"{path} is not there: mount the dataset, or run site.yml") from None
    if not stat.S_ISDIR(found.st_mode):
        raise SessionError("wrong_repository", f"{path} is not a directory of its own: somebody replaced it")
    if uid is not None and found.st_uid != uid:
        raise SessionError("wrong_repository", f"{path} belongs to uid {found.st_uid}, not to its client's user {uid}")
