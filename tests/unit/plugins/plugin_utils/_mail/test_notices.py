# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices reach real servers, signed; what goes wrong is one line, and no URL leaves the file that it stands in."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import run_program
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail import notices
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.notices import Notice, make_notice, send_notice
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History, add_run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Target
from report_samples import HOSTILE, session
from tool import ROOT
from web_server import Web, served_web

SECRET = "s3cret"
NOTICE = Notice("[Acme] FAILURE", ("web01: quota",), {"schema": 1})


def told(run: Run) -> Notice:
    return make_notice(run, make_page(run, "/r", History()), "subject")


def hook(web: Web, path: str = "/hook", **changes: Any) -> Target:
    return replace(Target("ops", "webhook", f"http://localhost:{web.port}{path}?token=abc", SECRET), **changes)


def test_a_notice_is_as_its_schema_says_whatever_a_client_says(bad_run: Run) -> None:
    schema = json.loads((ROOT / "docs/schemas/notice.json").read_text())
    run = replace(bad_run, mail=Mail(MailState.FAILED, error="refused"), unheard=(HOSTILE,))
    many = tuple(Client(f"c{place}", State.FAILED, session(code="quota", reason=HOSTILE * 99)) for place in range(99))
    for one in (run, replace(run, clients=many), replace(run, clients=())):
        notice = told(one)
        jsonschema.validate(notice.content, schema, format_checker=jsonschema.FormatChecker())
        assert all(line.isprintable() for line in notice.lines) and len(notice.lines) <= 12
        assert len(json.dumps(notice.content)) < 60_000


def test_no_word_of_a_client_goes_to_a_chat(run: Run) -> None:
    """It might call everybody there, or be a link."""
    lure = "@everyone <!channel> [look](https://evil.example)"
    texts = {"reason": lure, "log_tail": [lure], "remarks": {"other": {"count": 1, "paths": [lure]}}}
    audit = {"verdict": "alarm", "findings": [lure]}
    clients = (
        Client("web01", State.FAILED, session(code="client_failed", archive={"name": lure}, **texts)),
        Client("db01", State.FAILED, session(audit=audit, versions={"borg": lure})),
    )
    notice = told(replace(run, clients=clients, problems=(lure,)))
    assert notice.lines == ("ALARM: db01", "web01: client_failed", "The run itself had a problem.")


def test_a_chat_hears_what_changed_and_not_which_versions(run: Run) -> None:
    before = replace(run, clients=(*run.clients, Client("old", State.FAILED)), version="1")
    now = replace(run, clients=(replace(run.clients[0], state=State.FAILED), Client("old", State.OK)), version="2")
    page = make_page(now, "/r", add_run(History(), before))
    assert [one.kind for one in page.changes] == ["Newly failing", "Well again", "Versions"]
    newly, well, failed = make_notice(now, page, "subject").lines
    assert (newly, failed) == ("Newly failing: web01", "web01: failed") and well.startswith("Well again: old (1 run")


@pytest.mark.parametrize("count", [1, 51, 99])
def test_a_chat_hears_why_it_hears_of_a_run_that_went_well(run: Run, count: int) -> None:
    """With ``when: failure`` nothing else says that the run before died."""
    now = replace(run, unheard=tuple(f"20261121T0300{place:02}Z-1: it never ended" for place in range(count)))
    page = make_page(now, "/r", History())
    assert page.is_urgent and make_notice(now, page, "subject").lines == (f"Nobody has heard of ({count})",)


def test_a_webhook_gets_the_object_signed_with_the_time(run: Run) -> None:
    with served_web() as web:
        assert send_notice(told(run), hook(web), 20) == ""
    ((path, headers, body),) = web.requests
    assert path == "/hook?token=abc" and json.loads(body)["run_id"] == run.run_id
    signed = f"{headers['X-Paranoid-Backup-Time']}.{body.decode()}".encode()
    assert (
        headers["X-Paranoid-Backup-Signature"]
        == f"sha256={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    )
    assert headers["Content-Type"] == "application/json"


def test_what_a_webhook_does_not_take_is_one_line_without_its_url() -> None:
    with served_web() as web:
        problems = {path: send_notice(NOTICE, hook(web, path), 20) for path in ("/500", "/away", "/cut", "/long")}
        slow = send_notice(NOTICE, hook(web, "/drip"), 1.5)
    assert problems == {
        "/500": "it answered 500",
        "/away": "it answered 302",
        "/cut": "RemoteDisconnected",
        "/long": "",
    }
    assert slow == "it was not done within 1.5 s"
    assert not [path for path, _headers, _body in web.requests if path.startswith("/elsewhere")], "it follows nobody"
    gone = hook(web)
    assert send_notice(NOTICE, gone, 20) == "Connection refused"


def test_a_webhook_must_have_a_certificate_that_is_trusted(certificate: Path) -> None:
    with served_web(certificate) as web:
        target = hook(web, url=f"https://localhost:{web.port}/hook")
        assert send_notice(NOTICE, target, 20).startswith("its certificate is not trusted: ")
        assert send_notice(NOTICE, replace(target, ca_file=str(certificate)), 20) == ""
        assert len(web.requests) == 1


def test_apprise_tells_title_and_lines_and_keeps_its_url_to_itself() -> None:
    with served_web() as web:
        assert send_notice(NOTICE, Target("chat", "apprise", f"json://user:pw@localhost:{web.port}/hook"), 60) == ""
        failed = send_notice(NOTICE, Target("chat", "apprise", f"json://user:pw@localhost:{web.port}/500"), 60)
    content = json.loads(web.requests[0][2])
    assert (content["title"], content["message"]) == ("[Acme] FAILURE", "web01: quota")
    assert failed == "Apprise could not send it"
    assert (
        send_notice(NOTICE, Target("chat", "apprise", "nosuch://secret"), 60)
        == "Apprise does not know this kind of URL"
    )


def test_a_url_is_in_no_command_line_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def look(argv: list[str], given: bytes, seconds: float, **options: Any) -> Any:
        seen.append((argv, options))
        return run_program(argv, given, seconds, **options)

    monkeypatch.setattr(notices, "run_program", look)
    target = Target("ops", "webhook", "http://localhost:9/token-abc", SECRET)
    assert send_notice(NOTICE, target, 20) == "Connection refused"
    ((argv, options),) = seen
    assert "token-abc" not in " ".join(argv) and options == {}
    assert "token-abc" not in repr(target) and SECRET not in repr(target)
