# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the sources around one backup: at first, after the before hooks, and before the after hooks.

What a before hook mounts is there only in between, and that is when Borg reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.drop_ins import Added, read_drop_ins
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.filled import find_filled
from paranoid_dispatcher.mounts import Mounts
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.owner import SOURCES
from paranoid_dispatcher.pythons import python_of
from paranoid_dispatcher.sources import Plan, plan_sources

REFUSED_MAX = 20  # lines about sources
REFUSED_LENGTH = 400
PATH_LENGTH = 200
PATHS_BYTES = 72 * 1024  # of what is told of paths, twice: all of an answer must fit


class Looks:
    """What was seen of the sources of borgmatic's configuration and of sources.d; Failed if the first is unreadable."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.configured, self.excludes, self._has_before_hooks = self._read()
        self._edited = find_edit(Path(config.config))
        demanded = [source.rstrip("/") or "/" for source in self.configured if isinstance(source, str)]
        directory = Path(config.owner_dir) / SOURCES if config.owner_dir else None
        python = python_of(Path(config.borgmatic)) if directory and directory.exists() else ""
        self.added = read_drop_ins(directory, python, demanded) if directory else Added()
        self._first = self._plan(self.configured, self.excludes)
        self._begin: Optional[Plan] = None
        self._filled = self._find_filled(self._first)
        self._end: Optional[Plan] = None

    @property
    def is_wanting(self) -> bool:
        """Whether somebody names a source; a backup may also be of dumps alone."""
        return bool(self.configured or self.added.sources)

    @property
    def options(self) -> list[str]:
        """Options for borgmatic: none where its own lists say it, in Borg's order and without what is to be left."""
        options = [] if list(self.roots) == self.configured else ["--source-directories", json.dumps(self.roots)]
        excludes = json.dumps([*self.excludes, *self.added.excludes])
        return options + (["--exclude-patterns", excludes] if self.added.excludes else [])

    @property
    def roots(self) -> tuple[str, ...]:
        """What Borg is to save, in its order; also what is still to come, where a before hook may bring it."""
        return self._first.roots + (self._first.expected if self._has_before_hooks else ())

    @property
    def problems(self) -> tuple[str, ...]:
        """Why this is not the backup that was meant; what a before hook brought was never missing."""
        begin, end = self._begin or self._first, self._end.problems if self._end else ()
        late = [
            f"source {path} came too late: Borg was not told of it" for path in begin.roots if path not in self.roots
        ]
        return tuple(
            dict.fromkeys((*self._edited, *self.added.problems, *self._first.refused, *begin.problems, *late, *end))
        )

    @property
    def told(self) -> dict[str, Any]:
        """What the server is told of the sources."""
        mounts = (self._begin or self._first).mounts
        return {
            "saved": self._config.saved,
            "sources": {
                "refused": [printable(line, REFUSED_LENGTH) for line in self.problems[:REFUSED_MAX]],
                "mounts": fit_paths(mounts),
                "filled": fit_paths(self._filled),
            },
        }

    def take(self, before: bool) -> None:
        """Look again. The last look BEFORE Borg and the first one after it count."""
        if before:
            self._begin = self._look()
            self._filled = self._find_filled(self._begin)
        elif self._end is None:
            self._end = self._look()

    def _find_filled(self, plan: Plan) -> dict[str, bool]:
        may_be_empty = {*self._config.may_be_empty, *self.added.may_be_empty}
        return find_filled(plan.roots, [*self.excludes, *self.added.excludes], may_be_empty, Mounts.read())

    def _look(self) -> Plan:
        sources, excludes, _has_hooks = self._read()
        return self._plan(sources, excludes)

    def _plan(self, sources: list[Any], excludes: list[Any]) -> Plan:
        wishes = {**self.added.wishes, **self._config.mounts}
        own, accepted = self.added, self._config.accept_unreadable
        named, left_out = [*sources, *own.sources], [*excludes, *own.excludes]
        return plan_sources(named, wishes, left_out, origins=own.origins, accepted=accepted)

    def _read(self) -> tuple[list[Any], list[Any], bool]:
        path = Path(self._config.config)
        try:
            content = json.loads(path.read_bytes())
            sources, excludes = (list(content.get(name) or ()) for name in ("source_directories", "exclude_patterns"))
            has_hooks = any("before" in command for command in content.get("commands") or ())
        except (ValueError, AttributeError, TypeError) as exc:
            raise Failed(
                f"{path} is not as site.yml writes it, so its sources cannot be checked: run site.yml"
            ) from exc
        return sources, excludes, has_hooks


def fit_paths(said: Mapping[str, bool]) -> dict[str, bool]:
    """Return as many of these paths, made printable, as an answer has room for: all 200 but for very odd names."""
    found: dict[str, bool] = {}
    room = PATHS_BYTES
    for path, word in ((printable(path, PATH_LENGTH), word) for path, word in said.items()):
        room -= len(json.dumps({path: word}, ensure_ascii=False).encode())
        if room < 0:
            break
        found[path] = word
    return found


def find_edit(path: Path) -> tuple[str, ...]:
    """Say that a configuration is another one than site.yml wrote, by the sum that it left beside it, if it did."""
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.exists():  # an older release left none
        return ()
    wanted = beside.read_text(encoding="ascii", errors="replace").split(" ")[0]
    if hashlib.sha256(path.read_bytes()).hexdigest() == wanted:
        return ()
    return (f"{path} is not as site.yml wrote it, so nobody knows what is left out: run site.yml",)
