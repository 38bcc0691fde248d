# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in this process: it speaks to the gate's own classes, and makes archives of a simple form, in no time.

Instead of encrypting, it writes what it means: the list holds ids of archives, an archive holds ids of chunks. What
it deletes and stores, and in which order, is what Borg does; what it may also do is up to the test.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan
from borg.repository import Repository
from paranoid_gate.calls import Calls
from paranoid_gate.errors import Refused
from paranoid_gate.events import Report
from paranoid_gate.kept import Kept
from paranoid_gate.main import _explain
from paranoid_gate.policy import POLICIES, Budget, Options

LIST_ID = bytes(32)
_LIST_BASE, _ENTRY = 500, 60  # bytes of an empty list, and of each archive on it, as Borg's are
Call = Callable[..., Any]


_numbers = [count()]


def begin_anew() -> None:
    """Give the same ids again, from the first on: a sequence that is run twice is the same."""
    _numbers[0] = count()


def fresh_id() -> bytes:
    """Return an id that no object has, spread as a MAC is."""
    return hashlib.sha256(b"id %d" % next(_numbers[0])).digest()


class Ended(Exception):
    """There was no connection."""


class Wire:
    """The connections of one session; ``summary`` is what the engine's `Gates` would have seen of them."""

    def __init__(self, site: Site, policy: str, repository_id: str | None, plan: TrimPlan | None) -> None:
        self._path, self._policy, self._repository_id = site.client.repository, POLICIES[policy], repository_id
        self._plan = plan
        self._first_segment: int | None = None
        self.summary = GateSummary()

    @contextmanager
    def connection(self) -> Iterator[Call]:
        """Open the repository for writing, and give what makes calls; Ended if it does not open.

        A call that ends the connection ends the block.
        """
        descriptor = os.memfd_create("report")
        report = Report(descriptor)
        trouble: tuple[str | None, str] = (None, "")
        is_open = False
        try:
            with closing(Calls(self._options(), report)) as calls:
                calls.answer("open", {"exclusive": True, "lock_wait": 0, "create": self._policy.may_create})
                is_open = True
                yield lambda method, **arguments: calls.answer(method, arguments)
        except Exception as error:
            if not isinstance(error, (Refused, Repository.ObjectNotFound)):
                trouble = _explain(error)
        self._add(report, descriptor, trouble)
        if not is_open:
            raise Ended(trouble)

    def _options(self) -> Options:
        plan = self._plan if self._first_segment is None else None
        budget, kept = Budget(), Kept()
        if self._plan is not None:
            content = json.loads(self._plan.kept.to_json())
            intervals = tuple(((one[0], one[1]), (one[2], one[3])) for one in content["intervals"])
            kept = Kept(frozenset(map(bytes.fromhex, content["archives"])), intervals)
        if plan is not None:
            budget = Budget(plan.budget.objects, plan.budget.bytes, plan.budget.archives)
        return Options(self._policy, self._path, self._repository_id, budget, None, self._first_segment, kept)

    def _add(self, report: Report, descriptor: int, trouble: tuple[str | None, str]) -> None:
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            events = [json.loads(line) for line in file]
        seen, counts = self.summary, report.counts
        for event in events:
            if event["event"] == "begin" and self._first_segment is None:
                self._first_segment = event["first_segment"]
            if event["event"] == "commit":
                seen = replace(seen, transaction=event["transaction"])
            if event["event"] == "refused":
                seen = replace(seen, refused=(*seen.refused, f"{event['call']} {event['detail']}")[:20])
        self.summary = replace(
            seen,
            connections=seen.connections + 1,
            put=seen.put + counts.put,
            delete=seen.delete + counts.delete,
            commits=seen.commits + counts.commits,
            manifests=seen.manifests + counts.manifests,
            trouble=seen.trouble or trouble[0],
            detail=seen.detail or trouble[1],
        )


def pack_list(archives: Sequence[bytes], least: int = 0) -> bytes:
    """Return a list of archives, padded to at least so many bytes."""
    data = b"L" * _LIST_BASE + b"".join(one + b"-" * (_ENTRY - 32) for one in archives)
    return data.ljust(least, b"P")


def read_list(call: Call) -> list[bytes]:
    """Return the ids of the archives on the list."""
    data = call("get", id=LIST_ID)[_LIST_BASE:].rstrip(b"P")
    return [data[at : at + 32] for at in range(0, len(data), _ENTRY)]


def read_archive(call: Call, archive: bytes) -> list[bytes]:
    """Return the ids of an archive's chunks; none if it is not there."""
    with suppress(Repository.ObjectNotFound):
        data = call("get", id=archive)
        if data.startswith(b"A"):
            return [data[at : at + 32] for at in range(1, len(data), 32)]
    return []


def back_up(wire: Wire, new: int, reused: Sequence[int], checkpoint: bool) -> tuple[bytes, set[bytes]] | None:
    """Make an archive of ``new`` chunks and some that listed archives have; return it and what it needs."""
    with wire.connection() as call:
        listed = read_list(call)
        known = sorted({chunk for one in listed for chunk in read_archive(call, one)})
        chunks = {known[at % len(known)] for at in reused} if known else set()
        if checkpoint:
            unfinished = fresh_id()
            call("put", id=unfinished, data=b"A" + b"".join(chunks))
            call("put", id=LIST_ID, data=pack_list([*listed, unfinished]))
            call("commit", compact=False)
            call("delete", id=unfinished)
        for _ in range(new):
            chunk = fresh_id()
            chunks.add(chunk)
            call("put", id=chunk, data=b"chunk" + chunk)
        archive = fresh_id()
        call("put", id=archive, data=b"A" + b"".join(sorted(chunks)))
        call("put", id=LIST_ID, data=pack_list([*listed, archive]))
        call("commit", compact=False)
        return archive, {archive, *chunks}
    return None


def maintain(wire: Wire, plan: TrimPlan) -> dict[str, Any]:
    """Delete what the server named, as the dispatcher and Borg do; return the answer."""
    deleted: list[str] = []
    held: list[bytes] = []
    with wire.connection() as call:
        held = read_list(call)
        names = {one.hex() for one in held}
        if set(plan.known) <= names:
            deleted = [one for one in plan.named if one in names]
        if deleted:
            staying = [one for one in held if one.hex() not in deleted]
            needed = {chunk for one in staying for chunk in read_archive(call, one)}
            going = [bytes.fromhex(one) for one in deleted]
            for chunk in sorted({chunk for one in going for chunk in read_archive(call, one)} - needed):
                call("delete", id=chunk)
            for one in going:
                call("delete", id=one)
            call("put", id=LIST_ID, data=pack_list(staying))
            call("commit", compact=False)
    names = {one.hex() for one in held}
    missing = sorted({*plan.known, *plan.named} - names)
    unknown = [{"id": one, "name": one[:8]} for one in sorted(names - {*plan.known, *plan.named})]
    return {"deleted": deleted, "missing": missing, "unknown": unknown[:100], "check": "ok"}
