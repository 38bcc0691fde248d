# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from itertools import combinations
from typing import Any

import pytest
from paranoid_runner.errors import UsageError
from paranoid_runner.identity import find_recipient, format_identity
from paranoid_runner.shares import check_share, join_shares, split_secret
from paranoid_runner.sheets import Quorum, format_html, format_text

SECRET = bytes(range(32))
HOLDERS = ("ana", "bo", "cy")
# age-keygen takes it as the identity of these bytes (C2SP, age: X25519; BIP 173).
KNOWN = "AGE-SECRET-KEY-1QQQSYQCYQ5RQWZQFPG9SCRGWPUGPZYSNZS23V9CCRYDPK8QARC0SWRYDWG"


def words(*numbers: int) -> list[str]:
    shares = split_secret(SECRET, 2, HOLDERS)
    return [" ".join(shares[number].words) for number in numbers]


def test_any_two_of_three_open() -> None:
    shares = [" ".join(share.words) for share in split_secret(SECRET, 2, HOLDERS)]
    for pair in combinations(shares, 2):
        assert join_shares(pair) == SECRET


@pytest.mark.parametrize("given_words", [[], words(0)])
def test_one_alone_opens_nothing(given_words: list[str]) -> None:
    with pytest.raises(UsageError, match="open nothing"):
        join_shares(given_words)


def test_shares_of_two_identities_do_not_mix() -> None:
    with pytest.raises(UsageError, match="open nothing"):
        join_shares([words(0)[0], words(1)[0]])


def test_one_wrong_word_is_noticed() -> None:
    (line,) = words(0)
    assert check_share(line.upper() + "  ") == line
    with pytest.raises(UsageError, match="not the words of a share"):
        check_share(line.rsplit(" ", 1)[0] + " academic")


@pytest.mark.parametrize(
    ("threshold", "holders", "said"),
    [
        (1, ("ana", "bo"), "from 2 to 2"),
        (3, ("ana", "bo"), "from 2 to 2"),
        (2, ("ana",), "2 to 16 holders"),
        (2, tuple(f"holder{number}" for number in range(17)), "2 to 16 holders"),
        (2, ("ana", "ana"), "named twice"),
        (2, ("ana", ""), "no name of a holder"),
        (2, ("ana", "../bo"), "no name of a holder"),
    ],
)
def test_who_may_hold_shares(threshold: int, holders: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split_secret(SECRET, threshold, holders)


@pytest.mark.parametrize(
    ("secret", "written"),
    [
        (SECRET, KNOWN),
        (bytes(32), f"AGE-SECRET-KEY-1{'Q' * 52}8H00W3"),
        (b"\xff" * 32, f"AGE-SECRET-KEY-1{'L' * 51}S9FV78X"),
    ],
)
def test_an_identity_is_written_as_age_takes_it(secret: bytes, written: str) -> None:
    """``age-keygen -y`` names the recipient of each of these."""
    assert format_identity(secret) == written
    for wrong in (secret[1:], secret + b"x", b""):
        with pytest.raises(UsageError, match="32 bytes"):
            format_identity(wrong)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (FileNotFoundError(), "age-keygen is not installed here"),
        (subprocess.CompletedProcess([], 1, "", "first\nmalformed\n"), "does not take this identity: malformed"),
    ],
)
def test_the_recipient_is_what_age_says_of_an_identity_that_is_in_no_command_line(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, said: str
) -> None:
    outcomes = [subprocess.CompletedProcess([], 0, "age1x\n", ""), outcome]

    def run(argv: list[str], **options: Any) -> Any:
        assert argv == ["age-keygen", "-y"] and options["input"] == KNOWN
        answer = outcomes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(subprocess, "run", run)
    assert find_recipient(KNOWN) == "age1x"
    with pytest.raises(UsageError, match=said):
        find_recipient(KNOWN)


def test_a_sheet_has_all_words_and_escapes_what_it_is_told() -> None:
    (share, *_) = split_secret(SECRET, 2, HOLDERS)
    quorum = Quorum("age1<script>", HOLDERS, 2, "2026-11-25")
    text, page = format_text(share, quorum), format_html(share, quorum)
    assert "<code>paranoid-backup escrow open --out identity</code>" in page and "`" not in page
    assert [word for word in text.split() if word in share.words][:33] and "33. " in text
    assert all(f"<li>{word}</li>" in page for word in share.words)
    assert "<script>" not in page and "<svg" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
