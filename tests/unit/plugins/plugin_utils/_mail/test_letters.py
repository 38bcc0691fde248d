# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets which mail of a run, and how long it may be."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from string import Template
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import (
    LARGEST,
    Owner,
    find_owners,
    narrow,
    write_letters,
    write_mail,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import Nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings
from report_samples import HOSTILE, session

GROUPS = {"all": ["web01", "web02", "db01"], "web": ["web01", "web02"]}
ANA, BO = Address("Ana", addr_spec="ana@example.org"), Address(addr_spec="bo@example.org")


@pytest.fixture
def settings() -> Settings:
    words = Template("[$TITLE] $WHAT: $SUCCEEDED ok, $FAILED failed, $SKIPPED skipped of $TOTAL in $RUNTIME")
    sender = Address(addr_spec="backup@example.org")
    return Settings(Path("/nowhere"), "t", words, sender, (Address(addr_spec="ops@example.org"),), False, None)


def read(mail: EmailMessage) -> tuple[str, str]:
    """Return both bodies as a mail program has them."""
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert plain and html
    return str(plain.get_content()), str(html.get_content())


def test_owners_have_the_hosts_of_their_groups_and_those_that_are_named() -> None:
    owners, unknown = find_owners({"web": (ANA, BO), "db01": (ANA,), "wbe\n": (BO,)}, GROUPS)
    assert {one.address.addr_spec: one.hosts for one in owners} == {
        "ana@example.org": {"web01", "web02", "db01"},
        "bo@example.org": {"web01", "web02"},
    }
    assert unknown == ["owners_file: 'wbe\\n' is neither a group nor a host of the inventory"]
    assert find_owners({"web": (ANA,)}, {})[1] == [], "a run without a play knows no group"


def test_a_mail_of_an_owner_has_neither_name_nor_number_of_others(bad_run: Run, settings: Settings) -> None:
    """Everything that a run can say is there, and of others."""
    away = tuple(Absent(f"strange{place}", "vault", Absence.LEFT_OUT) for place in range(7))
    told = {"host": "vault", "head": "4711:" + "a" * 64, "spare": "clients/strange9/baseline.json: no space"}
    clients = (*bad_run.clients, Client("mine", State.OK, session(ledger=told)))
    full = replace(
        bad_run,
        clients=clients,
        problems=("strange8: x",),
        unheard=("run9: of strange7",),
        roll=Roll(
            (*away, Absent("mine2", "vault", Absence.MOVED, address="a", wanted="b")), ("vault2: x",), ("strange6",)
        ),
        nas=(Nas("strange5", ("strange4 is DEGRADED",), ("strange3",), 60),),
    )
    owner = Owner(ANA, frozenset({"mine", "mine2"}))
    team, own = write_letters(full, "/reports/record.json", settings, History(), [owner, Owner(BO, frozenset({"x"}))])
    assert (team.recipients, own.recipients, own.whom) == (
        ("ops@example.org",),
        ("ana@example.org",),
        "ana@example.org",
    )
    assert own.mail["Subject"].startswith("[backup] SUCCESS: 1 ok, 0 failed, 0 skipped of 1 in ")
    assert own.mail["To"] == "Ana <ana@example.org>" and own.mail["Message-ID"] != team.mail["Message-ID"]
    for body in read(own.mail):
        assert "mine" in body
        strange = [client.name for client in bad_run.clients] + [
            "strange",
            "run9",
            "vault2",
            "4711",
            "/reports",
            "ALARM",
        ]
        assert [word for word in strange if word in body] == []
    for body in read(team.mail):
        assert "strange8" in body and "4711" in body


def test_whoever_is_of_the_team_gets_one_mail(run: Run, settings: Settings) -> None:
    of_team = Owner(settings.mail_to[0], frozenset({"web01"}))
    assert [one.file for one in write_letters(run, "", settings, History(), [of_team])] == ["mail.eml"]


def test_what_an_owner_sees_leaves_the_run_itself_as_it_was(run: Run) -> None:
    assert narrow(run, frozenset({"web01"})).clients == run.clients[:1] and len(run.clients) == 2


@pytest.mark.parametrize("kind", ["one cause", "long", "wide", "alarm", "missing", "many causes"])
def test_five_hundred_failures_are_one_mail_that_people_read(run: Run, settings: Settings, kind: str) -> None:
    """Whatever a client says, and however long: the mail stays below what mail programs cut."""
    long = {"reason": "x" * 500, "log": "/l" * 150, "log_tail": ["y" * 300] * 20, "gate": {"refused": ["z" * 300] * 20}}
    wide = {"reason": "字" * 500, "log_tail": ["字" * 300] * 20, "gate": {"refused": ["é" * 300] * 20}}
    audit = {"verdict": "alarm", "findings": ["字" * 300] * 20}
    codes = [
        "unreachable",
        "quota",
        "locked",
        "bad_result",
        "total_timeout",
        "client_failed",
        "tunnel_refused",
        "no_slot",
    ]
    sessions = {
        "one cause": [session(code="unreachable", reason="Ansible cannot reach this host: no route", archive=None)],
        "long": [session(code="client_failed", **long)],
        "wide": [session(code="client_failed", **wide)],
        "alarm": [session(audit=audit, **long)],
        "missing": [session(code="client_failed", remarks={"changed": {"count": 99, "paths": ["p" * 200] * 10}})],
        "many causes": [session(code=code, **long) for code in codes],
    }[kind]
    name = ("w" * 190 if kind != "one cause" else "web") + "{:03}"
    clients = tuple(Client(name.format(place), State.FAILED, sessions[place % len(sessions)]) for place in range(500))
    problems = () if kind == "one cause" else ("x" * 500,) * 60
    mail = write_mail(replace(run, clients=clients, problems=problems), settings, History(), "/r/record.json")
    assert len(mail.as_bytes()) <= LARGEST
    text, _html = read(mail)
    assert "500 of 500 clients failed: " in " ".join(text.split())
    if kind == "one cause":
        assert "500 unreachable: web000, web001, web002, web003 and 496 more" in text
        assert len(text.splitlines()) < 200, "it is read on a phone"
        assert "and 440 more: 440 failed" in text.replace("\u00a0", " ")


def test_a_name_of_a_megabyte_is_cut_wherever_it_comes_from(run: Run, settings: Settings) -> None:
    huge = HOSTILE * 10_000
    texts: dict[str, Any] = {
        "reason": huge,
        "log": huge,
        "log_tail": [huge] * 99,
        "gate": {"refused": [huge] * 99},
        "escrow": huge,
    }
    told = {"remarks": {"other": {"count": 1, "paths": [huge] * 99}}, "versions": {"borg": huge, "borgmatic": huge}}
    owner = {"off": huge, "request": {"why": huge}, "sources": [huge], "hooks": [huge], "skipped": [huge] * 99}
    parts = {"archive": {"name": huge}, "ledger": {"host": huge, "head": "3:" + "a" * 64, "spare": huge}}
    one = session(
        code="client_failed", **texts, **told, **parts, owner=owner, rebuilt=[huge] * 99, content={"shrunk": huge}
    )
    mail = write_mail(replace(run, clients=(Client("web01", State.FAILED, one),)), settings, History(), "/r")
    assert len(mail.as_bytes()) <= LARGEST
    text, html = read(mail)
    assert all(line.replace("\u00a0", " ").isprintable() for line in text.splitlines())
    assert "<script" not in html and "victim@example.org" in html
    assert mail["Bcc"] is None and "victim" not in mail["Subject"]
