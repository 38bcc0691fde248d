# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noticed of an archive, in histories made of entries, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    Entry,
    LedgerRow,
    ReportedArchive,
    SessionEntry,
    decode,
    encode,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History, fold_history
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.conclusion import overrule_content
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion
from ansible_collections.paranoid.backup.plugins.module_utils._retention.band import Band
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import (
    ContentVerdict,
    is_good,
    judge_content,
    pending,
    to_accept,
)

START = datetime(2026, 11, 1, tzinfo=UTC)


class Client:
    """A client that backs up again and again; each session is judged and entered as `_outcome` does."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.config = "as it was"

    @property
    def history(self) -> History:
        rows = []
        for place, entry in enumerate(self.entries):
            kind, client, body = encode(entry)
            when = START + timedelta(days=place)
            rows.append(LedgerRow(place + 1, when, kind, client, "", decode(kind, client, body)))
        return fold_history(rows)

    def backup(
        self,
        files: int,
        mounts: dict[str, bool] | None = None,
        failure: str = "",
        filled: dict[str, bool] | None = None,
    ) -> str:
        """Enter a backup of so many files; return the code that it came to."""
        sources = {"refused": [], "mounts": mounts or {}, "filled": filled or {}}
        sizes = {"nfiles": files, "original_size": files * 10**6}
        content = judge_content(self.history, sizes, sources, self.config, Band())
        done = Conclusion("failed", failure) if failure else Conclusion("ok")
        done = overrule_content(done, "web1", content)
        identifier = f"{len(self.entries):064x}"
        archive = ReportedArchive(identifier, "a", original_size=sizes["original_size"], nfiles=sizes["nfiles"])
        extra: dict[str, Any] = {"sources": sources, "content": content.to_dict()}
        extra["came"] = identifier
        entry = SessionEntry("web1", "backup", "s", "", done.status, done.code, commits=1, manifests=1, archive=archive)
        self.entries.append(SessionEntry(**{**vars(entry), **extra}))
        return done.code

    @property
    def noticed(self) -> dict[str, Any]:
        """What the ledger says of the last archive's content."""
        entry = self.entries[-1]
        assert isinstance(entry, SessionEntry) and entry.content is not None
        return entry.content

    def accept(self) -> None:
        """Enter what a person accepts."""
        self.entries.append(AcceptEntry("web1", "meant", "alice", to_accept(self.history)))


@pytest.fixture
def client() -> Client:
    return Client()


def test_what_shrank_stays_red_until_it_is_back(client: Client) -> None:
    assert [client.backup(files) for files in (100, 40, 41, 100)] == ["", "shrunk", "shrunk", ""]
    assert pending(client.history) == ""


def test_a_person_accepts_it_and_from_then_on_it_is_usual(client: Client) -> None:
    assert [client.backup(files) for files in (100, 40, 42)] == ["", "shrunk", "shrunk"]
    assert pending(client.history) == "42 files instead of 100, 42.0 MB instead of 100 MB"
    client.accept()
    assert pending(client.history) == ""
    assert [archive.good for archive in client.history.archives] == [True] * 3
    assert [client.backup(files) for files in (40, 30, 19)] == ["", "", "shrunk"]


def test_what_was_accepted_once_is_not_accepted_again(client: Client) -> None:
    for files in (100, 40):
        client.backup(files)
    client.accept()
    assert client.backup(15) == "shrunk"
    assert pending(client.history).startswith("15 files instead of 40")
    assert to_accept(client.history) == (f"{3:064x}",)


def test_what_came_back_is_compared_with_what_it_was_before(client: Client) -> None:
    assert [client.backup(files) for files in (100, 40, 100, 60, 45)] == ["", "shrunk", "", "", "shrunk"]


def test_the_operators_own_change_is_told_once_and_is_no_failure(client: Client) -> None:
    client.backup(100)
    client.config = "less"
    assert client.backup(30) == ""
    assert client.noticed["meant"] and client.noticed["shrunk"].startswith("30 files instead of 100")
    assert pending(client.history) == ""
    assert client.backup(30) == ""
    assert not client.noticed["meant"]
    assert client.backup(14) == "shrunk"


def test_a_change_that_shrank_nothing_begins_nothing_anew(client: Client) -> None:
    client.backup(1000)
    client.config = "more"
    assert client.backup(600) == ""
    assert client.backup(400) == "shrunk"


def test_an_older_entry_without_a_fingerprint_explains_nothing(client: Client) -> None:
    client.config = ""
    client.backup(100)
    client.config = "as it was"
    assert client.backup(30) == "shrunk"


def test_another_failure_goes_first_and_still_holds_what_is_there(client: Client) -> None:
    client.backup(100)
    assert client.backup(40, failure="source_refused") == "source_refused"
    assert pending(client.history).startswith("40 files instead of 100")
    assert to_accept(client.history) == ()


def test_a_source_that_left_its_disk_is_red_until_it_is_back(client: Client) -> None:
    on, off = {"/srv": True, "/etc": False}, {"/srv": False, "/etc": False}
    assert [client.backup(30, mounts) for mounts in (off, on, off, off, on, on)] == [
        *("", "", "source_unmounted", "source_unmounted", "", "")
    ]


def test_a_person_accepts_that_it_moved(client: Client) -> None:
    client.backup(30, {"/srv": True})
    assert client.backup(30, {"/srv": False}) == "source_unmounted"
    assert pending(client.history) == "/srv is not mounted"
    client.accept()
    assert pending(client.history) == ""
    assert client.backup(30, {"/srv": False}) == ""


def test_a_source_that_is_no_longer_one_is_not_missed(client: Client) -> None:
    client.backup(30, {"/srv": True})
    assert client.backup(30, {"/etc": False}) == ""


def test_an_older_client_that_says_nothing_in_between_forgets_nothing(client: Client) -> None:
    client.backup(30, {"/srv": True})
    client.backup(30)
    client.entries[-1] = SessionEntry(**{**vars(client.entries[-1]), "sources": None})
    assert client.backup(30, {"/srv": False}) == "source_unmounted"


def test_a_source_that_was_emptied_is_red_until_it_is_back(client: Client) -> None:
    full, empty = {"/srv": True, "/new": False}, {"/srv": False, "/new": False}
    said = [client.backup(30, filled=filled) for filled in (empty, full, empty, empty, full, full)]
    assert said == ["", "", "source_emptied", "source_emptied", "", ""]


def test_a_person_accepts_that_it_is_empty(client: Client) -> None:
    client.backup(30, filled={"/srv": True})
    assert client.backup(30, filled={"/srv": False}) == "source_emptied"
    assert pending(client.history) == "/srv is empty"
    client.accept()
    assert pending(client.history) == "" and [archive.good for archive in client.history.archives] == [True] * 2
    assert client.backup(30, filled={"/srv": False}) == ""


def test_what_may_be_empty_and_what_is_no_source_any_more_is_not_told_and_not_missed(client: Client) -> None:
    client.backup(30, filled={"/srv": True})
    assert client.backup(30, filled={"/etc": False}) == ""


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (ContentVerdict(), "", ""),
        (ContentVerdict(shrunk="1 files instead of 9", meant=True), "", ""),
        (ContentVerdict(shrunk="1 files instead of 9"), "shrunk", "web1's archive has only 1 files instead of 9: look"),
        (
            ContentVerdict(unmounted=("/a", "/b"), shrunk="x"),
            "source_unmounted",
            "web1: /a and /b lay on a file",
        ),
        (ContentVerdict(unmounted=("/a",), emptied=("/a",)), "source_unmounted", "web1: /a lay on a file system"),
        (ContentVerdict(emptied=("/a", "/b"), shrunk="x"), "source_emptied", "web1: nothing is in /a and /b any more"),
    ],
)
def test_the_reason_names_the_cure(content: ContentVerdict, code: str, words: str) -> None:
    found = overrule_content(Conclusion("ok"), "web1", content)
    assert found.code == code and words in found.reason
    assert not code or "run accept.yml" in found.reason


def test_nothing_is_pending_without_a_backup() -> None:
    assert pending(History()) == "" and to_accept(History()) == ()
    judge: Callable[..., ContentVerdict] = judge_content
    assert judge(History(), {"nfiles": 0, "original_size": 0}, {"/srv": False}, "", Band()) == ContentVerdict()


@pytest.mark.parametrize(
    ("told", "accepted", "good"),
    [
        ({"status": "ok", "audit": "clean"}, False, True),
        ({"status": "ok", "audit": "alarm"}, False, False),
        ({"status": "failed", "audit": "alarm"}, True, False),
        ({"status": "failed", "code": "shrunk", "audit": "clean"}, True, True),
        ({"status": "failed", "code": "shrunk", "audit": "clean"}, False, False),
        ({"status": "ok", "audit": "clean", "archive": None}, True, False),
    ],
)
def test_no_archive_of_an_alarm_is_compared_with_though_a_person_accepted_it(
    told: dict[str, Any], accepted: bool, good: bool
) -> None:
    archive = ReportedArchive("9" * 64, "a")
    seen: dict[str, Any] = {"commits": 1, "manifests": 1, "archive": archive, **told}
    client = Client()
    client.entries.append(SessionEntry("web1", "backup", "1" * 32, "r", **seen))
    client.entries += [AcceptEntry("web1", "r", "bo", (archive.id,))] if accepted else []
    assert is_good(client.history, client.history.sessions[0]) is good
