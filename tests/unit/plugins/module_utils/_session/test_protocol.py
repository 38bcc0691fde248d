# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's answer: every field of the wrong type is named, none gets through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import (
    ProtocolError,
    check_hello,
    parse_result,
    request_line,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SESSION = "ab" * 16
ARCHIVE = {
    "name": "web1-1",
    "id": "a" * 64,
    "start": "2026-11-21T06:30:00.000000",
    "end": "2026-11-21T06:30:01Z",
    "duration": 1.5,
    "original_size": 1,
    "compressed_size": 2,
    "deduplicated_size": 3,
    "nfiles": 4,
}
INFO = {
    "repository_id": "b" * 64,
    "encryption": "repokey",
    "last_archive": {"name": "x", "id": "c" * 64, "start": ARCHIVE["end"]},
}
MAINTAIN: dict[str, Any] = {
    "deleted": ["d" * 64],
    "missing": ["e" * 64],
    "unknown": [{"id": "f" * 64, "name": "stray"}],
    "check": "skipped",
}


def answer(**changes: Any) -> bytes:
    """Return a result line of an ok session, but for the changes."""
    record = {"schema": 1, "session": SESSION, "verb": "backup", "status": "ok", "reason": "", "archive": ARCHIVE}
    return json.dumps({**record, "info": INFO, "maintain": MAINTAIN, "versions": {"borg": "1.4.5"}, **changes}).encode()


def test_request_is_one_line() -> None:
    line = request_line("backup", SESSION, {"delete": []})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {"schema": 1, "verb": "backup", "session": SESSION, "delete": []}


def test_a_good_result_is_taken_whole() -> None:
    result = parse_result(answer(), "backup", SESSION)
    assert (result.ok, result.archive, result.info, result.maintain) == (True, ARCHIVE, INFO, MAINTAIN)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'{"schema":1,"hello":"0"}', b'{"schema":2,"hello":"%s"}' % SESSION.encode(), b"\xff\x00"],
)
def test_what_is_no_hello(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_hello(line, SESSION)
    assert str(caught.value).isprintable()


NO_FIELDS: tuple[object, ...] = (None, True, [], {})
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"schema": 2}, "schema"),
    ({"session": "0" * 32}, "another session"),
    ({"verb": "info"}, "another session"),
    ({"status": "fine"}, "no status"),
    ({"status": ["ok"]}, "no status"),
    ({"reason": None}, "reason is not a text"),
    ({"reason": {"a": 1}}, "reason is not a text"),
    ({"archive": []}, "exactly the agreed fields"),
    ({"archive": {}}, "exactly the agreed fields"),
    ({"archive": {**ARCHIVE, "more": 1}}, "exactly the agreed fields"),
    *[({"archive": {**ARCHIVE, key: value}}, f"archive.{key}") for key in ARCHIVE for value in NO_FIELDS],
    *[({"archive": {**ARCHIVE, "nfiles": value}}, "archive.nfiles") for value in (-1, 1.5, 2**63, "1")],
    *[({"archive": {**ARCHIVE, "duration": value}}, "archive.duration") for value in (-1, 1e9, "1")],
    *[({"archive": {**ARCHIVE, "id": value}}, "archive.id") for value in ("a" * 63, "A" * 64, "a" * 64 + "\n")],
    *[
        ({"archive": {**ARCHIVE, "start": value}}, "archive.start")
        for value in ("now", "2026-11-21", "2026-11-21T06:30:00Z\n")
    ],
    ({"info": {**INFO, "last_archive": "x"}}, "info.last_archive"),
    ({"maintain": {**MAINTAIN, "deleted": ["x"]}}, "maintain.deleted"),
    ({"maintain": {**MAINTAIN, "check": []}}, "maintain.check"),
    ({"maintain": {**MAINTAIN, "missing": ["x"]}}, "maintain.missing"),
    ({"maintain": {**MAINTAIN, "unknown": "x"}}, "maintain.unknown"),
    ({"maintain": {**MAINTAIN, "unknown": [None]}}, "maintain.unknown"),
    ({"maintain": {**MAINTAIN, "unknown": [{"id": "x", "name": "y"}]}}, "maintain.unknown.id"),
    ({"maintain": {**MAINTAIN, "unknown": MAINTAIN["unknown"] * 101}}, "maintain.unknown"),
    ({"versions": {"ssh": "9"}}, "versions"),
    ({"versions": {"borg": 1}}, "versions.borg"),
    ({"saved": None}, "saved"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG)
def test_every_wrong_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse_result(answer(**changes), "backup", SESSION)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none(number: str) -> None:
    line = answer().replace(b'"duration": 1.5', f'"duration": {number}'.encode())
    assert number.encode() in line
    with pytest.raises(ProtocolError):
        parse_result(line, "backup", SESSION)


@pytest.mark.parametrize("line", [b"[" * 60_000, b'{"a":' * 10_000, b"", b"\x00" * 100, b"null", b'"x"'])
def test_bombs_and_rubbish(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_result(line, "backup", SESSION)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200


def test_of_a_key_given_twice_the_last_counts() -> None:
    line = answer()[:-1] + b', "status": "failed"}'
    assert not parse_result(line, "backup", SESSION).ok


def test_a_long_reason_is_cut_and_made_printable() -> None:
    result = parse_result(answer(status="failed", reason="\x1b" + "x" * 9999), "backup", SESSION)
    assert len(result.reason) == 500 and result.reason.startswith("\\x1b")


@settings(derandomize=True, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_result_or_a_protocol_error(content: object) -> None:
    with pytest.raises(ProtocolError):
        parse_result(
            json.dumps(
                {"schema": 1, "session": SESSION, "verb": "backup", "status": "ok", "archive": content or 0}
            ).encode(),
            "backup",
            SESSION,
        )


def test_kinds_of_a_newer_dispatcher_count_as_other() -> None:
    told = {"count": 2, "accepted": 1, "paths": ["/a"]}
    result = parse_result(answer(remarks={"other": told, "newer": told, "changed": told}), "backup", SESSION)
    assert result.remarks == {"other": {"count": 4, "accepted": 2, "paths": ["/a", "/a"]}, "changed": told}


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"refused": []},
        {"refused": [], "mounts": {}},
        {"refused": [], "mounts": {}, "filled": {}, "more": 1},
        {"refused": "x", "mounts": {}, "filled": {}},
        {"refused": [1], "mounts": {}, "filled": {}},
        {"refused": ["x"] * 21, "mounts": {}, "filled": {}},
        {"refused": [], "mounts": [], "filled": {}},
        {"refused": [], "mounts": {"/srv": 1}, "filled": {}},
        {"refused": [], "mounts": {f"/{number}": True for number in range(201)}, "filled": {}},
        {"refused": [], "mounts": {}, "filled": []},
        {"refused": [], "mounts": {}, "filled": {"/srv": "no"}},
    ],
)
def test_sources_of_another_form_are_refused(wrong: object) -> None:
    with pytest.raises(ProtocolError, match="sources"):
        parse_result(answer(sources=wrong), "backup", SESSION)


def test_sources_are_made_printable() -> None:
    told = {"refused": ["a\x1b[2J" + "x" * 1000], "mounts": {"/srv/\x1b": True}, "filled": {"/\x1b": False}}
    sources = parse_result(answer(sources=told), "backup", SESSION).sources
    assert sources is not None and sources["mounts"] == {"/srv/\\x1b": True} and sources["filled"] == {"/\\x1b": False}
    assert sources["refused"][0].isprintable() and len(sources["refused"][0]) == 400
    assert parse_result(answer(), "backup", SESSION).sources is None


def test_an_older_dispatcher_makes_no_remarks() -> None:
    assert parse_result(answer(), "backup", SESSION).remarks is None
