# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of a run: subject, headers, both bodies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from pathlib import Path
from string import Template

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import (
    format_subject,
    list_recipients,
    make_digest_mail,
    make_message,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.digest import make_digest
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings
from report_samples import HOSTILE, session


@pytest.fixture
def settings() -> Settings:
    words = Template("$TITLE|$STATUS|$SUCCEEDED|$FAILED|$SKIPPED|$TOTAL|$RUNTIME|$RUN_ID|$$")
    sender = Address("Acme, Büro", addr_spec="backup@example.org")
    to = (Address(addr_spec="a@example.org"), Address("B", addr_spec="b@example.org"))
    return Settings(Path("/nowhere"), "t", words, sender, to, False, None)


def test_subject(run: Run, settings: Settings) -> None:
    assert format_subject(run, settings) == "backup|SUCCESS|2|0|0|2|2 min 10 s|20261121T063000Z-1a2b3c4d|$"


def test_message(run: Run, settings: Settings) -> None:
    raw = make_message(run, settings, "text \u2013 ümlaut\n" + "x" * 2000, "<p>html</p>").as_bytes()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.isascii()
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["From"] == '"Acme, Büro" <backup@example.org>'
    assert mail["To"] == "a@example.org, B <b@example.org>"
    assert mail["Date"].datetime.isoformat() == "2026-11-21T06:32:10+00:00"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"]
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain and plain.get_content().splitlines() == ["text \u2013 ümlaut", "x" * 2000]
    assert html and html.get_content().strip() == "<p>html</p>"


def test_no_header_can_be_injected(run: Run, settings: Settings) -> None:
    hostile = replace(run, title=HOSTILE)
    raw = make_message(hostile, replace(settings, subject=Template("$TITLE\nBcc: x@example.org")), "t", "h").as_bytes()
    mail = message_from_bytes(raw, policy=policy.default)
    assert mail["Bcc"] is None
    assert "victim@example.org" in mail["Subject"]
    assert mail["Subject"].isprintable()


def test_the_subject_says_what_failed_and_that_there_is_an_alarm(run: Run, settings: Settings) -> None:
    words = replace(settings, subject=Template("$WHAT: $FAILED failed, $SKIPPED skipped, $SUCCEEDED of $TOTAL ok"))
    audit = {"verdict": "alarm", "findings": ["gone"]}
    clients = (*run.clients, Client("c", State.FAILED, session(audit=audit)), Client("d", State.SKIPPED), Client("e"))
    assert format_subject(replace(run, clients=clients), words) == "ALARM: 1 failed, 2 skipped, 2 of 5 ok"
    assert format_subject(replace(run, clients=clients[:2]), words) == "SUCCESS: 0 failed, 0 skipped, 2 of 2 ok"
    long = format_subject(replace(run, title="x" * 500), replace(settings, subject=Template("$TITLE")))
    assert long == "x" * 199 + "…"


def test_who_gets_it_is_an_address_without_a_name(settings: Settings) -> None:
    assert list_recipients(settings) == ("a@example.org", "b@example.org")


def test_the_mail_of_a_digest_says_in_its_subject_how_it_is(settings: Settings) -> None:
    now = datetime(2026, 11, 22, 7, tzinfo=UTC)
    mail = make_digest_mail(make_digest(History(), f"Acme{HOSTILE[:60]}", now, 7), settings, now)
    raw = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert raw["Subject"].startswith("[Acme<script>") and raw["Subject"].isprintable()
    assert raw["Subject"].endswith("digest of 7 days: No run ended in 7 days.")
    assert raw["To"] == "a@example.org, B <b@example.org>" and raw["Bcc"] is None
    assert raw["Date"].datetime == now and raw["Message-ID"] == "<digest-20261122T070000Z@paranoid-backup.invalid>"
    html = raw.get_body(("html",))
    assert html and "<script" not in html.get_content()
