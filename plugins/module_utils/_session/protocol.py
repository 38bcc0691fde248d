# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What server and dispatcher say to each other: one request line, then hello and result, all hostile input here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import (
    OTHER,
    PATH_LENGTH,
    PATHS_LIMIT,
    REMARK_WORDS,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import CIPHERTEXT_LIMIT

SCHEMA = 1
ANSWER_LIMIT = 256 * 1024  # bytes of hello and result together
UNKNOWN_LIMIT = 100  # archives that a client may tell of and the ledger does not know
OWNER_LIMIT, OWNER_LENGTH = 20, 150  # names, paths or lines about the owner's files, and their characters
OWNER_TEXT = 300  # characters of what the owner himself says
REFUSED_LIMIT, REFUSED_LENGTH = 20, 400  # lines about sources, and their characters
MOUNTS_LIMIT, MOUNT_LENGTH = 200, 200  # mount points, and the characters of a path
_KINDS_LIMIT = 20  # kinds of remarks; those that this release does not know count as other
_RECIPIENTS_LIMIT = 100
_RECIPIENT_LENGTH = 4000  # characters; those that are safe from quantum computers have 1,960
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?\Z")


class ProtocolError(Exception):
    """The client's answer is not of the agreed form; the message is one printable line."""


@dataclass(frozen=True)
class Result:
    """A client's word about its session, every field checked for type and size.

    ``remarks`` are as `_common/remarks.py` says, None where it said nothing of them. ``sources`` has lines about those
    that it ``refused`` to save, and of ``mounts`` whether each lies on a file system of its own; None if it is older.
    ``owner`` is what the owner of the host says by files of his own, None where he says nothing. ``saved`` is the
    fingerprint of what it was told to save: None if its program is older, empty if its configuration is.
    """

    ok: bool
    reason: str
    archive: dict[str, Any] | None
    info: dict[str, Any] | None
    maintain: dict[str, Any] | None
    versions: dict[str, str]
    remarks: dict[str, Any] | None = None
    sources: dict[str, Any] | None = None
    escrow: dict[str, Any] | None = None
    owner: dict[str, Any] | None = None
    saved: str | None = None


def request_line(verb: str, session: str, extra: Mapping[str, Any] | None = None) -> bytes:
    """Return the one line that starts the dispatcher's work."""
    content = {"schema": SCHEMA, "verb": verb, "session": session, **(extra or {})}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def check_hello(line: bytes, session: str) -> None:
    """Raise ProtocolError unless ``line`` is this session's hello."""
    if _load(line) != {"schema": SCHEMA, "hello": session}:
        raise ProtocolError(f"the first line is not a hello: {one_line(decode(line[:400]), 120)}")


def parse_result(line: bytes, verb: str, session: str) -> Result:
    """Return the checked result of this session, or raise ProtocolError."""
    content = _load(line)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ProtocolError("the result is not an object of the agreed schema")
    if content.get("session") != session or content.get("verb") != verb:
        raise ProtocolError("the result is of another session")
    if content.get("status") not in ("ok", "failed"):
        raise ProtocolError("the result has no status")
    return Result(
        ok=content["status"] == "ok",
        reason=_text(content.get("reason", ""), "reason", 500),
        archive=_shape(content.get("archive"), "archive", _ARCHIVE),
        info=_shape(content.get("info"), "info", _INFO),
        maintain=_shape(content.get("maintain"), "maintain", _MAINTAIN),
        versions=_versions(content.get("versions")),
        remarks=_remarks(content.get("remarks"), "remarks"),
        sources=_shape(content.get("sources"), "sources", _SOURCES),
        escrow=_shape(content.get("escrow"), "escrow", _ESCROW),
        owner=_shape(content.get("owner"), "owner", _OWNER),
        saved=_text(content["saved"], "saved") if "saved" in content else None,
    )


def _load(line: bytes) -> Any:
    try:
        return json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ProtocolError(f"the answer is not JSON: {one_line(decode(line[:400]), 120)}") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _text(value: object, name: str, limit: int = 200) -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"{name} is not a text")
    return one_line(value, limit)


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ProtocolError(f"{name} is not a size or a count")
    return value


def _seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 10**8:
        raise ProtocolError(f"{name} is not a duration")
    return float(value)


def _identifier(value: object, name: str) -> str:
    if not isinstance(value, str) or not valid_id(value):
        raise ProtocolError(f"{name} is not 64 hexadecimal digits")
    return value


def _time(value: object, name: str) -> str:
    if not isinstance(value, str) or not _TIME.match(value):
        raise ProtocolError(f"{name} is not a time")
    return value


def _check(value: object, name: str) -> str:
    if value not in ("ok", "failed", "skipped"):
        raise ProtocolError(f"{name} is neither ok, failed nor skipped")
    return str(value)


def _identifiers(value: object, name: str) -> list[str]:
    if not isinstance(value, list):
        raise ProtocolError(f"{name} is not a list")
    return [_identifier(item, name) for item in value]


def _unknown_archives(value: object, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > UNKNOWN_LIMIT:
        raise ProtocolError(f"{name} is not a list of at most {UNKNOWN_LIMIT} archives")
    return [_unknown_archive(item, name) for item in value]


def _unknown_archive(value: object, name: str) -> dict[str, Any]:
    shape = _shape(value, name, {"id": _identifier, "name": _text})
    if shape is None:
        raise ProtocolError(f"{name} holds no archive")
    return shape


def _paths(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > PATHS_LIMIT:
        raise ProtocolError(f"{name} is not a list of at most {PATHS_LIMIT} paths")
    return [_text(item, name, PATH_LENGTH) for item in value]


def _remarks(value: object, name: str) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > _KINDS_LIMIT:
        raise ProtocolError(f"{name} are not of at most {_KINDS_LIMIT} kinds")
    found: dict[str, Any] = {}
    for kind, told in value.items():
        known = kind if kind in REMARK_WORDS else OTHER
        checked = _shape(told, f"{name}.{known}", _REMARK)
        if checked is None or checked["accepted"] > checked["count"]:
            raise ProtocolError(f"{name}.{known} accepts more than there is")
        found[known] = _add(found[known], checked) if known in found else checked
    return found


def _add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: one[key] + other[key] for key in ("count", "accepted")} | {
        "paths": (one["paths"] + other["paths"])[:PATHS_LIMIT]
    }


def _refused(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > REFUSED_LIMIT:
        raise ProtocolError(f"{name} is not a list of at most {REFUSED_LIMIT} lines")
    return [_text(line, name, REFUSED_LENGTH) for line in value]


def _paths_said(value: object, name: str) -> dict[str, bool]:
    if not isinstance(value, dict) or len(value) > MOUNTS_LIMIT:
        raise ProtocolError(f"{name} is not an object of at most {MOUNTS_LIMIT} paths")
    if not all(isinstance(said, bool) for said in value.values()):
        raise ProtocolError(f"{name} says something else than true or false")
    return {one_line(path, MOUNT_LENGTH): said for path, said in value.items()}


def _ciphertext(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.isascii() or len(value) > CIPHERTEXT_LIMIT:
        raise ProtocolError(f"{name} is not a text of at most {CIPHERTEXT_LIMIT} letters")
    return value


def _recipients(value: object, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _RECIPIENTS_LIMIT:
        raise ProtocolError(f"{name} is not a list of at most {_RECIPIENTS_LIMIT} recipients")
    found = [_shape(item, name, {"holder": _text, "recipient": _recipient}) for item in value]
    if None in found:
        raise ProtocolError(f"{name} holds no recipient")
    return [item for item in found if item]


def _recipient(value: object, name: str) -> str:
    return _text(value, name, _RECIPIENT_LENGTH)


def _owner_lines(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > OWNER_LIMIT:
        raise ProtocolError(f"{name} is not a list of at most {OWNER_LIMIT} texts")
    return [_text(line, name, OWNER_LENGTH) for line in value]


def _owner_text(value: object, name: str) -> str:
    return _text(value, name, OWNER_TEXT)


def _tunnel_request(value: object, name: str) -> dict[str, Any] | None:
    return _shape(value, name, {"why": _owner_text, "made": _time})


def _last_archive(value: object, name: str) -> dict[str, Any] | None:
    return _shape(value, name, {"name": _text, "id": _identifier, "start": _time})


_Checker = Callable[[object, str], Any]
_ARCHIVE: dict[str, _Checker] = {
    "name": _text,
    "id": _identifier,
    "start": _time,
    "end": _time,
    "duration": _seconds,
    "original_size": _count,
    "compressed_size": _count,
    "deduplicated_size": _count,
    "nfiles": _count,
}
_REMARK: dict[str, _Checker] = {"count": _count, "accepted": _count, "paths": _paths}
_SOURCES: dict[str, _Checker] = {"refused": _refused, "mounts": _paths_said, "filled": _paths_said}
_INFO: dict[str, _Checker] = {"repository_id": _identifier, "encryption": _text, "last_archive": _last_archive}
_OWNER: dict[str, _Checker] = {
    "off": _owner_text,
    "request": _tunnel_request,
    "sources": _owner_lines,
    "excludes": _count,
    "hooks": _owner_lines,
    "skipped": _owner_lines,
}
_ESCROW: dict[str, _Checker] = {"ciphertext": _ciphertext, "recipients": _recipients}
_MAINTAIN: dict[str, _Checker] = {
    "deleted": _identifiers,
    "missing": _identifiers,
    "unknown": _unknown_archives,
    "check": _check,
}


def _shape(value: object, name: str, checkers: Mapping[str, _Checker]) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != set(checkers):
        raise ProtocolError(f"{name} does not have exactly the agreed fields")
    return {key: check(value[key], f"{name}.{key}") for key, check in checkers.items()}


def _versions(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not set(value) <= {"borg", "borgmatic"}:
        raise ProtocolError("versions does not have the agreed fields")
    return {key: _text(version, f"versions.{key}", 40) for key, version in value.items()}
