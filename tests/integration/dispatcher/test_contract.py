# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engine and dispatcher agree on: the vectors in tests/vectors, and the limits that each side knows by itself."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import REMARK_WORDS
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import NAMED_LIMIT
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import (
    ANSWER_LIMIT,
    OWNER_LENGTH,
    OWNER_LIMIT,
    ProtocolError,
    check_hello,
    parse_result,
    request_line,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import VERBS
from hypothesis import given
from hypothesis import strategies as st
from paranoid_dispatcher import main as main_module
from paranoid_dispatcher import request as request_module
from paranoid_dispatcher import verbs
from paranoid_dispatcher.errors import Failed, Refused
from paranoid_dispatcher.evidence import PATHS_MAX, Evidence
from paranoid_dispatcher.filled import SOURCES_MAX
from paranoid_dispatcher.journal import Journal
from paranoid_dispatcher.looks import PATH_LENGTH, REFUSED_LENGTH, REFUSED_MAX, fit_paths
from paranoid_dispatcher.main import REASON_MAX, encode, perform
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.owner import LINE_MAX, LISTED_MAX, TEXT_MAX, Owner
from paranoid_dispatcher.request import Request, parse_request
from paranoid_dispatcher.server_link import ServerLink
from paranoid_dispatcher.sources import MOUNTS_MAX
from paranoid_dispatcher.toolbox import Toolbox
from paranoid_dispatcher.verbs import MISSING_MAX, NAME_MAX, UNKNOWN_MAX
from tool import ROOT

REQUESTS, ANSWERS = (json.loads((ROOT / f"tests/vectors/{name}.json").read_text()) for name in ("request", "answer"))
SESSION = REQUESTS["session"]
MAINTAIN = {"delete": ["a" * 64], "known": ["b" * 64], "check_seconds": 60}


def named(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


@named(REQUESTS["valid"])
def test_a_valid_request_is_what_the_engine_writes(vector: dict[str, Any]) -> None:
    assert request_line(vector["verb"], SESSION, vector["extra"]) == f"{vector['line']}\n".encode()


@named(REQUESTS["valid"])
def test_a_valid_request_is_taken(vector: dict[str, Any]) -> None:
    fields = dict(vector["request"])
    ids: dict[str, Any] = {"delete": tuple(fields.pop("delete", ())), "known": frozenset(fields.pop("known", ()))}
    assert parse_request(vector["line"].encode()) == replace(Request(vector["verb"], SESSION), **ids, **fields)


@named(REQUESTS["invalid"])
def test_an_invalid_request_is_refused_by_name(vector: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=vector["reason"]):
        parse_request(vector["line"].encode())


def test_both_know_the_same_verbs() -> None:
    assert set(VERBS) == set(request_module.VERBS) == {vector["verb"] for vector in REQUESTS["valid"]}


def test_hello_is_this_one_line() -> None:
    (line,) = ANSWERS["hello"]["valid"]
    assert encode({"schema": 1, "hello": SESSION}) == f"{line}\n".encode()
    check_hello(line.encode(), SESSION)
    for wrong in ANSWERS["hello"]["invalid"]:
        with pytest.raises(ProtocolError):
            check_hello(wrong.encode(), SESSION)


@named(ANSWERS["valid"])
def test_a_valid_answer_is_believed_to_be_one(vector: dict[str, Any]) -> None:
    content, result = json.loads(vector["line"]), parse_result(vector["line"].encode(), vector["verb"], SESSION)
    assert (result.ok, result.reason) == (content["status"] == "ok", content["reason"])
    assert [result.archive, result.info, result.maintain] == [content[key] for key in ("archive", "info", "maintain")]
    assert result.versions == content["versions"]


@named(ANSWERS["invalid"])
def test_an_invalid_answer_is_a_protocol_error_by_name(vector: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match=vector["reason"]):
        parse_result(vector["line"].encode(), vector["verb"], SESSION)


def stub(path: Path, verb: str, **tools: object) -> Toolbox:
    """What a verb needs, without programs."""
    places = dict.fromkeys(("base_dir", "remote_dir", "borg"), str(path))
    config = {**places, "config": str(path / "borgmatic.yaml"), "mounts": {}}
    parts: dict[str, Any] = {
        "config": SimpleNamespace(**config, owner_dir="", accept_unreadable=(), may_be_empty=(), saved="9f2c"),
        "request": SimpleNamespace(verb=verb, session=SESSION),
        "link": ServerLink(60),
        "journal": Journal(path),
        "socket": path / "socket",
        "evidence": Evidence(),
        "told": {},
        "owner": Owner(),
    }
    return cast(Toolbox, SimpleNamespace(**{**parts, **tools}))


@named(ANSWERS["valid"])
def test_a_valid_answer_is_what_the_dispatcher_writes(
    vector: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, path = json.loads(vector["line"]), tmp_path_factory.mktemp("c")

    def borgmatic(*_arguments: str) -> str:
        if "failure" in vector:
            raise Failed(vector["failure"])
        return str(vector["borgmatic"])

    tools = stub(path, vector["verb"], borgmatic=borgmatic)
    (path / "borgmatic.yaml").write_text("{}")
    if "borgmatic" not in vector and "failure" not in vector:
        monkeypatch.setitem(verbs.VERBS, vector["verb"], lambda _tools: {"maintain": content["maintain"]})
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    written = encode({**perform(tools), "versions": content["versions"]})
    assert written == f"{vector['line']}\n".encode()


@given(st.text() | st.from_regex(r"[A-Za-z0-9._/-]{1,70}"))
def test_a_client_is_named_as_the_server_names_clients(name: str) -> None:
    if valid_client_name(name):
        assert parse_request(request_line("maintain", SESSION, {**MAINTAIN, "client": name}).rstrip()).client == name
    else:
        with pytest.raises(Refused, match="client is the name of a client"):
            parse_request(request_line("maintain", SESSION, {**MAINTAIN, "client": name}).rstrip())


@pytest.mark.parametrize("character", ["\U0001f4be", "\x01", '"', "\ud800"])
def test_the_longest_answer_is_one_that_the_server_reads(character: str) -> None:
    """1500 archives are the most that the server names, and what the dispatcher tells of others is bounded."""
    identifier, name = "a" * 64, printable(character * 1000, NAME_MAX)
    told = {
        "deleted": [identifier] * NAMED_LIMIT,
        "missing": [identifier] * MISSING_MAX,
        "unknown": [{"id": identifier, "name": name}] * UNKNOWN_MAX,
        "check": "skipped",
    }
    versions = {"borg": "1.4.5", "borgmatic": "2.1.10"}
    result = {"status": "failed", "reason": printable(character * 1000, REASON_MAX), "archive": None, "info": None}
    text = printable(character * 1000, TEXT_MAX)
    owner = Owner(off=text, request={"why": text, "made": "2026-11-21T06:30:00+00:00"})
    more = {"maintain": told, "owner": owner.told, "versions": versions}
    line = encode({"schema": 1, "session": SESSION, "verb": "maintain", **result, **more})
    assert len(line) + len(encode({"schema": 1, "hello": SESSION})) <= ANSWER_LIMIT
    assert parse_result(line, "maintain", SESSION).maintain == told


@pytest.mark.parametrize("character", ["\U0001f4be", "\x01", '"'])
def test_the_longest_answer_of_a_backup_is_one_that_the_server_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    text, path = printable(character * 1000, TEXT_MAX), printable(character * 1000, PATH_LENGTH)
    lines = tuple(character * 1000 for _ in range(LISTED_MAX + 1))
    request = {"why": text, "made": "2026-11-21T06:30:00+00:00"}
    owner = Owner(text, request, lines, lines, lines, list(lines))
    assert owner.told and len(owner.told["hooks"]) == LISTED_MAX == OWNER_LIMIT and LINE_MAX == OWNER_LENGTH
    evidence = Evidence()
    evidence.feed(b'{"event": "begin"}\n')
    for kind in REMARK_WORDS:
        for _ in range(PATHS_MAX):
            evidence._count(evidence._of_borg, kind, character * 1000)
    mounts, filled = (
        fit_paths({f"{number:03}{path[3:]}": True for number in range(most)}) for most in (MOUNTS_MAX, SOURCES_MAX)
    )
    sources = {
        "refused": [printable(character * 1000, REFUSED_LENGTH)] * REFUSED_MAX,
        "mounts": mounts,
        "filled": filled,
    }
    tools = stub(tmp_path, "backup", owner=owner)
    failed = Failed(text, {"remarks": evidence.remarks, "sources": sources})
    monkeypatch.setitem(verbs.VERBS, "backup", lambda _tools: (_ for _ in ()).throw(failed))
    monkeypatch.setattr(main_module, "look_at_owner", lambda *_places: owner)
    line = encode({**perform(tools), "versions": {"borg": "1.4.5", "borgmatic": "2.1.10"}})
    assert len(line) + len(encode({"schema": 1, "hello": SESSION})) <= ANSWER_LIMIT
    assert parse_result(line, "backup", SESSION).owner is not None
