# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The intent: a note of the session that is under way. If it is cut off, `crash_recovery` knows what it might do."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

_SCHEMA = 1
_NAME = "underway.json"


@dataclass(frozen=True)
class Intent:
    """One session: ``budget`` is what it may delete, ``named`` the archives (ids) that it is asked to."""

    session: str
    verb: str
    run_id: str
    started: str
    policy: str
    budget: Budget
    named: tuple[str, ...] = ()


def write_intent(site: Site, session: Intent) -> None:
    """Write the note of a session that begins now; it is on disk when this returns."""
    note_intent(os.path.dirname(_path(site)), session)


def note_intent(directory: str, session: Intent) -> None:
    """Write the note into the directory of a client's state."""
    save_json(os.path.join(directory, _NAME), {"schema": _SCHEMA, **asdict(session)})


def read_intent(site: Site) -> Intent | None:
    """Return the session that was cut off, None if the last one was not."""
    path = _path(site)
    try:
        with open(path, encoding="utf-8") as handle:
            content: Any = json.load(handle)
        if content.pop("schema") != _SCHEMA:
            raise ValueError("it is of another release")
        content.update(budget=Budget(**content["budget"]), named=tuple(content["named"]))
        return Intent(**content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SessionError("server_error", f"{path} cannot be read: {error}; remove it, then audit") from None


def clear_intent(site: Site) -> None:
    """Remove the note, if there is one, once ledger and baseline know of the session."""
    with suppress(FileNotFoundError):
        os.unlink(_path(site))


def _path(site: Site) -> str:
    return site.state_file(_NAME)
