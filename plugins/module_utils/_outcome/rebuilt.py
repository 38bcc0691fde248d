# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of a client whose server was lost and made again: until a full audit its repository is only read.

So restores can begin at once, and nothing is built on what nobody has looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

NAME = "rebuilt.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Rebuilt:
    """``told`` are sentences about what is not known any more; with a ``problem`` the repository cannot be used."""

    told: Sequence[str] = ()
    problem: str = ""


def write_mark(state_dir: str, client: str, mark: Rebuilt) -> None:
    """Mark a client; it is on disk when this returns."""
    save_json(_path(state_dir, client), {"schema": _SCHEMA, **asdict(mark)})


def read_mark(state_dir: str, client: str) -> Rebuilt | None:
    """Return the client's mark, None if it has none; one that cannot be read is a problem."""
    path = _path(state_dir, client)
    try:
        with open(path, encoding="utf-8") as handle:
            content = json.load(handle)
        return Rebuilt(tuple(map(str, content["told"])), str(content["problem"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Rebuilt((), f"{path} cannot be read ({error}): remove it, and run rebuild_server.yml again")


def clear_mark(site: Site) -> None:
    """Remove the mark, if there is one: the repository was audited in full, and ledger and baseline know the result."""
    with suppress(FileNotFoundError):
        os.unlink(_path(site.server.state_dir, site.name))


def refuse_rebuilt(site: Site) -> None:
    """Raise SessionError if the client's repository is only to be read."""
    mark = read_mark(site.server.state_dir, site.name)
    if mark is None:
        return
    how = f"audit.yml --limit {site.name} -e backup_audit_full=true"
    why = mark.problem or f"the server was made again, and {site.name} can only restore until this was done: {how}"
    raise SessionError("rebuilding", why)


def _path(state_dir: str, client: str) -> str:
    return os.path.join(state_dir, client, NAME)
