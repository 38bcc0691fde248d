# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits in the spool, how long, and what is said of it; how a mail is handed in is the callback's business."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from pathlib import Path
from string import Template
from typing import Any

import jsonschema
import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Sendmail, Settings
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Target
from paranoid_runner import deliver, running
from paranoid_runner.config import Config, load_config
from paranoid_runner.deliver import PARTLY
from paranoid_runner.telling import Notice, make_mail, send_digest, send_spooled, tell
from runner_files import write_config
from tool import ROOT
from web_server import served_web

NOTICE = Notice("r-1", "it died", ["last line"])
Ends = Callable[[list[str], bytes], int]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(write_config(tmp_path, notify="/etc/notify.yml"))


class Deliverer:
    """Stands for the process that hands in: ends as ``ends`` says, and keeps what it was given."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.given: list[tuple[str, bytes]] = []
        self.environment: dict[str, str] = {}

    def __call__(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        self.given.append((argv[-1], options["input"]))
        self.environment = options["env"]
        code = self.ends(argv, options["input"])
        return subprocess.CompletedProcess(argv, code, b"", b"warning\nrefused\x1b\n" if code else b"a warning\n")


def use(monkeypatch: pytest.MonkeyPatch, ends: Ends) -> Deliverer:
    deliverer = Deliverer(ends)
    monkeypatch.setattr(subprocess, "run", deliverer)
    return deliverer


def fill(config: Config, *names: str, hours: float = 0) -> Path:
    spool = config.state / "spool"
    spool.mkdir(exist_ok=True)
    moment = time.time() - hours * 3600
    for name in names:
        (spool / name).write_text(name)
        os.utime(spool / name, (moment, moment))
    return spool


def left(config: Config) -> list[str]:
    return sorted(path.name for path in (config.state / "spool").glob("*"))


@pytest.mark.parametrize(
    ("code", "said", "waits"),
    [
        (0, "", []),
        (PARTLY, "refused?", []),  # Those who have it would get it again.
        (1, "a mail waits in the spool and is tried again: refused?", ["r-1.eml"]),
        (-9, "a mail waits in the spool and is tried again: refused?", ["r-1.eml"]),
    ],
)
def test_what_nobody_took_waits(
    config: Config, monkeypatch: pytest.MonkeyPatch, code: int, said: str, waits: list[str]
) -> None:
    deliverer = use(monkeypatch, lambda _argv, _given: code)
    assert tell(config, NOTICE) == said and left(config) == waits
    assert deliverer.environment["PARANOID_REPORT_NOTIFY_FILE"] == "/etc/notify.yml"
    assert deliverer.environment["PARANOID_REPORT_DIR"] == str(config.reports)
    assert deliverer.environment["ANSIBLE_CONFIG"] == str(config.project / "ansible.cfg")
    assert [kind for kind, _mail in deliverer.given] == ["mail"]
    if waits:
        spooled = config.state / "spool" / "r-1.eml"
        assert spooled.read_bytes() == deliverer.given[0][1] and spooled.stat().st_mode & 0o777 == 0o600
        assert spooled.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (subprocess.TimeoutExpired("x", 300), "it could not be handed in within 300 s"),
        (FileNotFoundError(2, "No such file"), "it could not be handed in: No such file"),
    ],
)
def test_what_cannot_be_handed_in_waits(
    config: Config, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(_argv: list[str], _given: bytes) -> int:
        raise error

    use(monkeypatch, fail)
    assert tell(config, NOTICE) == f"a mail waits in the spool and is tried again: {said}"
    assert left(config) == ["r-1.eml"]


def test_a_full_disk_is_said_with_what_could_not_be_told(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda _argv, _given: 1)
    (config.state / "spool").write_text("in the way")
    assert tell(config, NOTICE) == "nobody could be told: refused?; and the mail cannot be kept: File exists"


def test_what_waits_goes_out_oldest_first_and_with_the_next_mail(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(config, "r-3.eml", "r-1.eml", "r-2.notice", "other.txt")
    deliverer = use(monkeypatch, lambda _argv, _given: 0)
    assert tell(config, NOTICE) == "" and left(config) == ["other.txt"]
    kinds = [("mail", b"r-1.eml"), ("notice", b"r-2.notice"), ("mail", b"r-3.eml")]
    assert deliverer.given[1:] == kinds and b"last line" in deliverer.given[0][1]
    assert send_spooled(config) == ""


def test_a_mail_system_that_does_not_answer_is_asked_once_and_nothing_is_lost(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"r-{place}.eml" for place in range(5)]
    fill(config, *names, hours=1000)
    deliverer = use(monkeypatch, lambda _argv, given: given not in (b"r-1.eml", b"r-4.eml"))
    assert send_spooled(config) == "a mail waits in the spool and is tried again: refused?"
    assert [given for _kind, given in deliverer.given] == [b"r-0.eml"]
    assert left(config) == names


def test_one_that_some_have_is_said_once_and_goes(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(config, "r-1.eml")
    use(monkeypatch, lambda _argv, _given: PARTLY)
    assert send_spooled(config) == "refused?" and left(config) == []


@pytest.mark.parametrize(("name", "hours", "stays"), [("n.notice", 71, 1), ("n.notice", 73, 0), ("m.eml", 999, 1)])
def test_a_notice_gives_up_after_three_days_and_a_mail_never(
    config: Config, monkeypatch: pytest.MonkeyPatch, name: str, hours: float, stays: bool
) -> None:
    fill(config, name, hours=hours)
    use(monkeypatch, lambda _argv, _given: 1)
    assert "waits in the spool and is tried again: refused?" in send_spooled(config)
    assert len(left(config)) == stays


def test_of_a_flood_the_newest_fifty_stay(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"r-{place:03}.eml" for place in range(53)]
    fill(config, *names)
    use(monkeypatch, lambda _argv, _given: 1)
    send_spooled(config)
    assert left(config) == names[3:]


@pytest.mark.parametrize(
    ("about", "days"),
    [({"days": 1}, 1), ({"days": 1, "minutes": 50}, 1), ({"days": 1, "hours": 2}, 2), ({"days": 7}, 7), ({}, 1)],
)
def test_a_digest_leaves_no_gap(
    config: Config, monkeypatch: pytest.MonkeyPatch, about: dict[str, float], days: int
) -> None:
    deliverer = use(monkeypatch, lambda _argv, _given: 0)
    assert send_digest(config, timedelta(**about), {"a": True}) == ""
    ((kind, content),) = deliverer.given
    assert kind == "digest" and json.loads(content) == {"days": days, "clients": {"a": True}}


def test_a_digest_that_some_have_is_done_and_one_that_nobody_has_is_not(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, lambda _argv, _given: PARTLY)
    assert send_digest(config, timedelta(1), {}) == "" and "the digest: refused?" in capsys.readouterr().err
    use(monkeypatch, lambda _argv, _given: 1)
    assert send_digest(config, timedelta(1), {}) == "the digest waits for the next wake-up: refused?"


def test_a_clock_that_was_ahead_silences_no_trouble(tmp_path: Path) -> None:
    note = tmp_path / "trouble"
    assert running._is_news(note) and not running._is_news(note)
    ahead = time.time() + 400 * 86400
    os.utime(note, (ahead, ahead))
    assert running._is_news(note) and not running._is_news(note)


def test_where_no_mail_is_wanted_the_places_beside_it_hear_what_the_runner_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would ever hear of a run that died. Who has heard it does not hear it again."""
    schema = json.loads((ROOT / "docs/schemas/notice.json").read_text())
    mail = make_mail(Notice("20261126T120000Z-00000000", "backup run died", ["secret output"]))
    with served_web() as web:
        targets = tuple(
            Target(name, "webhook", f"http://localhost:{port}/{name}")
            for name, port in (("away", 1), ("ops", web.port))
        )
        settings = Settings(tmp_path, "Acme", Template("$WHAT"), Address(), (), False, None, targets=targets)
        monkeypatch.setattr(deliver, "load_settings", lambda: settings)
        deliver.deliver(mail)
        ((_path, _headers, body),) = web.requests
        told = json.loads(body)
        jsonschema.validate(told, schema, format_checker=jsonschema.FormatChecker())
        assert (told["status"], told["run_id"]) == ("FAILURE", "20261126T120000Z-00000000")
        assert told["problems"] == ["FAILURE: backup run died"] and b"secret" not in body
        web.answer = 503
        with pytest.raises(LookupError, match="away: "):
            deliver.deliver(mail)
    monkeypatch.setattr(deliver, "load_settings", lambda: replace(settings, targets=()))
    with pytest.raises(LookupError, match="nobody can be told"):
        deliver.deliver(mail)


def test_a_title_that_is_no_line_costs_nobody_the_runners_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of ansible.cfg goes on where the next line is indented; the mails of runs have it in one line."""
    address = Address(addr_spec="ops@example.org")
    transport = Sendmail("/bin/true", 5)
    settings = Settings(tmp_path, "Acme\nBcc: eve", Template("$WHAT"), address, (address,), False, transport)
    sent: list[Any] = []
    monkeypatch.setattr(deliver, "load_settings", lambda: settings)
    monkeypatch.setattr(deliver, "send", lambda mail, *_rest: sent.append(mail))
    deliver.deliver(make_mail(Notice("r1", "it died")))
    assert sent[0]["Subject"] == "[Acme Bcc: eve] FAILURE: it died" and sent[0]["Bcc"] is None
