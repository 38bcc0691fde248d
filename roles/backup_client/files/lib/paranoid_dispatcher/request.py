# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request: one line of JSON, exactly as docs/architecture.md specifies it."""

from __future__ import annotations

import json
import os
import re
import select
import time
from dataclasses import dataclass
from typing import Any

from paranoid_dispatcher.errors import Refused

REQUEST_MAX = 1024 * 1024
REQUEST_SECONDS = 30
VERBS = ("backup", "create", "escrow", "info", "maintain", "open")
_BASIC_KEYS = ("schema", "verb", "session")
_MAINTAIN_KEYS = ("delete", "known", "check_seconds")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_ARCHIVE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SESSION = re.compile(r"[0-9a-f]{32}", re.ASCII)

Record = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What the server asks for.

    ``maintain`` adds the archives to delete and those that the server knows (ids), and seconds for checking.
    ``client`` is the other host whose keyholder this one is; it is empty for this host itself.
    """

    verb: str
    session: str
    delete: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    check_seconds: int = 0
    client: str = ""


def read_request(descriptor: int) -> bytes:
    """Read up to the first newline; Refused if none comes within 1 MiB and 30 s."""
    received = b""
    until = time.monotonic() + REQUEST_SECONDS
    while b"\n" not in received:
        if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            raise Refused(f"no request within {REQUEST_SECONDS} s")
        part = os.read(descriptor, REQUEST_MAX + 1 - len(received))
        if not part:
            raise Refused("the session ended before its request")
        received += part
        if len(received) > REQUEST_MAX:
            raise Refused("the request is longer than 1 MiB")
    line, rest = received.split(b"\n", 1)
    if rest:
        raise Refused("the request is more than one line")
    return line


def parse_request(line: bytes) -> Request:
    """Parse one line of JSON into a request; Refused if it is anything but exactly that."""
    try:
        record = json.loads(line.decode("ascii"), object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as exc:
        raise Refused("the request is not a line of JSON") from exc
    if not isinstance(record, dict):
        raise Refused("the request is not an object")
    extra = _MAINTAIN_KEYS if record.get("verb") == "maintain" else ()
    if set(record) - ({"client"} if extra else set()) != {*_BASIC_KEYS, *extra}:
        raise Refused(f"the request needs exactly {', '.join((*_BASIC_KEYS, *extra))}")
    if not _is_number(record["schema"]) or record["schema"] != 1:
        raise Refused("this host speaks schema 1 only")
    if not isinstance(record["session"], str) or not _SESSION.fullmatch(record["session"]):
        raise Refused("the session's name must be 32 hex digits")
    if not isinstance(record["verb"], str) or record["verb"] not in VERBS:
        raise Refused(f"this host knows the verbs {', '.join(VERBS)} and no other")
    return Request(record["verb"], record["session"], **(_maintain_fields(record) if extra else {}))


def _maintain_fields(record: Record) -> Record:
    if not _is_number(record["check_seconds"]) or not 0 <= record["check_seconds"] <= 86400:
        raise Refused("check_seconds is a number from 0 to 86400")
    for key in ("delete", "known"):
        ids = record[key]
        if not isinstance(ids, list) or not all(isinstance(i, str) and _ARCHIVE_ID.fullmatch(i) for i in ids):
            raise Refused(f"{key} is a list of archives' ids")
    if len(set(record["delete"])) != len(record["delete"]):
        raise Refused("delete names an archive twice")
    return {
        "delete": tuple(record["delete"]),
        "known": frozenset(record["known"]),
        "check_seconds": record["check_seconds"],
        "client": _client_name(record),
    }


def _client_name(record: Record) -> str:
    if "client" not in record:
        return ""
    name = record["client"]
    if not isinstance(name, str) or not _CLIENT.fullmatch(name) or ".." in name:
        raise Refused("client is the name of a client")
    return name


def _unique_keys(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise Refused("the request names a key twice")
    return record


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
