# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client does in a session, with real Borg: as an honest one, or as one that has the key and keeps no rule."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from borg import remote
from borg.crypto.key import key_factory
from borg.helpers import Location, Manifest
from hostile import MANIFEST_ID, Closed, Hostile, Refusal
from tunnel_client import PASSPHRASE, REPOSITORY, Host, Record, _Tunnel

Act = tuple[str, int]
_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("delete", "::{}"),
    ("delete", "--force", "--force", "::{}"),
    ("prune", "--keep-last", "1"),
    ("recreate", "--exclude", "tree/1", "--recompress", "-C", "zlib", "::{}"),
    ("rename", "::{}", "renamed-{number}"),
    ("create", "--timestamp", "2001-01-01T00:00:00", "::old-{number}", "tree"),
    ("create", "--timestamp", "2030-01-01T00:00:00", "::new-{number}", "tree"),
    ("check", "--repair"),
    ("compact",),
    ("key", "change-passphrase"),
    ("debug", "delete-obj", ":/x", "{object}"),
    ("check",),
)


def initialise(host: Host, _request: Record) -> Record:
    """Make the repository."""
    code, _said = host.borg("init", "--encryption", "repokey-blake2")
    return {"status": "failed" if code else "ok"}


def back_up(host: Host, name: str) -> Record:
    """Make an archive of the tree."""
    code, said = host.borg("create", "--json", f"::{name}", "tree")
    if code:
        return {"status": "failed", "reason": f"borg ended with {code}"}
    archive = json.loads(said)["archive"]
    told = {key: archive[key] for key in ("name", "id", "start", "end", "duration")}
    return {"archive": {**told, **archive["stats"]}}


def maintain(host: Host, request: Record) -> Record:
    """Delete what the server named, as the dispatcher does."""
    held = list_archives(host)
    wanted = {*request["known"], *request["delete"]}
    going = [one for one in request["delete"] if one in held and set(request["known"]) <= held.keys()]
    if going and host.borg("delete", "--", "::", *(held[one] for one in going))[0]:
        return {"status": "failed", "reason": "borg delete failed"}
    unknown = [{"id": one, "name": held[one]} for one in sorted(held.keys() - wanted)]
    told = {"deleted": going, "missing": sorted(wanted - held.keys()), "unknown": unknown[:100], "check": "ok"}
    return {"maintain": told}


def list_archives(host: Host) -> dict[str, str]:
    """Return the names of all archives on the list, by their ids; an exception if it cannot be read."""
    code, said = host.borg("list", "--json", "--consider-checkpoints")
    if code:
        raise ValueError(f"borg list ended with {code}")
    return {one["id"]: one["name"] for one in json.loads(said)["archives"]}


@dataclass(frozen=True)
class Knowledge:
    """What a hostile client knows when a session begins, ids as bytes, in the order in which the objects lie.

    ``gone`` are ids that were stored once, ``lists`` are earlier lists of archives as they were stored.
    """

    objects: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    lists: tuple[bytes, ...]


class Villain:
    """A hostile client in one session: ``perform`` acts, whatever is answered, and returns the ids that it stored."""

    def __init__(self, host: Host, knowledge: Knowledge, seed: int) -> None:
        self._host = host
        self._known = knowledge
        self._bits = random.Random(seed)
        self.stored: list[bytes] = []
        self.archives: list[str] = []

    def perform(self, acts: Sequence[Act]) -> None:
        """Do all of it: what is said in calls by one connection, as far as nothing else comes between."""
        left = list(acts)
        while left:
            with suppress(Refusal, Closed, TimeoutError, OSError):
                self._next(left)

    def _next(self, left: list[Act]) -> None:
        act, number = left.pop(0)
        match act:
            case "borg":
                self._borg(_COMMANDS[number % len(_COMMANDS)], number)
            case "archive":
                told = back_up(self._host, f"villain-{number}-{self._bits.random()}").get("archive")
                self.archives += [told["id"]] if told else []
            case "omit" | "invent":
                self._forge_list(act, number)
            case "reconnect":
                return
            case _:
                self._calls([(act, number), *self._until_next_program(left)])

    @staticmethod
    def _until_next_program(left: list[Act]) -> list[Act]:
        taken: list[Act] = []
        while left and left[0][0] not in ("borg", "archive", "omit", "invent", "reconnect"):
            taken.append(left.pop(0))
        return taken

    def _calls(self, acts: Sequence[Act]) -> None:
        with self._host.calls() as hostile:
            hostile.hello()
            for act, number in acts:
                with suppress(Refusal):
                    self._call(hostile, act, number)

    def _call(self, hostile: Hostile, act: str, number: int) -> None:
        pool = [*self._known.objects, *self.stored] or [self._bits.randbytes(32)]
        match act:
            case "new":
                self._put(hostile, self._bits.randbytes(32))
            case "put":
                self._put(hostile, pool[number % len(pool)])
            case "again":
                self._put(hostile, (self._known.gone or pool)[number % len(self._known.gone or pool)])
            case "delete":
                hostile.call("delete", id=pool[number % len(pool)])
            case "delete all":
                self._delete_all(hostile, pool[number % 4 :: number % 3 + 1])
            case "list":
                hostile.call("put", id=MANIFEST_ID, data=self._known.lists[number % len(self._known.lists)])
            case _:
                method, arguments = _plain_call(act, number, self._bits)
                hostile.call(method, **arguments)

    def _put(self, hostile: Hostile, key: bytes) -> None:
        self.stored.append(key)
        hostile.call("put", id=key, data=b"garbage" * 9)

    @staticmethod
    def _delete_all(hostile: Hostile, keys: Sequence[bytes]) -> None:
        """Delete each by itself: what is refused dooms its own transaction, and no other."""
        for key in keys[:100]:
            try:
                hostile.call("delete", id=key)
                hostile.call("commit", compact=False)
            except Refusal:
                hostile.call("rollback")

    def _borg(self, command: Sequence[str], number: int) -> None:
        names: list[str] = []
        with suppress(ValueError):
            names = list(list_archives(self._host).values())
        name = names[number % len(names)] if names else "none"
        objects = self._known.objects
        key = objects[number % len(objects)].hex() if objects else ""
        self._host.borg(*(word.format(name, number=number, object=key) for word in command))

    def _forge_list(self, act: str, number: int) -> None:
        """With the key: a list without an archive, padded so that its size tells nothing; or with one more name."""
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return
        try:
            os.environ.update(BORG_PASSPHRASE=PASSPHRASE, BORG_BASE_DIR=str(self._host.own / "borg"))
            remote.Popen = lambda *_, **__: _Tunnel(self._host.gate)
            arguments: Any = type("Arguments", (), {"upload_ratelimit": 0, "upload_buffer": 0, "debug_topics": ()})
            arguments.rsh = arguments.remote_path = "none"
            with remote.RemoteRepository(Location(REPOSITORY), exclusive=True, args=arguments) as repository:
                self._store_forged(repository, act, number)
        finally:
            os._exit(0)

    def _store_forged(self, repository: Any, act: str, number: int) -> None:
        key = key_factory(repository, repository.get(MANIFEST_ID))
        manifest, _key = Manifest.load(repository, Manifest.NO_OPERATION_CHECK, key=key)
        names = sorted(manifest.archives)
        if act == "omit" and names:
            del manifest.archives[names[number % len(names)]]
        else:
            ids = self._known.objects or (bytes(32),)
            manifest.archives[f"invented-{number}"] = (ids[number % len(ids)], "2026-01-01T00:00:00.000000")
        manifest.config[b"padding"] = self._bits.randbytes(200).hex().encode()
        manifest.write()
        repository.commit(compact=False)


def _plain_call(act: str, number: int, bits: random.Random) -> tuple[str, dict[str, Any]]:
    match act:
        case "garbage list":
            return "put", {"id": MANIFEST_ID, "data": bits.randbytes(number * 20)}
        case "nonce":
            return "commit_nonce_reservation", {"next_unreserved": number * 2**30, "start_nonce": None}
        case "commit":
            return "commit", {"compact": False}
    return act, {}
