# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server answers a watch, and which witnesses it keeps."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    FreezeEntry,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._watch import answer as answers
from ansible_collections.paranoid.backup.plugins.module_utils._watch import command, witness
from ansible_collections.paranoid.backup.plugins.module_utils._watch.answer import make_answer
from ansible_collections.paranoid.backup.plugins.module_utils._watch.witness import (
    WitnessError,
    describe_witnesses,
    find_ahead,
    keep_witness,
    load_witness,
    make_message,
)
from made_site import make_site

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)


def session(number: int, **changes: Any) -> SessionEntry:
    archive = ReportedArchive(f"{number:064x}", f"web1-{number}")
    usual: dict[str, Any] = {"status": "ok", "commits": 1, "manifests": 1, "archive": archive, "came": archive.id}
    return SessionEntry("web1", "backup", f"{number:032x}", "run", **{**usual, **changes})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("tower", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True)
    return folder


@pytest.fixture
def server(tmp_path: Path, keys: Path) -> ServerConfig:
    watches = [{"name": "tower", "key": (keys / "tower.pub").read_text().strip()}]
    return replace(make_site(tmp_path).server, watches=watches)


@pytest.fixture
def ledger(server: ServerConfig) -> Any:
    with Ledger.open(f"{server.state_dir}/{NAME}", lambda: NOW) as opened:
        for number in range(1, 5):
            opened.append(session(number))
        yield opened


def signed(keys: Path, message: str, key: str = "tower", namespace: str = witness.NAMESPACE) -> bytes:
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(keys / key), "-n", namespace]
    done = subprocess.run(argv, input=message, capture_output=True, text=True, check=True)
    return json.dumps({"message": message, "signature": done.stdout}).encode()


def test_a_head_that_was_signed_is_kept_and_told(keys: Path, server: ServerConfig, ledger: Ledger) -> None:
    assert describe_witnesses(server) == [{"name": "tower", "seq": 0, "time": ""}]
    message = make_message(server.host_id, ledger.head(), NOW.isoformat())
    kept = keep_witness(server, ledger, "tower", signed(keys, message), NOW + timedelta(seconds=9))
    assert load_witness(server, "tower") == kept and kept.head == ledger.head()
    assert describe_witnesses(server) == [{"name": "tower", "seq": 4, "time": "2026-11-26T03:00:09Z"}]
    assert load_witness(replace(server, host_id="another"), "tower") is None, "it was signed for this server"


@pytest.mark.parametrize(
    ("off", "later", "ahead"),
    [
        (timedelta(), timedelta(hours=1), 0.0),
        (timedelta(days=365), timedelta(hours=1), 365 * 86400.0),
        (-timedelta(days=2), timedelta(hours=11), -2 * 86400.0),
        (timedelta(), timedelta(hours=13), None),  # it says nothing of a jump since
        (timedelta(), -timedelta(hours=1), None),
    ],
)
def test_a_fresh_witness_tells_what_the_watchs_clock_said(
    keys: Path, server: ServerConfig, ledger: Ledger, off: timedelta, later: timedelta, ahead: float | None
) -> None:
    assert find_ahead(server, NOW) is None
    handed_in = signed(keys, make_message(server.host_id, ledger.head(), NOW.isoformat()))
    keep_witness(server, ledger, "tower", handed_in, NOW + off)
    assert find_ahead(server, NOW + off + later) == ahead


def handed(keys: Path, server: ServerConfig, ledger: Ledger, **changes: Any) -> bytes:
    """Hand in something that is wrong in one way."""
    head = changes.get("head", str(ledger.head()))
    message = f"{witness.TITLE}\nserver {changes.get('host_id', server.host_id)}\nhead {head}\n"
    message += f"seen {changes.get('seen', NOW.isoformat())}\n"
    message = changes.get("message", message)
    made = signed(keys, message, changes.get("key", "tower"), changes.get("namespace", witness.NAMESPACE))
    return json.dumps({**json.loads(made), **changes.get("given", {})}).encode()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "other"}, "not that of the watch's key"),
        ({"namespace": "file"}, "not that of the watch's key"),
        ({"given": {"signature": "rubbish"}}, "not that of the watch's key"),
        ({"given": {"signature": ["x"]}}, "JSON with a message"),
        ({"given": {"message": None}}, "JSON with a message"),
        ({"head": "9:" + "a" * 64}, "no such entry 9"),
        ({"head": "4:" + "a" * 64}, "no such entry 4"),
        ({"head": "0:" + "0" * 64}, "no such entry 0"),
        ({"head": "04:" + "a" * 64}, "not about this server's ledger"),
        ({"head": "nothing"}, "names no head"),
        ({"host_id": "another"}, "not about this server's ledger"),
        ({"message": f"{witness.TITLE}\n"}, "names no head"),
        ({"seen": "2026-11-26T03:00:00"}, "not about this server's ledger"),
        ({"seen": "2026-11-26T03:00:00+01:00"}, "not about this server's ledger"),
        ({"seen": "9999-12-31T23:59:59-23:59"}, "names no head"),
        ({"seen": "yesterday"}, "names no head"),
        ({"message": "x" * 20_000}, "at most 16384 bytes"),
    ],
)
def test_what_is_no_witness(
    keys: Path, server: ServerConfig, ledger: Ledger, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(WitnessError, match=why):
        keep_witness(server, ledger, "tower", handed(keys, server, ledger, **changes), NOW)
    assert describe_witnesses(server) == [{"name": "tower", "seq": 0, "time": ""}]


@pytest.mark.parametrize("given", [b"", b"[]", b"null", b"\xff", b"[" * 10_000])
def test_rubbish_is_no_witness(server: ServerConfig, ledger: Ledger, given: bytes) -> None:
    with pytest.raises(WitnessError):
        keep_witness(server, ledger, "tower", given, NOW)


def test_an_older_witness_does_not_take_the_place_of_a_newer(keys: Path, server: ServerConfig, ledger: Ledger) -> None:
    old = signed(keys, make_message(server.host_id, ledger.head(), NOW.isoformat()))
    ledger.append(session(5))
    new = signed(keys, make_message(server.host_id, ledger.head(), NOW.isoformat()))
    assert keep_witness(server, ledger, "tower", new, NOW).head.seq == 5
    with pytest.raises(WitnessError, match="entry 5 was witnessed already"):
        keep_witness(server, ledger, "tower", old, NOW)


def test_a_ledger_that_stands_still_is_witnessed_anew(keys: Path, server: ServerConfig, tmp_path: Path) -> None:
    """A watch signs the same head again before its signature grows old; the first entry of all is one."""
    with Ledger.open(str(tmp_path / "young.sqlite"), lambda: NOW) as ledger:
        ledger.append(session(1))
        for moment in (NOW, NOW + timedelta(hours=21)):
            given = signed(keys, make_message(server.host_id, ledger.head(), moment.isoformat()))
            assert keep_witness(server, ledger, "tower", given, moment).kept == f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        assert describe_witnesses(server) == [{"name": "tower", "seq": 1, "time": "2026-11-27T00:00:00Z"}]
        with pytest.raises(WitnessError, match="has no such entry 0"):
            keep_witness(server, ledger, "tower", handed(keys, server, ledger, head=f"0:{'0' * 64}"), NOW)


@pytest.mark.parametrize("name", ["other", "../tower", "", "Tower"])
def test_a_watch_that_the_server_does_not_know(keys: Path, server: ServerConfig, ledger: Ledger, name: str) -> None:
    with pytest.raises(WitnessError, match="no watch of that name"):
        keep_witness(server, ledger, name, handed(keys, server, ledger), NOW)
    strange = replace(
        server, watches=[{"name": "../x", "key": server.watches[0]["key"]}, {"name": "tower", "key": "x"}]
    )
    assert describe_witnesses(strange) == []


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    return tmp_path / "etc"


def write_client(config_dir: Path, **changes: Any) -> None:
    words = ("host", "user", "remote_dir", "repository", "repository_user", "known_hosts_file")
    client = {"schema": 1, "client": "web1", "port": 22, "transport": "socket", "listen_port": 1} | dict.fromkeys(
        words, "x"
    )
    (config_dir / "clients/web1.json").write_text(json.dumps(client | changes))


def test_an_answer_tells_what_the_server_saw(config_dir: Path, server: ServerConfig, ledger: Ledger) -> None:
    write_client(config_dir, schedule={"every": "6h"}, quota=7, escrow_recipients=[{"holder": "a", "recipient": "b"}])
    (config_dir / "clients/db1.json").write_text("rubbish")
    ledger.append(session(5, status="failed", code="unreachable", archive=None, came=""))
    ledger.append(session(6, audit="alarm"))
    ledger.append(FreezeEntry("web1", "why"))
    told = make_answer(str(config_dir), server, ledger, 4, NOW)
    json.dumps(told)
    db1, web1 = told["clients"]
    assert web1 == {
        "client": "web1",
        "schedule": {"every": "6h"},
        "quota": 7,
        "escrow": True,
        "last_arrival": {"seq": 4, "time": NOW.isoformat()},
        "frozen": NOW.isoformat(),
    }
    assert (db1["schedule"], db1["last_arrival"], db1["frozen"]) == (None, None, None)
    assert len(told["problems"]) == 1 and "db1.json" in told["problems"][0]
    assert (told["ledger"]["head"], told["ledger"]["more"]) == (str(ledger.head()), False)
    assert [row[0] for row in told["ledger"]["entries"]] == [5, 6, 7] and told["runs"] is None
    assert 0 < told["disk"]["free"] <= told["disk"]["total"] and told["server"]["host_id"] == server.host_id


def test_a_long_ledger_comes_in_parts(
    config_dir: Path, server: ServerConfig, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ENTRIES_BYTES", 100)
    first = make_answer(str(config_dir), server, ledger, 0, NOW)["ledger"]
    assert [row[0] for row in first["entries"]] == [1] and first["more"] is True
    last = make_answer(str(config_dir), server, ledger, 3, NOW)["ledger"]
    assert [row[0] for row in last["entries"]] == [4] and last["more"] is False
    assert make_answer(str(config_dir), server, ledger, 9, NOW)["ledger"]["entries"] == []


def test_what_comes_meanwhile_is_for_the_next_answer(
    config_dir: Path, server: ServerConfig, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = ledger.head()
    ledger.append(session(5))
    monkeypatch.setattr(ledger, "head", lambda: head)
    told = make_answer(str(config_dir), server, ledger, 2, NOW)["ledger"]
    assert ([row[0] for row in told["entries"]], told["more"], told["head"]) == ([3, 4], False, str(head))


def test_what_the_runner_of_this_machine_says_of_mails(
    tmp_path: Path, config_dir: Path, server: ServerConfig, ledger: Ledger
) -> None:
    reports = tmp_path / "reports"
    (config_dir / "runner.json").write_text(json.dumps({"reports": str(reports)}))
    assert make_answer(str(config_dir), server, ledger, 0, NOW)["runs"] is None
    runs = {"1": ("sent", "2026-11-24T03:00:00Z"), "2": ("failed", "2026-11-25T03:00:00Z"), "3": ("pending", "")}
    for name, (state, finished) in runs.items():
        (reports / name).mkdir(parents=True)
        (reports / name / "record.json").write_text(json.dumps({"mail": {"state": state}, "finished": finished}))
    for run, hours in (("2", 25), ("3", 23)):  # the second may be at work
        (reports / run / "untold").touch()
        os.utime(reports / run / "untold", (0, NOW.timestamp() - hours * 3600))
    (reports / "4").mkdir()
    (reports / "4/record.json").write_text("[" * 9999)
    told = make_answer(str(config_dir), server, ledger, 0, NOW)["runs"]
    assert told == {"last_mail": "2026-11-24T03:00:00+00:00", "untold": 1}
    for run, finished in (("20271124T030000Z", "2027-11-24T03:00:00Z"), ("20261125T030000Z", "2026-11-25T03:00:00Z")):
        (reports / run).mkdir()
        (reports / run / "record.json").write_text(json.dumps({"mail": {"state": "sent"}, "finished": finished}))
    told = make_answer(str(config_dir), server, ledger, 0, NOW)["runs"]
    assert told["last_mail"] == "2026-11-25T03:00:00+00:00", "a clock that was ahead has the last word for a year"


def test_runs_that_need_no_mail_hand_on_when_the_last_one_went_out(
    tmp_path: Path, config_dir: Path, server: ServerConfig, ledger: Ledger
) -> None:
    """With mail_when = failure there may be more of them in a good week than are read."""
    reports = tmp_path / "reports"
    (config_dir / "runner.json").write_text(json.dumps({"reports": str(reports)}))
    for told, said in (("2026-11-20T03:00:00Z", "2026-11-20T03:00:00+00:00"), ("2027-11-20T03:00:00Z", None)):
        record = {"mail": {"state": "none"}, "finished": "2026-11-24T03:00:00Z", "history": {"told": {"": told}}}
        for run in range(60):
            (reports / f"r{run}").mkdir(parents=True, exist_ok=True)
            (reports / f"r{run}/record.json").write_text(json.dumps(record))
        assert make_answer(str(config_dir), server, ledger, 0, NOW)["runs"] == {"last_mail": said, "untold": 0}


def test_what_waits_in_the_runners_spool_is_untold_after_a_day(
    tmp_path: Path, config_dir: Path, server: ServerConfig, ledger: Ledger
) -> None:
    """A mail that waits for an owner has reached the team."""
    reports, spool = tmp_path / "reports", tmp_path / "state/spool"
    (config_dir / "runner.json").write_text(json.dumps({"reports": str(reports), "state": str(tmp_path / "state")}))
    spool.mkdir(parents=True)
    for day, accepted in ((23, ["ops@example.org"]), (24, [])):
        (reports / f"r{day}").mkdir(parents=True)
        mail = {"state": "waiting", "accepted": accepted}
        record = {"mail": mail, "finished": f"2026-11-{day}T03:00:00Z"}
        (reports / f"r{day}/record.json").write_text(json.dumps(record))
    for name, hours in (("r23.ana.letter", 25), ("r23.1.notice", 26), ("r24.bo.letter", 23), (".r9.eml.new", 99)):
        (spool / name).touch()
        os.utime(spool / name, (0, NOW.timestamp() - hours * 3600))
    told = make_answer(str(config_dir), server, ledger, 0, NOW)["runs"]
    assert told == {"last_mail": "2026-11-23T03:00:00+00:00", "untold": 1}


@pytest.mark.parametrize(
    "words",
    [[], ["tower"], ["/etc", "tower", "since"], ["/etc", "tower", "since 1", "x"], ["/etc", "tower", ""]]
    + [["/etc", "tower", word] for word in ("since 1\n", "since ١", "since +1", "since 1.0", "since 1e3", "witness ")]
    + [["/etc", "tower", word] for word in ("Since 1", "since  1", "since " + "9" * 19, "since 00", "witness\n")],
)
def test_other_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == command.EXIT_USAGE
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "a watch asks: since <number>, or witness\n")


def test_the_two_words_are_answered_with_one_document_each(
    keys: Path,
    server: ServerConfig,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = io.BytesIO(signed(keys, make_message(server.host_id, ledger.head(), NOW.isoformat())))
    monkeypatch.setattr(command, "load_server", lambda _config_dir: server)
    monkeypatch.setattr(command, "make_answer", lambda *told: {"since": told[3]})
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=given))
    assert command.main(["/etc", "tower", "since 17"]) == 0
    assert command.main(["/etc", "tower", "witness"]) == 0
    asked, kept = capsys.readouterr().out.splitlines()
    assert (json.loads(asked), json.loads(kept)) == ({"since": 17}, {"schema": 1, "kept": str(ledger.head())})


def test_a_client_whose_file_cannot_be_read_is_told_with_its_arrivals(
    config_dir: Path, server: ServerConfig, ledger: Ledger
) -> None:
    write_client(config_dir)
    (config_dir / "clients/web1.json").write_text("{")
    told = make_answer(str(config_dir), server, ledger, 0, NOW)
    (web1,) = told["clients"]
    assert web1["last_arrival"]["seq"] == 4 and web1["schedule"] is web1["quota"] is None and web1["escrow"] is False
    assert len(told["problems"]) == 1


def test_a_server_without_a_ledger_says_so_in_one_line(
    config_dir: Path, tmp_path: Path, server: ServerConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(config_dir), "tower", "since 0"]) == command.EXIT_FAILED
    out = capsys.readouterr()
    assert out.out == "" and out.err.count("\n") == 1 and "not a provisioned server" in out.err
