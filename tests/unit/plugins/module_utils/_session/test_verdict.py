# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One row per code that a verdict can have."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES
from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import INCOMPLETE
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import TrimResult
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import VERBS
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Performer, decide

CLIENT = Performer("web1", "web1", "192.0.2.7", 22)
WROTE = GateSummary(connections=1, commits=1, manifests=1)
OK = Result(True, "", {"name": "a"}, None, None, {}, remarks={})
GOOD = Evidence(hello=True, result=OK, gate=WROTE, ssh_code=0)
LOST = "Connection to 192.0.2.7 closed by remote host.\n"


def test_good() -> None:
    assert decide(VERBS["backup"], CLIENT, GOOD).status == "ok"
    ended = replace(GOOD, ssh_code=-15, ssh_signal=15)
    assert decide(VERBS["backup"], CLIENT, ended).status == "ok", "the result had come"


IDLE: dict[str, Any] = {"deadline": "idle_timeout", "seconds": 7}
ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("quota", {"gate": GateSummary(trouble="quota", detail="1 of 1")}, "at its quota"),
    ("disk_full", {"gate": GateSummary(trouble="disk_full")}, "disk is full"),
    ("client_failed", {"gate": GateSummary(trouble="protocol")}, "not Borg's protocol"),
    ("server_error", {"gate": GateSummary(trouble="error", detail="boom")}, "the gate failed: boom"),
    ("server_error", {"gate": GateSummary(trouble="new")}, "the gate failed: new"),
    *[
        (f"{name}_timeout", {"deadline": f"{name}_timeout", "seconds": 7}, "7 s")
        for name in ("connect", "idle", "total", "close")
    ],
    ("idle_timeout", {**IDLE, "last_words": "hook: before: sleep 60"}, "it hangs (hook: before: sleep 60)"),
    ("idle_timeout", {**IDLE, "result": replace(OK, ok=False, reason="a hook"), "last_words": "x"}, "hangs (a hook)"),
    ("idle_timeout", {**IDLE, "result": None, "ssh_code": -9, "ssh_signal": 9}, "it hangs"),  # whose end that was
    ("server_error", {"result": None, "ssh_code": -9, "ssh_signal": 9}, "own ssh to web1 was killed by signal 9"),
    ("server_error", {"hello": False, "result": None, "ssh_signal": 9, "protocol": "broke off"}, "killed by signal 9"),
    ("client_failed", {"result": None, "ssh_code": -9, "last_words": "oh"}, "exit code -9 (oh)"),
    ("bad_result", {"protocol": "rubbish"}, "no usable result: rubbish"),
    ("bad_result", {"result": replace(OK, remarks=None)}, "does not say what it could not read"),
    ("no_dispatcher", {"protocol": "rubbish", "hello": False}, "not as the dispatcher: rubbish"),
    ("no_dispatcher", {"hello": False, "ssh_code": 127, "last_words": "not found"}, "(not found)"),
    ("no_dispatcher", {"hello": False, "ssh_code": 255, "ssh_log": " \n"}, "(exit code 255)"),
    (
        "unreachable",
        {"hello": False, "ssh_code": 255, "ssh_log": "ssh: connect to host x port 22: Connection refused"},
        "cannot be reached",
    ),
    ("connection_lost", {"result": None, "ssh_code": 255, "ssh_log": LOST}, "closed by remote host"),
    ("connection_lost", {"result": None, "ssh_code": 255, "last_words": "oh"}, "dispatcher was killed (oh)"),
    ("client_failed", {"result": None, "ssh_code": 1, "last_words": "oh"}, "exit code 1 (oh)"),
    ("client_failed", {"result": replace(OK, ok=False, reason="why")}, "web1: why"),
    ("client_failed", {"result": replace(OK, ok=False)}, "it gave no reason"),
    ("refused", {"result": replace(OK, ok=False), "gate": GateSummary(refused=("append: delete",))}, "append: delete"),
    ("refused", {"gate": replace(WROTE, refused=("append: delete",))}, "append: delete"),
    (
        "switched_off",
        {"result": replace(OK, ok=False, reason="x", owner={"off": "moving"})},
        "off (moving): its root",
    ),
    ("switched_off", {"result": replace(OK, owner={"off": "moving"})}, "switched its backup off (moving)"),
    ("source_refused", {"result": replace(OK, sources={"refused": ["source /a is a link"], "mounts": {}})}, "/a is a"),
    (
        "source_refused",
        {"result": replace(OK, sources={"refused": list("abcde"), "mounts": {}})},
        "a; b; c; and 2 more",
    ),
    (
        "source_refused",
        {"result": replace(OK, ok=False, reason="/a is a link", sources={"refused": ["/a is a link"], "mounts": {}})},
        "web1: /a is a link",
    ),
    (
        "client_failed",
        {"result": replace(OK, ok=False, reason="a hook", sources={"refused": ["/a is a link"], "mounts": {}})},
        "web1: a hook",
    ),
    ("no_archive", {"result": replace(OK, archive=None)}, "named no archive"),
    ("no_archive", {"gate": GateSummary(connections=1)}, "saw no archive"),
    ("no_archive", {"gate": GateSummary(commits=1)}, "saw no archive"),
    *[
        ("incomplete", {"result": replace(OK, remarks={kind: {"count": 2, "accepted": 1, "paths": ["/a"]}})}, "/a")
        for kind in INCOMPLETE
    ],
]


@pytest.mark.parametrize(("code", "changes", "words"), ROWS)
def test_fault(code: str, changes: dict[str, Any], words: str) -> None:
    verdict = decide(VERBS["backup"], CLIENT, replace(GOOD, **changes))
    assert (verdict.status, verdict.code) == ("failed", code)
    assert words in verdict.reason
    assert code in CODES


@pytest.mark.parametrize(
    ("known", "told", "code"),
    [("a", "b", "source_refused"), ("a", "a", ""), ("", "b", ""), ("a", "", "source_refused"), ("a", None, "")],
)
def test_who_was_told_to_save_other_things_is_not_green(known: str, told: str | None, code: str) -> None:
    """An older /etc brings the sources of its time, and may be of a release that wrote no fingerprint beside them.

    Where the server or the program on the host is of an older release, nobody can compare.
    """
    verdict = decide(VERBS["backup"], replace(CLIENT, saved=known), replace(GOOD, result=replace(OK, saved=told)))
    assert verdict.code == code and ("run site.yml" in verdict.reason) is bool(code)


@pytest.mark.parametrize("kind", ["changed", "vanished", "excluded_by_tag", "hooks"])
def test_what_changed_or_vanished_is_told_and_not_red(kind: str) -> None:
    remarks = {kind: {"count": 2, "accepted": 0, "paths": ["/a"]}}
    assert decide(VERBS["backup"], CLIENT, replace(GOOD, result=replace(OK, remarks=remarks))).status == "ok"


def test_what_is_accepted_is_not_red() -> None:
    remarks = {kind: {"count": 2, "accepted": 2, "paths": []} for kind in INCOMPLETE}
    assert decide(VERBS["backup"], CLIENT, replace(GOOD, result=replace(OK, remarks=remarks))).status == "ok"


def test_info_needs_the_tunnel() -> None:
    assert decide(VERBS["info"], CLIENT, replace(GOOD, gate=GateSummary())).code == "tunnel_refused"
    assert decide(VERBS["info"], CLIENT, replace(GOOD, gate=GateSummary(connections=1))).status == "ok"


def test_off_is_told_by_a_check_run_of_a_backup_alone() -> None:
    seen = replace(GOOD, gate=GateSummary(connections=1), result=replace(OK, owner={"off": "moving"}))
    assert decide(VERBS["info"], CLIENT, seen).status == "ok"
    assert decide(VERBS["info"], CLIENT, seen, asked=VERBS["maintain"]).status == "ok"
    assert decide(VERBS["info"], CLIENT, seen, asked=VERBS["backup"]).code == "switched_off"


ARMORED = "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n"
SENT = base64.b64encode(b"age-encryption.org/v1\n-> X25519 abc\ndef\n--- mac\npayload").decode()
TO_ANA = [{"holder": "ana", "recipient": "age1x"}]


@pytest.mark.parametrize(
    ("escrow", "gate", "code"),
    [
        ({"ciphertext": ARMORED.format(SENT), "recipients": TO_ANA}, WROTE, ""),
        ({"ciphertext": ARMORED.format(SENT), "recipients": TO_ANA}, GateSummary(), "tunnel_refused"),
        ({"ciphertext": ARMORED.format(SENT), "recipients": TO_ANA * 2}, WROTE, "bad_result"),
        ({"ciphertext": "the key itself", "recipients": TO_ANA}, WROTE, "bad_result"),
        (None, WROTE, "bad_result"),
    ],
)
def test_an_escrow_is_what_age_encrypted_for_all_of_its_recipients(
    escrow: dict[str, Any] | None, gate: GateSummary, code: str
) -> None:
    seen = replace(GOOD, result=replace(OK, archive=None, escrow=escrow), gate=gate)
    verdict = decide(VERBS["escrow"], CLIENT, seen)
    assert (verdict.status, verdict.code) == ("failed" if code else "ok", code)


@pytest.mark.parametrize(
    ("verb", "refused", "told"), [("maintain", 1, True), ("maintain", 0, False), ("backup", 1, False)]
)
def test_who_is_refused_a_deletion_is_told_where_to_read_on(verb: str, refused: int, told: bool) -> None:
    seen = replace(GOOD, gate=replace(WROTE, refused=("trim: delete",) * refused, delete=1))
    trim = TrimResult.of(TrimPlan((), {}, (), frozenset(), Budget(), 0), seen) if verb == "maintain" else None
    verdict = decide(VERBS[verb], CLIENT, seen, trim)
    assert verdict.reason.endswith("; see 'refused' in docs/retention.md") is told


def test_open_may_be_refused_and_is_still_ok() -> None:
    assert decide(VERBS["open"], CLIENT, replace(GOOD, gate=GateSummary(refused=("read: put",)))).status == "ok"
