# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher's pure parts."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paranoid_dispatcher import request as request_module
from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed, Refused
from paranoid_dispatcher.hooks import Hooks
from paranoid_dispatcher.host import host_lock, remove_stale_sockets
from paranoid_dispatcher.main import write_answer
from paranoid_dispatcher.output import parse_borgmatic_json
from paranoid_dispatcher.process import Done
from paranoid_dispatcher.reasons import failure_reason
from paranoid_dispatcher.request import Request, parse_request, read_request
from paranoid_dispatcher.server_link import ServerLink
from paranoid_dispatcher.toolbox import Toolbox
from paranoid_dispatcher.verbs import VERBS

SESSION = "0123456789abcdef" * 2


def _request(**changes: object) -> bytes:
    return json.dumps({"schema": 1, "verb": "backup", "session": SESSION, **changes}).encode()


@pytest.mark.parametrize("verb", ["create", "backup", "info", "open"])
def test_takes_each_verb(verb: str) -> None:
    assert parse_request(_request(verb=verb)) == Request(verb, SESSION)


MAINTAIN = {"delete": ["a" * 64], "known": ["b" * 64], "check_seconds": 60}


def test_takes_a_maintain_request() -> None:
    request = parse_request(_request(verb="maintain", **MAINTAIN))
    assert request == Request("maintain", SESSION, ("a" * 64,), frozenset(["b" * 64]), 60)


def test_takes_a_maintain_request_for_another_client() -> None:
    request = parse_request(_request(verb="maintain", client="web1.example.org", **MAINTAIN))
    assert request == Request("maintain", SESSION, ("a" * 64,), frozenset(["b" * 64]), 60, "web1.example.org")


@pytest.mark.parametrize("verb", ["create", "backup", "info", "open"])
def test_no_other_verb_is_for_another_client(verb: str) -> None:
    with pytest.raises(Refused, match="exactly schema"):
        parse_request(_request(verb=verb, client="web1"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"client": None}, "client is the name"),
        ({"client": ["web1"]}, "client is the name"),
        ({"client": "../client"}, "client is the name"),
        ({"client": "a..b"}, "client is the name"),
        ({"delete": ["A" * 64]}, "delete is a list"),
        ({"delete": ["a" * 64 + "\n"]}, "delete is a list"),
        ({"delete": ["*"]}, "delete is a list"),
        ({"delete": "a" * 64}, "delete is a list"),
        ({"delete": ["a" * 64] * 2}, "twice"),
        ({"known": [1]}, "known is a list"),
        ({"check_seconds": -1}, "check_seconds"),
        ({"check_seconds": True}, "check_seconds"),
        ({"verb": "backup"}, "exactly schema"),
        ({"more": 1}, "exactly schema"),
    ],
)
def test_refuses_every_other_maintain_request(changes: dict[str, object], why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_request(_request(**{"verb": "maintain", **MAINTAIN, **changes}))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "not a line of JSON"),
        (b"\xff", "not a line of JSON"),
        (b"[" * 60000, "not a line of JSON"),
        (b"[]", "not an object"),
        (b'{"schema": 1, "schema": 1, "verb": "backup", "session": "x"}', "twice"),
        (_request(more=1), "exactly schema"),
        (_request(schema=2), "schema 1 only"),
        (_request(schema=True), "schema 1 only"),
        (_request(schema=1.0), "schema 1 only"),
        (_request(session=SESSION + "\n"), "32 hex"),
        (_request(session="../../etc/passwd"), "32 hex"),
        (_request(session=SESSION.upper()), "32 hex"),
        (_request(session=None), "32 hex"),
        (_request(verb="maintain"), "delete, known, check_seconds"),
        (_request(verb="backup; id"), "and no other"),
        (_request(verb=["backup"]), "and no other"),
    ],
)
def test_refuses_anything_else(line: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_request(line)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_crash(line: bytes) -> None:
    with pytest.raises(Refused):
        parse_request(line)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "ended before its request"),
        (b"no newline", "ended before its request"),
        (b"x" * (2**20 + 1), "longer than 1 MiB"),
        (b"one\ntwo", "more than one line"),
    ],
)
def test_reads_one_line_only(sent: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "request").write_bytes(sent)
    with (tmp_path / "request").open("rb") as reader, pytest.raises(Refused, match=why):
        read_request(reader.fileno())


def test_reads_a_line_of_the_largest_size(tmp_path: Path) -> None:
    longest = b"x" * (2**20 - 1)
    (tmp_path / "request").write_bytes(longest + b"\n")
    with (tmp_path / "request").open("rb") as reader:
        assert read_request(reader.fileno()) == longest


def test_waits_for_a_request_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_module, "REQUEST_SECONDS", 0.1)
    reader, writer = os.pipe()
    with pytest.raises(Refused, match="no request within"):
        read_request(reader)
    os.close(reader)
    os.close(writer)


ANSWER = [{"archive": {"name": "a"}}]


@pytest.mark.parametrize(
    "before", ["", "a hook says hello\n", "[not json\n", "[1, 2]\n", "[warning] disk nearly full\nmore\n"]
)
def test_finds_the_result_behind_what_hooks_print(before: str) -> None:
    assert parse_borgmatic_json(before + json.dumps(ANSWER)) == ANSWER[0]


@pytest.mark.parametrize("printed", ["", "[]", "[1]", "{}", "[{}, {}]", "[" * 100000])
def test_no_result_is_a_failure(printed: str) -> None:
    with pytest.raises(Failed, match="printed no result"):
        parse_borgmatic_json(printed)


DISK_FULL = """\
summary:
An error occurred
Error running actions for repository
Local Exception
Traceback (most recent call last):
  File "borg/archiver.py", line 5429, in main
    exit_code = archiver.run(args)
OSError: [Errno 28] No space left on device: '/var/lib/paranoid-backup/.cache/borg/chunks.tmp'

Platform: Linux client 6.1.0
Borg: 1.4.5  Python: CPython 3.11.2 msgpack: 1.1.1 fuse: None [None]
SSH_ORIGINAL_COMMAND: None
Command '/opt/paranoid-backup/bin/borg create --json' returned non-zero exit status 2.

Need some help?
Exception ignored in: <function _TemporaryFileCloser.__del__ at 0x7f>
Traceback (most recent call last):
  File "tempfile.py", line 1, in __del__
FileNotFoundError: [Errno 2] No such file or directory: '/run/x'
"""
SUMMARY = """\
server: Error running actions for repository
server: Error running before action hook: Command 'x' returned non-zero exit status 3.
/etc/c.yaml: Error running configuration

summary:
An error occurred
Error running actions for repository
Error running before action hook: Command 'x' returned non-zero exit status 3.
Error running configuration

Need some help? https://torsion.org/borgmatic/#issues
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (SUMMARY, "the before action hook `x` ended with 3"),
        (DISK_FULL, "No space left on device: '/var/lib/paranoid-backup/.cache/borg/chunks.tmp'"),
        (
            'summary:\n{"type": "question_prompt"}\nno key\nCommand \'borg list\' died with <Signals.SIGKILL: 9>.',
            "no key",
        ),
        ("one\ntwo\n\n", "two"),
        ("", "borgmatic failed and did not say why"),
        ("summary:\nAn error occurred\n", "borgmatic failed and did not say why"),
        ("summary:\nold\n\nsummary:\nnew", "new"),
        ("summary:\ndisk full\nno archive\ndisk full\n", "disk full; no archive"),
        ("summary:\nRemote: @@@@\nRemote: @ WARNING @\nRemote: @@@@\nRemote: Ah!", "Remote: @ WARNING @; Remote: Ah!"),
    ],
)
def test_the_reason_is_what_matters(log: str, reason: str) -> None:
    assert failure_reason(log) == reason


def test_every_verb_can_be_asked_for_and_no_other() -> None:
    assert set(request_module.VERBS) == set(VERBS)


def test_an_answer_is_written_whole() -> None:
    record = {"missing": ["a" * 64] * 5000}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # Each write takes only what there is room for.
    received = bytearray()

    def read() -> None:
        while part := os.read(reader, 4096):
            received.extend(part)

    reading = threading.Thread(target=read)
    reading.start()
    write_answer(record, writer)
    os.close(writer)
    reading.join()
    os.close(reader)
    assert json.loads(received) == record


def test_an_answer_to_a_server_that_is_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    write_answer({}, writer)
    os.close(writer)


def test_removes_only_sockets_that_nobody_listens_on(tmp_path: Path) -> None:
    live, stale, file = tmp_path / "live.sock", tmp_path / "stale.sock", tmp_path / "file.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(live))
        listening.listen()
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(stale))
        file.touch()
        remove_stale_sockets(tmp_path)
        assert sorted(tmp_path.iterdir()) == [file, live]


RECORD = {
    **dict.fromkeys(("client", "transport", "remote_dir", "borgmatic", "borg", "config", "repository"), "own"),
    **dict.fromkeys(("passphrase_file", "relay", "base_dir", "runtime_dir"), "/own"),
    "deadline": 60,
    "keyholder_dir": "/etc/kept",
    "keyholder_for": ["web1"],
}


def test_a_keyholder_works_with_nothing_of_its_own_but_programs(tmp_path: Path) -> None:
    (tmp_path / "client.json").write_text(json.dumps(RECORD))
    own = Config.load(tmp_path / "client.json")
    other = own.as_keyholder("web1")
    assert (other.client, other.repository) == ("web1", "ssh://paranoid-backup/web1")
    assert (other.passphrase_file, other.keys_dir) == ("/etc/kept/web1/passphrase", "/etc/kept/web1/keys")
    assert (other.base_dir, other.runtime_dir) == ("/own/keyholder/web1", "/own/keyholder/web1/runtime")
    assert own.keys_dir == ""


@pytest.mark.parametrize("missing", [{}, {"keyholder_for": []}, {"keyholder_for": ["web11", "eb1"]}])
def test_is_a_keyholder_only_of_those_that_are_named(tmp_path: Path, missing: dict[str, object]) -> None:
    record = {**RECORD, **missing} if missing else {key: RECORD[key] for key in RECORD if "keyholder" not in key}
    (tmp_path / "client.json").write_text(json.dumps(record))
    with pytest.raises(Refused, match="this host is no keyholder of web1"):
        Config.load(tmp_path / "client.json").as_keyholder("web1")


def test_says_which_record_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "client.json"
    for content in ("", "[]", "{}", '{"client": 1}'):
        path.write_text(content)
        with pytest.raises(Refused, match="run the role backup_client again"):
            Config.load(path)


class Recorded(Toolbox):
    """A toolbox that remembers what it would run."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, Request("maintain", SESSION), cast(ServerLink, None))
        self.ran: list[tuple[list[str], dict[str, str]]] = []

    def _run(self, argv: list[str], environment: dict[str, str], hooks: Hooks | None = None) -> Done:
        self.ran.append((argv, environment))
        return Done(0, b"", b"", "")


@pytest.mark.parametrize("keyholder", [False, True])
def test_borg_gets_this_clients_repository_key_and_passphrase(tmp_path: Path, keyholder: bool) -> None:
    (tmp_path / "client.json").write_text(json.dumps({**RECORD, "keyholder_dir": str(tmp_path)}))
    config = Config.load(tmp_path / "client.json")
    tools = Recorded(config.as_keyholder("web1") if keyholder else replace(config, passphrase_file=f"{tmp_path}/own"))
    passphrase = tmp_path / ("web1/passphrase" if keyholder else "own")
    with pytest.raises(Failed, match=f"^{passphrase} is missing: put the passphrase of {tools.config.client} there"):
        tools.borg("list")
    passphrase.parent.mkdir(exist_ok=True)
    passphrase.touch()
    tools.borg("list")
    ((argv, environment),) = tools.ran
    assert argv == ["own", "list"]
    assert environment == {
        **tools.environment,
        "BORG_REPO": "ssh://paranoid-backup/web1" if keyholder else "own",
        "BORG_RSH": "/own",
        "BORG_PASSCOMMAND": f"cat {passphrase}",
        **({"BORG_KEYS_DIR": f"{tmp_path}/web1/keys"} if keyholder else {}),
    }


def test_a_keyholder_deletes_with_a_borg_that_has_nonces_of_its_own(tmp_path: Path) -> None:
    record = {**RECORD, "keyholder_dir": str(tmp_path), "borg": str(tmp_path / "borg")}
    (tmp_path / "client.json").write_text(json.dumps(record))
    tools = Recorded(Config.load(tmp_path / "client.json").as_keyholder("web1"))
    (tmp_path / "web1").mkdir()
    (tmp_path / "web1/passphrase").touch()
    (tmp_path / "borg").write_bytes(b"\x7fELF")
    with pytest.raises(Failed, match=r"a keyholder needs Borg as a Python program, and .*/borg is none"):
        tools.borg("delete", "--", "::", "one")
    (tmp_path / "borg").write_text("#!/opt/bin/python3\n")
    tools.borg("delete", "--", "::", "one")
    ((argv, _environment),) = tools.ran
    assert argv[:2] == ["/opt/bin/python3", "-I"] and argv[3:] == ["delete", "--", "::", "one"]
    assert Path(argv[2]).name == "keyholder_borg.py" and Path(argv[2]).is_file()


def test_borg_is_not_started_without_a_tunnel(tmp_path: Path) -> None:
    (tmp_path / "client.json").write_text(
        json.dumps(
            {**RECORD, "transport": "socket", "remote_dir": str(tmp_path), "passphrase_file": str(tmp_path / "p")}
        )
    )
    (tmp_path / "p").touch()
    tools = Recorded(Config.load(tmp_path / "client.json"))
    for start in (tools.borg, tools.borgmatic):
        with pytest.raises(Failed, match=r"the tunnel's socket .* is not there"):
            start("list")
    assert tools.ran == []


class Checked(Toolbox):
    """A toolbox whose Borg ends as it is told."""

    def __init__(self, ending: int) -> None:
        super().__init__(cast(Config, None), Request("maintain", SESSION, check_seconds=60), cast(ServerLink, None))
        self.ending = ending

    def borg(self, *arguments: str) -> Done:
        if arguments[0] == "list":
            return Done(0, b'{"archives": []}', b"", "")
        assert arguments == ("check", "--repository-only", "--max-duration", "60")
        return Done(self.ending, b"", b"no such device\n", "")


@pytest.mark.parametrize(("ending", "check"), [(0, "ok"), (1, "failed")])
def test_a_check_says_what_borg_found(ending: int, check: str) -> None:
    assert VERBS["maintain"](Checked(ending))["maintain"]["check"] == check


@pytest.mark.parametrize("ending", [2, 100, 137, -9])
def test_a_check_that_did_not_run_to_its_end_is_a_failure(ending: int) -> None:
    with pytest.raises(Failed, match=r"^no such device$"):
        VERBS["maintain"](Checked(ending))


class Holding(Checked):
    """A toolbox whose Borg holds these archives, and remembers what it was asked."""

    def __init__(self, *archives: str) -> None:
        super().__init__(0)
        self.archives = archives
        self.asked: list[tuple[str, ...]] = []

    def borg(self, *arguments: str) -> Done:
        self.asked.append(arguments)
        held = [{"id": i, "name": f"--{i[0]}"} for i in self.archives]
        return Done(0, json.dumps({"archives": held}).encode(), b"", "")


NAMED, GONE, KNOWN, STRAY, OTHER = ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64)
LIST = ("list", "--json", "--consider-checkpoints")


def test_maintain_deletes_what_was_named_and_names_the_rest() -> None:
    """One archive to delete is there and one is not, one is known and one is a checkpoint that nobody knows."""
    tools = Holding(NAMED, KNOWN, STRAY)
    tools.request = Request("maintain", SESSION, (NAMED, GONE), frozenset([KNOWN]))
    assert VERBS["maintain"](tools)["maintain"] == {
        "deleted": [NAMED],
        "missing": [GONE],
        "unknown": [{"id": STRAY, "name": "--d"}],
        "check": "skipped",
    }
    assert tools.asked == [LIST, ("delete", "--", "::", "--a")]


@pytest.mark.parametrize("others", [(), (OTHER,)], ids=["the only one", "one of two"])
def test_maintain_deletes_nothing_while_an_archive_is_absent_that_should_stay(others: tuple[str, ...]) -> None:
    tools = Holding(NAMED, STRAY, *others)
    tools.request = Request("maintain", SESSION, (NAMED,), frozenset([KNOWN, *others]), check_seconds=60)
    assert VERBS["maintain"](tools)["maintain"] == {
        "deleted": [],
        "missing": [KNOWN],
        "unknown": [{"id": STRAY, "name": "--d"}],
        "check": "ok",
    }
    assert tools.asked == [LIST, ("check", "--repository-only", "--max-duration", "60")]


def test_the_lock_is_no_link_that_somebody_made(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), host_lock(tmp_path, ServerLink(60), "backup"):
        pass
    assert not (tmp_path / "elsewhere").exists()
