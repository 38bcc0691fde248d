# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's log by kind and path, and what is counted of it, however much comes and however it is cut."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paranoid_dispatcher.borg_log import classify, escape, remote_line
from paranoid_dispatcher.evidence import LINE_MAX, PATHS_MAX, Evidence
from paranoid_dispatcher.tagged import KEPT_MAX, load_tagged, save_tagged

NAMES = {
    errno.EACCES: "BackupPermissionError",
    errno.EPERM: "BackupPermissionError",
    errno.EBUSY: "BackupPermissionError",
    errno.ENOENT: "BackupFileNotFoundError",
    errno.EIO: "BackupIOError",
}


def logged(message: str, identifier: str = "", level: str = "WARNING", name: str = "borg.archiver") -> str:
    """Return a line as Borg's JsonFormatter has it."""
    content = {"type": "log_message", "time": 1.0, "message": message, "levelname": level, "name": name}
    return json.dumps({**content, **({"msgid": identifier} if identifier else {})})


def failed(path: str, number: int, call: str = "open", name: object = None) -> str:
    """Return the line about an OSError, as Borg's BackupOSError puts it."""
    error = OSError(number, os.strerror(number), *([name] if name is not None else []))
    return logged(f"{path}: {call}: {error}", NAMES.get(number, "BackupOSError"))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, "unreadable"),
        (errno.EPERM, "unreadable"),
        (errno.EBUSY, "unreadable"),
        (errno.ENOMEM, "unreadable"),
        (errno.ELOOP, "unreadable"),
        (errno.EINVAL, "unreadable"),
        (errno.ENOENT, "vanished"),
        (errno.EIO, "io_error"),
        (errno.ESTALE, "io_error"),
        (errno.ENOTCONN, "io_error"),
        (errno.EOPNOTSUPP, "not_supported"),
        (errno.ENXIO, "not_supported"),
    ],
)
def test_an_error_of_the_system_has_its_kind(number: int, kind: str) -> None:
    for name in (None, "/srv/a b", "a b", 7):
        assert classify(failed("/srv/a b", number, "dir_open", name)) == (kind, "/srv/a b")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (logged("/a: file changed while we backed it up", "FileChangedWarning"), ("changed", "/a")),
        (
            logged(
                "/a: file type or inode changed while we backed it up (race condition, skipped file)",
                "BackupRaceConditionError",
            ),
            ("changed", "/a"),
        ),
        (logged("/a: backup error", "BackupError"), ("unreadable", "/a")),
        (logged("/a: left out, because of .nobackup", "ExcludedByTag"), ("excluded_by_tag", "/a")),
        (logged("Unknown file type: /dev/x"), ("not_supported", "/dev/x")),
        (logged("something new: /a", "SomethingNew"), ("other", "something new: /a")),
        (
            logged("when getting extended attribute user.x: [Errno 1]"),
            ("other", "when getting extended attribute user.x: [Errno 1]"),
        ),
        (logged("lost", level="ERROR", name="borg.cache"), ("other", "lost")),
        (logged("lost", level=""), ("other", "lost")),
        ("Segmentation fault", ("other", "Segmentation fault")),
        ('{"type": "log_message"}', ("other", "")),
        (logged("Continuing without files cache", name="borg.cache"), None),
        (logged("Remote: ** WARNING: not post-quantum"), None),
        ("Remote: hello", None),
        (logged("reading files cache", level="INFO"), None),
        ('{"type": "progress_percent", "finished": true}', None),
        ("", None),
    ],
)
def test_a_line_has_its_kind(line: str, found: object) -> None:
    assert classify(line) == found


HOSTILE = st.sampled_from([": open: [Errno 13] ", os.strerror(13), ": '", "'", '"', "x", "\n", "\udcff", "/", "\\"])


@given(st.lists(HOSTILE | st.characters(exclude_characters="\0"), max_size=12).map("".join), st.booleans())
def test_no_name_of_a_file_pretends_to_be_another_path(name: str, with_name: bool) -> None:
    """The path that is found is the file's own, or none: nobody accepts another one's path for it."""
    path = f"/home/u/{name}"
    found = classify(failed(path, errno.EACCES, "open", path if with_name else None))
    assert found is not None and found[0] == "unreadable"
    assert found[1] in (path, "")


@given(st.binary(max_size=300))
def test_no_line_of_borg_makes_it_crash(line: bytes) -> None:
    classify(line.decode("utf-8", "surrogateescape"))


def told(*lines: str, accepted: tuple[str, ...] = (), size: int = 7) -> Evidence:
    """Return the evidence of these lines of Borg's, which come in small parts."""
    evidence = Evidence(accepted)
    events = [{"event": "begin"}, *({"event": "borg", "line": line} for line in lines)]
    stream = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    for start in range(0, len(stream), size):
        evidence.feed(stream[start : start + size])
    return evidence


def test_all_are_counted_and_few_are_named() -> None:
    lines = [failed(f"/a/{number}", errno.EACCES) for number in range(1000)]
    ((kind, found),) = (told(*lines, size=4096).remarks or {}).items()
    assert (kind, found["count"], found["accepted"], len(found["paths"])) == ("unreadable", 1000, 0, PATHS_MAX)


def test_acceptance_looks_at_every_path_and_not_at_the_sample() -> None:
    lines = [failed(f"/home/u/.gvfs/{number}", errno.EACCES) for number in range(500)]
    remarks = told(*lines, failed("/home/u/.gvfsx", errno.EACCES), accepted=("/home/*/.gvfs",)).remarks
    assert remarks == {"unreadable": {"count": 501, "accepted": 500, "paths": ["/home/u/.gvfsx"]}}


@pytest.mark.parametrize("pattern", ["/home/*/.gvfs", "/home/*/.gvfs/", "/home/u/.gvfs", "/home/?/.gvfs/*", "/h*"])
def test_a_pattern_takes_what_lies_below(pattern: str) -> None:
    remarks = told(failed("/home/u/.gvfs/a/b", errno.EIO), accepted=(pattern,)).remarks
    assert remarks == {"io_error": {"count": 1, "accepted": 1, "paths": []}}


def test_only_what_could_not_be_read_can_be_accepted() -> None:
    changed = logged("/a: file changed while we backed it up", "FileChangedWarning")
    remarks = told(changed, "/a: what is this", accepted=("*",)).remarks or {}
    assert {kind: found["accepted"] for kind, found in remarks.items()} == {"changed": 0, "other": 0}


def test_a_file_without_a_sure_name_is_not_accepted() -> None:
    odd = logged("/a: open: [Errno 13] x: open: [Errno 13] y", "BackupPermissionError")
    assert told(odd, accepted=("*",)).remarks == {"unreadable": {"count": 1, "accepted": 0, "paths": []}}


def test_a_code_for_warnings_without_one_is_not_green() -> None:
    evidence = told()
    evidence.feed(b'{"event": "code", "code": 105}\n')
    assert evidence.remarks == {
        "other": {"count": 1, "accepted": 0, "paths": ["Borg ended with 105 and did not say why"]}
    }


def test_what_a_tag_leaves_out_explains_no_code() -> None:
    """Tags are ordinary, and Borg's exit code does not know of them."""
    evidence = told(logged("/srv/cache: left out, because of CACHEDIR.TAG", "ExcludedByTag"))
    evidence.feed(b'{"event": "code", "code": 105}\n')
    assert evidence.remarks and evidence.remarks["other"]["count"] == 1


def test_what_is_no_event_or_too_long_is_not_green() -> None:
    for stream in (b"rubbish\n", b"[]\n", b"x" * (LINE_MAX + 1) + b"\n"):
        evidence = told()
        evidence.feed(stream)
        assert (evidence.remarks or {})["other"]["count"] == 1


def test_memory_is_bounded_while_a_line_does_not_end() -> None:
    evidence = told()
    for _ in range(100):
        evidence.feed(b"x" * LINE_MAX)
    evidence.feed(b'\n{"event": "borgmatic", "message": "No Btrfs subvolumes found"}\n')
    assert evidence.remarks == {"other": {"count": 2, "accepted": 0, "paths": ["No Btrfs subvolumes found"]}}


def test_nobody_told_of_a_backup() -> None:
    assert Evidence().remarks is None
    assert told().remarks == {}


def test_a_second_attempt_begins_anew() -> None:
    evidence = told(failed("/a", errno.EIO))
    evidence.feed(b'{"event": "begin"}\n')
    assert evidence.remarks == {}


def test_a_path_is_one_line_of_its_own_characters() -> None:
    assert escape("/a\nb\udcff\u202eü", 200) == "/a\\nb\\udcff\\u202eü"
    assert len(escape("\n" * 500, 200)) == 200


def test_what_a_tag_leaves_out_is_named_while_it_is_new(tmp_path: Path) -> None:
    counted = []
    for paths in (["/a"], ["/a", "/b: left out, because of x"], ["/b: left out, because of x", "/a"], ["/a"]):
        evidence = Evidence()
        evidence.told_before = load_tagged(tmp_path)
        lines = [logged(f"{path}: left out, because of .nobackup", "ExcludedByTag") for path in paths]
        events = [{"event": "begin"}, *({"event": "borg", "line": line} for line in lines)]
        evidence.feed("".join(f"{json.dumps(event)}\n" for event in events).encode())
        save_tagged(tmp_path, evidence.tagged)
        counted.append((evidence.remarks or {})["excluded_by_tag"])
    assert [one["count"] for one in counted] == [1, 2, 2, 1]
    assert [one["paths"] for one in counted] == [["/a"], ["/b: left out, because of x"], [], []]


@pytest.mark.parametrize("content", ["", "7", '{"a": 1', "\xff"])
def test_a_note_that_cannot_be_read_tells_everything(tmp_path: Path, content: str) -> None:
    (tmp_path / "tagged.json").write_text(content, encoding="latin-1")
    assert load_tagged(tmp_path) == frozenset()


def test_the_note_is_bounded_and_takes_any_name(tmp_path: Path) -> None:
    save_tagged(tmp_path / "gone", ["/a"])
    assert load_tagged(tmp_path / "gone") == frozenset()
    save_tagged(tmp_path, [f"/{number}\udcff\n" for number in range(KEPT_MAX + 5)])
    assert len(load_tagged(tmp_path)) == KEPT_MAX and "/0\udcff\n" in load_tagged(tmp_path)


@pytest.mark.parametrize("call", ["stat", "fstat2", "dir_open", "extended stat (xattrs)", "extended stat (ACLs)"])
def test_the_path_stands_before_any_call_of_borg(call: str) -> None:
    """Those of Borg 1.4.5 are the arguments of backup_io in archive.py and archiver.py."""
    assert classify(failed("/a: b", errno.EACCES, call)) == ("unreadable", "/a: b")


def test_when_the_way_breaks_the_reason_is_who_said_it_before() -> None:
    """Borg itself only says that the connection was closed; ssh, relay or gate said why."""
    closed = "Connection closed by remote host. Is borg working on the server?"
    evidence = Evidence()
    lines = [logged("Remote: Host key verification failed.", name="borg.remote"), "Remote: plain", logged("of Borg")]
    for line in lines[:1]:
        evidence.feed(json.dumps({"event": "borg", "line": line}).encode() + b"\n")
    evidence.feed(json.dumps({"event": "error", "message": closed}).encode() + b"\n")
    assert evidence.errors == ["Host key verification failed."]
    assert [remote_line(line) for line in lines] == ["Host key verification failed.", "plain", ""]
    silent = Evidence()
    silent.feed(json.dumps({"event": "error", "message": closed}).encode() + b"\n")
    assert silent.errors == [closed]
