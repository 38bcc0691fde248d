# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What borgmatic's launcher (strict_borgmatic.py) tells of a backup: every warning, the archive, and what failed.

It comes as JSON lines on a descriptor that no hook has, so nothing that a hook prints can pretend to be of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Optional

from paranoid_dispatcher.borg_log import EXCLUDED_BY_TAG, OTHER, UNREAD, classify, escape, remote_line
from paranoid_dispatcher.patterns import compile_accepted
from paranoid_dispatcher.tagged import KEPT_MAX

LINE_MAX = 256 * 1024  # a path of 4,095 bytes stands there twice, each byte escaped twice
PATHS_MAX = 10  # of each kind
PATH_LENGTH = 200
FAILURES_MAX = 5
_CLOSED = "Connection closed by remote host"  # what Borg says when relay or ssh has ended, who said why before

Record = dict[str, Any]


class Evidence:
    """Counts as it comes, however much that is; keeps the first paths of each kind that nobody accepts.

    Of directories that a tag left out it keeps those that are not in ``told_before``.
    """

    def __init__(self, accepted: Sequence[str] = ()) -> None:
        self._accepted = compile_accepted(accepted)
        self._rest, self._is_too_long = b"", False
        self._seen = False
        self._of_borg: dict[str, Record] = {}
        self._of_borgmatic: dict[str, Record] = {}
        self._code = 0
        self.told_before: frozenset[str] = frozenset()
        self.tagged: set[str] = set()
        self.archive: Optional[Record] = None
        self.errors: list[str] = []
        self._heard = ""
        self.failures: list[Record] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream; what is no event counts as a warning that nobody knows."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self._is_too_long:
                self._take(line)
            self._is_too_long = False
        if len(self._rest) > LINE_MAX:
            self._rest = b""
            if not self._is_too_long:
                self._count(self._of_borg, OTHER, "")
            self._is_too_long = True

    @property
    def remarks(self) -> Optional[Record]:
        """Return counts and first paths by kind, None if no backup told of itself.

        An exit code that means warnings, without one that explains it, is a warning that nobody knows. What a tag left
        out explains none: it changes no exit code.
        """
        if not self._seen:
            return None
        counted = {kind: _copy(one) for kind, one in self._of_borg.items()}
        if self._code and not self._of_borg.keys() - {EXCLUDED_BY_TAG}:
            self._count(counted, OTHER, f"Borg ended with {self._code} and did not say why")
        for kind, one in self._of_borgmatic.items():
            known = counted.setdefault(kind, {"count": 0, "accepted": 0, "paths": []})
            known["count"] += one["count"]
            known["paths"] = (known["paths"] + one["paths"])[:PATHS_MAX]
        return counted

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._count(self._of_borg, OTHER, "")
            return
        if kind == "begin":  # Once more, if borgmatic tries again.
            self._seen, self._code, self._of_borg, self.errors, self.failures = True, 0, {}, [], []
            self.tagged = set()
        elif kind == "borg":
            self._heard = remote_line(str(event["line"])) or self._heard
            found = classify(str(event["line"]))
            if found:
                self._count(self._of_borg, *found)
        elif kind == "borgmatic":
            self._count(self._of_borgmatic, OTHER, str(event["message"]))
        elif kind == "code":
            self._code = int(event["code"])
        elif kind == "archive":
            self.archive = event["archive"]
        elif kind == "error":
            message = str(event["message"])
            said = self._heard if self._heard and message.startswith(_CLOSED) else message
            self.errors = [*self.errors, said][-FAILURES_MAX:]
        elif kind == "failed":
            self.failures = [*self.failures, event][:FAILURES_MAX]

    def _count(self, counts: dict[str, Record], kind: str, path: str) -> None:
        found = counts.setdefault(kind, {"count": 0, "accepted": 0, "paths": []})
        found["count"] += 1
        if kind in UNREAD and path and self._accepted is not None and self._accepted.match(path):
            found["accepted"] += 1
            return
        if kind == EXCLUDED_BY_TAG:
            if len(self.tagged) < KEPT_MAX:
                self.tagged.add(path)
            path = "" if path in self.told_before else path
        if path and len(found["paths"]) < PATHS_MAX:
            found["paths"].append(escape(path, PATH_LENGTH))


def _copy(found: Record) -> Record:
    return {**found, "paths": list(found["paths"])}
