# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server is hostile for its watch: whatever it answers, the watch says one line and what it is, and never falls."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paranoid_runner.errors import UsageError
from paranoid_runner.watch import asking, command, heartbeat, looking
from paranoid_runner.watch.asking import NotAnswered, ask, make_command
from paranoid_runner.watch.chain import EMPTY, ChainError, Entry, Head, hash_entry
from paranoid_runner.watch.checks import Look, check
from paranoid_runner.watch.config import Rules, Target, WatchConfig, load_config
from paranoid_runner.watch.document import DocumentError, parse_document
from paranoid_runner.watch.folding import fold
from paranoid_runner.watch.heartbeat import HeartbeatError, send_heartbeat
from paranoid_runner.watch.levels import Finding, Level, find_worst, join_names, show
from paranoid_runner.watch.looking import Seen
from paranoid_runner.watch.memory import Memory
from tool import ROOT

SCHEMA = ROOT / "roles/backup_runner/files/lib/paranoid_runner/schemas/watch.json"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def make_entry(number: int, before: str, **changes: Any) -> Entry:
    body = {
        "verb": "backup",
        "status": "ok",
        "commits": 1,
        "manifests": 1,
        "session": "s",
        "archive": {"id": f"{number}"},
    }
    entry = Entry(number, (NOW - timedelta(hours=1)).isoformat(), "session", "web1", json.dumps(body), before, "")
    entry = replace(entry, **changes)
    return replace(entry, hash=hash_entry(entry))


FIRST = make_entry(1, EMPTY.hash)
ANSWER: dict[str, Any] = {
    "schema": 1,
    "server": {"host_id": "server-1", "host": "vault"},
    "clock": NOW.isoformat(),
    "ledger": {"head": f"1:{FIRST.hash}", "entries": [list(vars(FIRST).values())], "more": False},
    "clients": [
        {
            "client": "web1",
            "schedule": {"every": "1d"},
            "quota": None,
            "escrow": False,
            "last_arrival": None,
            "frozen": None,
        }
    ],
    "disk": {"total": 100, "free": 50},
    "runs": None,
    "versions": {"borg": "1.4.5", "python": "3.11"},
    "witnesses": [{"name": "tower", "seq": 0, "time": ""}],
    "problems": [],
}


def changed(*path: Any, to: Any) -> bytes:
    """Return the answer with something else in one place."""
    answer = deepcopy(ANSWER)
    place: Any = answer
    for word in path[:-1]:
        place = place[word]
    place[path[-1]] = to
    return json.dumps(answer).encode()


def test_an_honest_answer_is_read() -> None:
    told = parse_document(json.dumps(ANSWER).encode())
    assert (told.head.seq, told.entries, told.clients[0].name) == (1, (FIRST,), "web1")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), 2),
        (("server", "host_id"), "a\nb"),
        (("server", "host_id"), "x" * 101),
        (("server", "host_id"), None),
        (("clock",), "2026-11-26T12:00:00"),
        (("clock",), "9999-12-31T23:59:59-23:59"),
        (("clock",), "1999-12-31T23:59:59+00:00"),
        (("clock",), "2200-01-01T00:00:00+00:00"),
        (("clock",), 7),
        (("ledger", "head"), "1:" + "g" * 64),
        (("ledger", "head"), "-1:" + "a" * 64),
        (("ledger", "more"), 1),
        (("ledger", "entries"), {}),
        (("ledger", "entries", 0), [1, 2, 3]),
        (("ledger", "entries", 0, 0), "1"),
        (("ledger", "entries", 0, 0), 10**4000),
        (("ledger", "entries", 0, 0), True),
        (("clients", 0, "client"), "../../etc/passwd"),
        (("clients", 0, "client"), "web1 | 'late'=0"),
        (("clients", 0, "client"), "\u202eweb1"),
        (("clients", 0, "schedule"), "daily"),
        (("clients", 0, "schedule"), {"blackout": ["2026-01-01"] * 101}),
        (("clients", 0, "quota"), -1),
        (("clients", 0, "quota"), float("nan")),
        (("clients", 0, "last_arrival"), {"seq": None}),
        (("clients",), [ANSWER["clients"][0]] * 20_001),
        (("disk", "free"), 1e400),
        (("disk",), []),
        (("runs",), {"last_mail": "yesterday", "untold": 0}),
        (("witnesses",), [{"name": "tower", "seq": 1, "time": "now"}]),
        (("problems",), ["x"] * 101),
        (("problems",), [{}]),
    ],
)
def test_an_answer_of_another_form_is_none(path: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(DocumentError):
        parse_document(changed(*path, to=value))


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b"[" * 100_000, b"\xff\xfe", b"{}", b"9" * 10_000, b'{"schema": 1}']
)
def test_rubbish_is_no_answer(raw: bytes) -> None:
    with pytest.raises(DocumentError):
        parse_document(raw)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
)
PLACES = st.sampled_from(
    [
        *((name,) for name in ANSWER),
        *(("clients", 0, name) for name in ANSWER["clients"][0]),
        *(("clients", 0, "schedule", name) for name in ("every", "days", "window", "timezone", "blackout")),
        *(("ledger", name) for name in ANSWER["ledger"]),
        *(("ledger", "entries", 0, place) for place in range(7)),
    ]
)


@given(PLACES, JSON)
def test_whatever_stands_anywhere_nothing_falls(path: tuple[Any, ...], value: Any) -> None:
    try:
        told = parse_document(changed(*path, to=value))
    except DocumentError:
        return
    memory = Memory("server-1", told.head, listed=("web1",))
    for finding in check(Look(told, memory, NOW, NOW, Rules())):
        assert finding.text.isprintable() and "|" not in finding.text


@given(st.sampled_from(["session", "audit", "trim", "rollback", "compaction", "rehearsal", "unfreeze"]), JSON)
def test_whatever_stands_in_an_entry_it_is_read_or_refused(kind: str, body: Any) -> None:
    with suppress(ChainError):
        fold({}, [make_entry(1, EMPTY.hash, kind=kind, body=json.dumps(body))], NOW)


@pytest.fixture
def config(tmp_path: Path) -> WatchConfig:
    target = Target("vault", command=("true",), rules=Rules(mail_hours=0))
    return WatchConfig("tower", tmp_path, tmp_path / "key", None, (target,))


Answers = Callable[[str], bytes]


def reply(**changes: Any) -> Answers:
    """Answer as an honest server does, with something else in it."""

    def answer(word: str) -> bytes:
        ledger = ANSWER["ledger"] if word == "since 0" else {**ANSWER["ledger"], "entries": []}
        return b"" if word == "witness" else json.dumps({**ANSWER, "ledger": ledger, **changes}).encode()

    return answer


def look(config: WatchConfig, monkeypatch: pytest.MonkeyPatch, answers: Answers) -> Seen:
    monkeypatch.setattr(looking, "ask", lambda argv, given, most: answers(argv[-1]))
    monkeypatch.setattr(looking, "sign", lambda key, message: message.encode())
    return looking.look_at(config, config.targets[0], lambda: NOW)


def test_a_look_that_gets_no_answer_does_not_know(config: WatchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_word: str) -> bytes:
        raise NotAnswered("connection refused")

    assert look(config, monkeypatch, reply()).level is Level.OK
    seen = look(config, monkeypatch, silent)
    assert seen.level is Level.UNKNOWN
    assert (
        seen.findings[0].text == "it cannot be asked: connection refused; the last answer came at 2026-11-26 12:00 UTC"
    )
    assert look(config, monkeypatch, lambda _word: b"{}").level is Level.UNKNOWN


def test_another_server_is_not_believed(config: WatchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    look(config, monkeypatch, reply())
    seen = look(config, monkeypatch, reply(server={"host_id": "server-2"}))
    assert (seen.level, seen.findings[0].check) == (Level.CRITICAL, "chain")
    assert (config.state / "vault.refused").exists()

    def full(path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(looking, "write_whole", full)
    seen = look(config, monkeypatch, reply(server={"host_id": "server-2"}))
    assert (seen.level, seen.findings[0].check) == (Level.CRITICAL, "chain"), "a full disk hides it"


def test_what_was_seen_cannot_be_read_any_more(config: WatchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    looking.memory_path(config, config.targets[0]).write_text("{")
    seen = look(config, monkeypatch, reply())
    assert (seen.level, seen.findings[0].check) == (Level.UNKNOWN, "state")
    assert looking.begin_anew(config, config.targets[0], NOW)
    assert look(config, monkeypatch, reply()).level is Level.OK


def test_a_long_ledger_is_proven_in_steps_and_its_past_is_read_again(
    config: WatchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry an answer, two answers a look; then an entry is altered that was seen long ago."""
    entries = [FIRST]
    for number in range(2, 6):
        entries.append(make_entry(number, entries[-1].hash))
    asked: list[str] = []

    def answer(word: str) -> bytes:
        asked.append(word)
        if word == "witness":
            return b""
        since = int(word.split()[1])
        rest = entries[since : since + 1]
        ledger = {
            "head": f"5:{entries[-1].hash}",
            "entries": [list(vars(one).values()) for one in rest],
            "more": since < 4,
        }
        return changed("ledger", to=ledger)

    monkeypatch.setattr(looking, "MOST_ANSWERS", 2)
    first = look(config, monkeypatch, answer)
    assert (first.level, first.head.seq, first.is_signed) == (Level.WARNING, 2, False)
    assert "proven up to entry 2 of 5" in first.findings[-1].text and "witness" not in asked
    heads = [look(config, monkeypatch, answer).head.seq for _ in range(2)]
    assert heads == [4, 5] and asked[-1] == "witness"
    entries[2] = replace(entries[2], body="{}")
    levels = [look(config, monkeypatch, answer).level for _ in range(5)]
    assert Level.CRITICAL in levels, "the past is not read again"


def test_a_head_is_not_signed_that_was_not_kept(config: WatchConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _content: Memory) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(looking, "save_memory", full)
    seen = look(config, monkeypatch, lambda word: pytest.fail("!") if word == "witness" else reply()(word))
    assert seen.level is Level.UNKNOWN and "No space left" in seen.findings[0].text


@pytest.mark.parametrize(
    ("witnesses", "asked", "level"),
    [
        ([{"name": "tower", "seq": 0, "time": ""}], True, Level.OK),
        ([{"name": "tower", "seq": 1, "time": "2026-11-26T11:00:00Z"}], False, Level.OK),
        ([{"name": "tower", "seq": 1, "time": "2026-11-25T11:00:00Z"}], True, Level.OK),
        ([{"name": "tower", "seq": 9, "time": "2026-11-26T11:00:00Z"}], True, Level.OK),
        ([{"name": "other", "seq": 1, "time": "2026-11-26T11:00:00Z"}], False, Level.WARNING),
        ([], False, Level.WARNING),
    ],
)
def test_when_a_head_is_signed(
    config: WatchConfig, monkeypatch: pytest.MonkeyPatch, witnesses: list[Any], asked: bool, level: Level
) -> None:
    words: list[str] = []

    def answer(word: str) -> bytes:
        words.append(word)
        return changed("witnesses", to=witnesses)

    seen = look(config, monkeypatch, answer)
    assert (seen.level, "witness" in words, seen.is_signed) == (level, asked, level is Level.OK)


def test_a_client_that_was_let_go_is_missed_until_a_person_says_so(
    config: WatchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = ANSWER["clients"][0]
    look(config, monkeypatch, reply(clients=[one, {**one, "client": "old1"}]))
    for _ in range(2):
        seen = look(config, monkeypatch, reply())
        assert [finding.check for finding in seen.findings] == ["absent"] and "old1" in seen.findings[0].text
    assert looking.forget_client(config, config.targets[0], "old1")
    assert not looking.forget_client(config, config.targets[0], "old1")
    assert look(config, monkeypatch, reply()).level is Level.OK


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.stdout.write('x' * 2000)", "more than 1000 bytes"),
        ("import sys; sys.exit('banner\\n\\x1b[31mno|\\u202e')", "?[31mno/"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
        ("import sys; sys.stderr.write('x' * 1_000_000); sys.exit(1)", "xxx"),
    ],
)
def test_what_is_no_answer(code: str, why: str) -> None:
    with pytest.raises(NotAnswered) as caught:
        ask([sys.executable, "-c", code], b"given", 1000, 1 if "sleep" in code else 60)
    assert why in str(caught.value) and str(caught.value).isprintable() and len(str(caught.value)) <= 200


def test_an_answer_comes_whole_and_a_program_that_is_not_there_is_told() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read() * 2)"
    assert ask([sys.executable, "-c", code], b"x" * 300_000, 600_000) == b"x" * 600_000
    with pytest.raises(NotAnswered, match="cannot be run"):
        ask(["/nowhere/ssh"], b"", 10)


def test_ssh_gets_no_way_to_be_anything_else(config: WatchConfig) -> None:
    target = Target("vault", "vault.example.org", 2222, host_keys=("ssh-ed25519 AAAA",))
    argv = make_command(config, target, "since 7")
    assert argv[-3:] == ["--", "vault.example.org", "since 7"] and argv[:3] == ["ssh", "-F", "none"]
    assert "StrictHostKeyChecking=yes" in argv and f"UserKnownHostsFile={asking.known_hosts(config)}" in argv


RIGHT: dict[str, Any] = {
    "name": "tower",
    "state": "/x",
    "key": "/x/key",
    "servers": [{"name": "vault", "host": "h", "host_keys": ["ssh-ed25519 AAAA"], "rules": {"grace_hours": 9}}],
    "rules": {"mail_hours": 0},
}


def test_what_a_watch_is_told(tmp_path: Path) -> None:
    path = tmp_path / "watch.json"
    path.write_text(json.dumps(RIGHT))
    (target,) = load_config(path).targets
    assert (target.rules.grace_hours, target.rules.mail_hours, target.user) == (9, 0, "paranoid-watch")
    server = RIGHT["servers"][0]
    wrong: list[dict[str, Any]] = [
        {"name": "Tower"},
        {"servers": []},
        {"servers": [server, server]},
        {"servers": [{**server, "host": "-oProxyCommand=x"}]},
        {"servers": [{**server, "host_keys": []}]},
        {"servers": [{**server, "host_keys": ["ssh-ed25519 AAAA\nother"]}]},
        {"servers": [{**server, "name": "../x"}]},
        {"servers": [{**server, "known_head": "7"}]},
        {"rules": {"grace": 1}},
        {"rules": {"grace_hours": -1}},
        {"rules": {"grace_hours": "x"}},
    ]
    for change in wrong:
        path.write_text(json.dumps(RIGHT | change))
        with pytest.raises(UsageError, match=r"cannot be meant \("):
            load_config(path)
    with pytest.raises(UsageError, match="is not there"):
        load_config(tmp_path / "none")


def seen(*findings: Finding) -> Seen:
    return Seen("vault", findings, Head(7, "a" * 64), 2, True, (("clients", 2, ""), ("free", 5, "B")))


def test_the_line_is_that_of_monitoring_plugins() -> None:
    late = Finding(Level.CRITICAL, "fresh", "web1 is late")
    odd = Finding(Level.WARNING, "clock", "the clock")
    said = command.describe([seen(odd, late)]).splitlines()
    assert said[0] == "BACKUP CRITICAL - vault: web1 is late (and 1 more) | 'vault_clients'=2 'vault_free'=5B"
    assert said[1:] == ["WARNING vault: the clock", "CRITICAL vault: web1 is late"]
    assert find_worst([Level.OK, Level.UNKNOWN, Level.WARNING]) is Level.UNKNOWN
    assert find_worst([Level.UNKNOWN, Level.CRITICAL]) is Level.CRITICAL and find_worst([]) is Level.OK
    told = json.loads(command.describe_json([seen(late)]))
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert (told["level"], told["servers"][0]["findings"][0]["check"]) == ("CRITICAL", "fresh")
    assert show("a|b\n\x1b[0m\u202e" + "x" * 500).startswith("a/b ?[0m?x") and len(show("x" * 500)) == 200
    assert join_names(f"web{n}" for n in range(12)).endswith(" and 2 more")


URL = "https://hc.example.org/ping/s3cret"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "heartbeat"
    path.write_text(URL + "\n")
    path.chmod(0o600)
    return path


def test_a_heartbeat_goes_where_it_is_meant_to(secret: Path) -> None:
    fetched: list[str] = []

    def fetch(url: str, timeout: float) -> Any:
        fetched.append(url)
        return nullcontext(io.BytesIO(b"OK"))

    send_heartbeat(secret, fetch)
    assert fetched == [URL]


@pytest.mark.parametrize(
    "error",
    [HTTPError(URL, 404, URL, {}, None), OSError(URL), ValueError(URL), TimeoutError(URL)],  # type: ignore[arg-type]
)
def test_a_heartbeat_that_fails_does_not_tell_its_url(secret: Path, error: Exception) -> None:
    def fetch(url: str, timeout: float) -> Any:
        raise error

    with pytest.raises(HeartbeatError) as caught:
        send_heartbeat(secret, fetch)
    assert "s3cret" not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize(("mode", "content"), [(0o640, URL), (0o604, URL), (0o600, "http://x"), (0o600, "https://x y")])
def test_a_heartbeat_file_that_cannot_be_meant(secret: Path, mode: int, content: str) -> None:
    secret.write_text(content)
    secret.chmod(mode)
    with pytest.raises(HeartbeatError):
        heartbeat.read_url(secret)


@pytest.mark.parametrize(("level", "sent"), [(Level.OK, True), (Level.WARNING, False), (Level.UNKNOWN, False)])
def test_a_heartbeat_is_sent_on_success_only(
    tmp_path: Path,
    secret: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    level: Level,
    sent: bool,
) -> None:
    path, beats = tmp_path / "watch.json", list[Path]()
    path.write_text(json.dumps(RIGHT | {"state": str(tmp_path), "heartbeat_file": str(secret)}))
    findings = (Finding(level, "x", "y"),) if level else ()
    monkeypatch.setattr(command, "look_at", lambda *_: Seen("vault", findings))
    monkeypatch.setattr(command, "send_heartbeat", beats.append)
    assert command.run(Namespace(config=path, anew=None, forget=None, json=False)) == level
    assert bool(beats) is sent and (tmp_path / "known_hosts").read_text() == "vault ssh-ed25519 AAAA\n"
    assert capsys.readouterr().out.startswith(f"BACKUP {level.name} - vault: ")


@pytest.mark.parametrize("is_json", [False, True])
def test_a_watch_that_cannot_work_says_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_json: bool
) -> None:
    def full(path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    path = tmp_path / "watch.json"
    path.write_text(json.dumps(RIGHT | {"state": str(tmp_path)}))
    monkeypatch.setattr(command, "write_whole", full)
    assert command.run(Namespace(config=path, anew=None, forget=None, json=is_json)) == Level.UNKNOWN
    out = capsys.readouterr().out
    if is_json:
        document = json.loads(out)
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
        assert document["level"] == "UNKNOWN" and "No space left" in document["servers"][0]["findings"][0]["text"]
    else:
        assert out.splitlines()[0] == f"BACKUP UNKNOWN - watch: {tmp_path}/known_hosts: No space left on device"


UNKNOWN = "BACKUP UNKNOWN - watch: {0}\nUNKNOWN watch: {0}\n"


def test_two_looks_at_once_and_wrong_words_are_unknown(tmp_path: Path) -> None:
    """As people type it: exit code 3, which monitoring systems take for unknown, and one line."""
    path = tmp_path / "watch.json"
    path.write_text(json.dumps(RIGHT | {"state": str(tmp_path)}))
    lib = ROOT / "roles/backup_runner/files/lib"
    argv = [sys.executable, "-I", str(lib), "watch", "--config", str(path), "--anew", "nobody"]
    with command._hold(load_config(path)):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, UNKNOWN.format("another look is at work"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, UNKNOWN.format("there is no server 'nobody': vault"))
    for words in (["--forget", "vault"], ["--rubbish"], ["mars"]):
        done = subprocess.run([*argv[:4], *words], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, "") and "usage: paranoid-backup" in done.stderr
