# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hooks.d behind the real dispatcher: in order, with their end whatever comes, and only if they are root's alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dispatched import IMPATIENT, Client, answers, needs_borg, stdin, wait_for
from owner_files import OWNED, OWNED_START, add_hook, add_logging, calls, needs_root
from paranoid_dispatcher import owner_hooks, trust
from paranoid_dispatcher.errors import Failed

pytestmark = needs_root
IMPATIENTLY = IMPATIENT.replace("from paranoid_dispatcher import host", f"{OWNED}from paranoid_dispatcher import host")
ARCHIVE = """
echo borgmatic >>calls
echo '[{"archive": {"name": "one", "id": "'$(printf '%064d' 1)'", "start": "2026-11-20T03:00:00.000000",
"end": "2026-11-20T03:00:01.000000", "duration": 1, "stats": {"original_size": 1, "compressed_size": 1,
"deduplicated_size": 1, "nfiles": 1}}}]'
"""


@pytest.fixture
def owned(client: Client) -> Client:
    """A client with hooks.d, and a borgmatic that only notes that it ran."""
    borgmatic(client, ARCHIVE)
    # Borg has opened the repository before, so that nobody looks at it first.
    seen = client.path / "base/.config/borg/security/0"
    seen.mkdir(parents=True)
    (seen / "manifest-timestamp").touch()
    return client


def borgmatic(client: Client, script: str, **changes: object) -> None:
    """Put a script in the place of borgmatic."""
    (client.path / "fake").write_text(f"#!/bin/sh\ncd {client.path}\n{script}\n")
    (client.path / "fake").chmod(0o755)
    client.record(borgmatic=str(client.path / "fake"), owner_dir=str(client.path), **changes)


def backup(client: Client, program: str = OWNED_START) -> tuple[dict[str, Any], str]:
    """Hold a session with verb backup; return its result and log."""
    with client.tunnel():
        _hello, result, log = answers(client.start(program=program))
    return result, log


def journal(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((client.path / "base/hooks.json").read_text())
    return found


def test_hooks_run_in_the_order_of_their_names_with_operation_and_state(owned: Client) -> None:
    add_logging(owned, "20-b", "10-a", "9-z", "A")
    add_hook(owned, "30-env", 'env | sort >"env-$2"; umask >>"env-$2"; pwd -P >>"env-$2"; cat; echo said "$2"')
    result, log = backup(owned)
    assert (result["status"], result["reason"]) == ("ok", ""), log
    names = ("10-a", "20-b", "9-z", "A")
    before = [f"{name} backup {state}" for state in ("pre", "inspect") for name in names]
    assert calls(owned) == [*before, "borgmatic", *(f"{name} backup post" for name in names)]
    assert "hook: said inspect\n" in log and "hook: hooks.d/30-env: backup post\n" in log
    found = dict(line.partition("=")[::2] for line in (owned.path / "env-inspect").read_text().splitlines())
    assert found.pop("PARANOID_BACKUP_SOURCES") == json.dumps([str(owned.path / "source")])
    assert found.keys() - {"PWD", "OLDPWD", "_", "SHLVL"} == {
        *("PATH", "HOME", "LANG", "PARANOID_BACKUP_CLIENT", "0077", str(owned.path))
    }
    assert result["owner"]["hooks"] == ["10-a", "20-b", "30-env", "9-z", "A"] and result["owner"]["skipped"] == []


@pytest.mark.parametrize("state", ["pre", "inspect"])
def test_a_hook_that_fails_before_the_work_stops_it_and_those_that_were_begun_end(owned: Client, state: str) -> None:
    add_logging(owned, "10-a", "30-c")
    add_hook(owned, "20-b", f'echo "20-b $@" >>calls; test "$2" != {state} || {{ echo no room; exit 3; }}')
    result, log = backup(owned)
    assert result["status"] == "failed" and "borgmatic" not in calls(owned)
    assert result["reason"] == f'the hooks.d/20-b hook "backup {state}" failed with exit code 3: no room', log
    begun = ["10-a", "20-b"] if state == "pre" else ["10-a", "20-b", "30-c"]
    ended = [f"{name} backup {after}" for after in ("error", "post") for name in begun]
    assert calls(owned)[-len(ended) :] == ended
    assert journal(owned)["owed"] == []


def test_a_failed_backup_has_error_and_post_and_both_learn_why(owned: Client) -> None:
    borgmatic(owned, "echo broken >&2; exit 1")
    add_logging(owned, "10-a", more='echo "$2: $PARANOID_BACKUP_REASON" >>reasons')
    result, _log = backup(owned)
    assert result["status"] == "failed"
    assert calls(owned) == [f"10-a backup {state}" for state in ("pre", "inspect", "error", "post")]
    reasons = (owned.path / "reasons").read_text().splitlines()
    assert reasons[:2] == ["pre: ", "inspect: "] and reasons[2] == f"error: {result['reason']}"


def test_a_failing_end_is_told_and_skips_no_other(owned: Client) -> None:
    """The archive is there all the same, and told."""
    add_hook(owned, "10-a", 'test "$2" != post || { echo not started; exit 1; }')
    add_logging(owned, "20-b")
    result, _log = backup(owned)
    assert (result["status"], result["archive"]["name"]) == ("failed", "one")
    assert result["reason"] == 'the hooks.d/10-a hook "backup post" failed with exit code 1: not started'
    assert calls(owned)[-1] == "20-b backup post"


ENDS: dict[str, Callable[[Any], None]] = {
    "the server is gone": lambda process: stdin(process).close(),
    "sshd is gone": lambda process: process.send_signal(signal.SIGHUP),
    "a signal": lambda process: process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("end", ENDS)
def test_error_and_post_run_when_the_session_is_cut_off(owned: Client, end: str) -> None:
    """They run though nobody hears of them any more; what fails of them, the next session tells."""
    borgmatic(owned, "echo $$ >working; exec sleep 300")
    add_logging(owned, "10-a", more='test "$2" != post || exit 4')
    with owned.tunnel():
        process = owned.start(program=IMPATIENTLY)
        wait_for(owned.path / "working")
        ENDS[end](process)
        process.wait(120)
    assert calls(owned) == [f"10-a backup {state}" for state in ("pre", "inspect", "error", "post")]
    assert journal(owned)["untold"] == ['the hooks.d/10-a hook "backup post" failed with exit code 4']
    borgmatic(owned, ARCHIVE)
    add_logging(owned, "10-a")
    result, _log = backup(owned)
    told = (result["remarks"] or {}).get("hooks") or journal(owned)["untold"]
    assert "failed with exit code 4" in json.dumps(told)


def test_a_hook_that_waits_before_the_work_is_ended_with_the_session(owned: Client) -> None:
    add_hook(owned, "10-a", 'echo "10-a $@" >>calls; test "$2" != pre || { echo $$ >waiting; exec sleep 300; }')
    with owned.tunnel():
        process = owned.start(program=IMPATIENTLY)
        wait_for(owned.path / "waiting")
        stdin(process).close()
        process.wait(120)
    assert calls(owned) == [f"10-a backup {state}" for state in ("pre", "error", "post")]


def test_a_hook_has_its_time(owned: Client) -> None:
    borgmatic(owned, ARCHIVE, hook_seconds=1)
    add_hook(
        owned, "10-a", 'echo "10-a $@" >>calls; test "$2" != pre || { trap "" TERM; sleep 300 & wait; sleep 300; }'
    )
    result, _log = backup(owned, IMPATIENTLY)
    assert result["reason"].startswith('the hooks.d/10-a hook "backup pre" was ended, for it did not end within 1 s')
    assert calls(owned) == [f"10-a backup {state}" for state in ("pre", "error", "post")]


def test_what_a_killed_dispatcher_owed_the_next_session_tells(owned: Client) -> None:
    borgmatic(owned, "echo $$ >working; exec sleep 300")
    add_logging(owned, "10-a")
    with owned.tunnel():
        process = owned.start(program=OWNED_START)
        wait_for(owned.path / "working")
        process.kill()
        process.wait()
    assert journal(owned)["owed"] == ['hooks.d/10-a hook "backup post"']


def test_what_a_restore_owed_the_next_session_tells_unless_one_is_at_work(owned: Client) -> None:
    left = {
        "schema": 1,
        "began": "2026-11-20T03:00:00+00:00",
        "owed": ['hooks.d/10-a hook "restore post"'],
        "untold": [],
    }
    (owned.path / "base/hooks-restore.json").write_text(json.dumps(left))
    borgmatic(owned, "exit 1")
    result, _log = backup(owned)
    (told,) = result["remarks"]["hooks"]["paths"]
    assert told.startswith('the hooks.d/10-a hook "restore post" did not run: the session of 2026-11-20')
    assert not (owned.path / "base/hooks-restore.json").exists() and not (owned.path / "base/hooks.json").exists()


# What becomes of something in hooks.d: how it is made, and what is said of it; empty if it runs.
ODD = {
    "10-a.sh": "the name of a hook has only letters, digits, _ and -",
    "10-a~": "the name of a hook has only letters, digits, _ and -",
    "10-a.dpkg-old": "the name of a hook has only letters, digits, _ and -",
    "10 a": "the name of a hook has only letters, digits, _ and -",
    "10-\x1b[2J": "the name of a hook has only letters, digits, _ and -",
    ".10-a": "",
}


def test_names_are_those_of_run_parts_and_everything_else_is_told(owned: Client) -> None:
    for name in ODD:
        add_hook(owned, name, "touch ran")
    add_hook(owned, "20-off", "touch ran", mode=0o644)
    (owned.path / "hooks.d/30-directory").mkdir()
    add_logging(owned, "40-d")
    result, _log = backup(owned)
    assert result["status"] == "ok" and result["owner"]["hooks"] == ["40-d"]
    assert not (owned.path / "ran").exists()
    skipped = result["owner"]["skipped"]
    assert len(skipped) == 7 and all(line.isprintable() for line in skipped), skipped
    assert "hooks.d/20-off is not run: it is not executable (chmod u+x)" in skipped
    assert "hooks.d/30-directory is not run: it is no file" in skipped
    assert f"hooks.d/10-a.sh is not run: {ODD['10-a.sh']}" in skipped


STARTS = {
    "no first line": ("", "it is no program: does it begin with a line such as #!/bin/sh?"),
    "no such interpreter": ("#!/no/such/thing\n", "it, or the interpreter that its first line names, is not there"),
}


@pytest.mark.parametrize("kind", STARTS)
def test_what_cannot_be_started_is_named_with_the_cure(owned: Client, kind: str) -> None:
    first, why = STARTS[kind]
    add_hook(owned, "10-a", "touch ran", first=first)
    result, _log = backup(owned)
    reason = f'the hooks.d/10-a hook "backup pre" could not be started: {why}'
    assert result["status"] == "failed" and result["reason"].startswith(reason)
    assert not (owned.path / "ran").exists()


def test_a_hook_that_changes_the_others_meanwhile(owned: Client) -> None:
    """Those of the beginning are run; one that is gone is named, one that is no longer root's alone is not run."""
    add_hook(
        owned, "10-a", 'test "$2" != inspect || { cp 30-new hooks.d/30-new; chmod g+w hooks.d/20-b; rm hooks.d/40-d; }'
    )
    add_logging(owned, "20-b", "40-d")
    (owned.path / "30-new").write_text("#!/bin/sh\ntouch ran\n")
    (owned.path / "30-new").chmod(0o755)
    result, _log = backup(owned)
    assert result["status"] == "failed" and not (owned.path / "ran").exists()
    assert f"others than root may write {owned.path}/hooks.d/20-b" in result["reason"]
    assert f"{owned.path}/hooks.d/40-d cannot be " in result["reason"]
    assert calls(owned) == ["20-b backup pre", "40-d backup pre"]


STRANGER = 65534
ACL = "system.posix_acl_access"
# Linux, include/uapi/linux/posix_acl_xattr.h: version, then tag, permissions and id of each entry.
ENTRIES = ((1, 7, 2**32 - 1), (2, 6, STRANGER), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1))
STRANGERS_WRITE = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ENTRIES)


def link_away(path: Path, to: Path) -> None:
    """Put a directory elsewhere, and a link in its place."""
    path.rename(to)
    path.symlink_to(to)


# What an unprivileged user could use, or could have put there.
DISTRUSTED: dict[str, Callable[[Path], object]] = {
    "the hook is another's": lambda top: os.chown(top / "etc/hooks.d/10-a", STRANGER, 0),
    "its group may write it": lambda top: (top / "etc/hooks.d/10-a").chmod(0o775),
    "all may write it": lambda top: (top / "etc/hooks.d/10-a").chmod(0o757),
    "the hook is a link": lambda top: (top / "etc/hooks.d/20-b").symlink_to(top / "etc/hooks.d/10-a"),
    "the hook is a link to nothing": lambda top: (top / "etc/hooks.d/20-b").symlink_to(top / "nothing"),
    "hooks.d is another's": lambda top: os.chown(top / "etc/hooks.d", STRANGER, 0),
    "all may write hooks.d": lambda top: (top / "etc/hooks.d").chmod(0o777),
    "all may write it, and it is sticky": lambda top: (top / "etc/hooks.d").chmod(0o1777),
    "the directory above is another's": lambda top: os.chown(top / "etc", STRANGER, 0),
    "a group may write above": lambda top: (top / "etc").chmod(0o775),
    "a group may write at the top": lambda top: top.chmod(0o775),
    "hooks.d is a link": lambda top: link_away(top / "etc/hooks.d", top / "elsewhere"),
    "an access list lets one write it": lambda top: os.setxattr(top / "etc/hooks.d/10-a", ACL, STRANGERS_WRITE),
}


@pytest.mark.parametrize("kind", DISTRUSTED)
def test_hooks_that_are_not_roots_alone_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(trust, "TOP", tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "etc/hooks.d").mkdir(parents=True)
    (tmp_path / "etc/hooks.d/10-a").write_text("#!/bin/sh\n")
    (tmp_path / "etc/hooks.d/10-a").chmod(0o755)
    assert [path.name for path in owner_hooks.find_hooks(tmp_path / "etc/hooks.d").hooks] == ["10-a"]
    try:
        DISTRUSTED[kind](tmp_path)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("NOT TESTED: this file system has no access lists")
    with pytest.raises(Failed, match=rf"^no hook is run, and nothing is done without them: .*{tmp_path}"):
        owner_hooks.find_hooks(tmp_path / "etc/hooks.d")


def test_nothing_is_done_where_hooks_cannot_be_trusted(owned: Client) -> None:
    add_logging(owned, "10-a")
    os.chown(owned.path / "hooks.d/10-a", STRANGER, STRANGER)
    result, _log = backup(owned)
    assert result["status"] == "failed" and calls(owned) == []
    assert f"{owned.path}/hooks.d/10-a belongs to " in result["reason"]


def test_directories_count_up_to_the_root(owned: Client) -> None:
    """Where this test's folder lies others may write; the dispatcher as it is installed looks at that."""
    if not any(path.stat().st_mode & 0o022 for path in owned.path.parents):
        pytest.skip("NOT TESTED: only root may write above this folder")
    add_logging(owned, "10-a")
    with owned.tunnel():
        _hello, result, _log = answers(owned.start())
    assert result["status"] == "failed" and calls(owned) == []
    assert "others than root may write /" in result["reason"]


@needs_borg
def test_an_installed_client_without_hooks_says_nothing_of_them(client: Client) -> None:
    client.record(owner_dir=str(client.path / "none"), borgmatic=str(client.path / "borgmatic"))
    with client.tunnel():
        _hello, result, _log = answers(client.start("info", program=OWNED_START))
    assert result["owner"] is None
