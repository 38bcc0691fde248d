# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paranoid_restore.errors import RestoreError
from paranoid_restore.main import check_options, make_parser
from paranoid_restore.planning import plan_steps
from paranoid_restore.progress import format_progress, format_seconds, format_size
from paranoid_restore.restoring import find_tunnel
from paranoid_restore.selection import Listed, Wanted, choose_archive, is_safe, normalize, parse_moment
from paranoid_restore.tree import Tree

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 20, 3, tzinfo=UTC)
LISTED = [Listed(f"web1-{number}", f"{number:064x}", FIRST + number * DAY) for number in range(3)]


def test_the_newest_archive_unless_a_name_or_a_time_is_given() -> None:
    assert choose_archive(LISTED).name == "web1-2"
    assert choose_archive(LISTED, "web1-0").name == "web1-0"
    assert choose_archive(LISTED, f"{1:064x}").name == "web1-1"
    assert choose_archive([replace(LISTED[0], name="web1-10"), LISTED[1]], "web1-1") == LISTED[1], "its whole name"
    assert choose_archive(LISTED, as_of=FIRST + DAY).name == "web1-1"
    assert choose_archive(LISTED, as_of=FIRST + DAY - timedelta(seconds=1)).name == "web1-0"


@pytest.mark.parametrize(
    ("listed", "name", "as_of", "said"),
    [
        ([], "", None, "there is none yet"),
        (LISTED, "web1-9", None, "no archive web1-9"),
        (LISTED, "", FIRST - DAY, "the first is of 2026-11-20 03:00"),
    ],
)
def test_an_archive_that_is_not_there(listed: list[Listed], name: str, as_of: datetime | None, said: str) -> None:
    with pytest.raises(RestoreError, match=said):
        choose_archive(listed, name, as_of)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("WEB1-2", "there is no archive WEB1-2: is it web1-2? --list shows"),
        ("web1-2x", "is it web1-2? --list"),
        ("2026-11-20", "for the state of a time write --as-of '2026-11-20'; --list"),
        ("2026-11-20 03:00", "write --as-of '2026-11-20 03:00'"),
        ("nobody", "there is no archive nobody: --list shows which there are"),
    ],
)
def test_a_name_that_is_nearly_one_is_answered_by_the_question_which_is_meant(name: str, said: str) -> None:
    with pytest.raises(RestoreError) as refused:
        choose_archive(LISTED, name)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "20.11.2026", "11/20/2026", "03:00", "0001-01-01", "9999-12-31T23:59-14:00", "\0"]
)
def test_what_is_no_time_is_answered_by_how_one_is_written(text: str) -> None:
    with pytest.raises(RestoreError, match="is no time: write it as 2026-11-20 or 2026-11-20 03:00"):
        parse_moment(text)


def test_a_time_is_this_hosts_unless_it_names_an_offset() -> None:
    assert parse_moment("2026-11-20T03:00:00Z") == FIRST
    assert parse_moment("2026-11-20 03:00+01:00") == FIRST - timedelta(hours=1)
    assert parse_moment("2026-11-20 03:00") == datetime(2026, 11, 20, 3).astimezone(UTC)
    with pytest.raises(RestoreError, match="is no time"):
        parse_moment("yesterday")


@pytest.mark.parametrize(
    ("word", "path", "expected"),
    [
        ("/etc/nginx/", "etc/nginx", True),
        ("etc/nginx", "etc/nginx/nginx.conf", True),
        ("etc/nginx", "etc/nginx2", False),
        ("etc/ngin?", "etc/nginx/nginx.conf", True),
        ("/home/*/.ssh", "home/ana/.ssh/id", True),
        ("/home/*/.ssh", "home/ana/x", False),
        ("*.conf", "etc/a.conf", True),
    ],
)
def test_what_a_word_means(word: str, path: str, expected: bool) -> None:
    assert Wanted([word]).matches(path) is expected


def test_every_word_must_be_met() -> None:
    wanted = Wanted(["etc", "srv"])
    assert wanted.matches("etc/x")
    with pytest.raises(RestoreError, match="has no srv"):
        wanted.require_all("web1-1")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "nginx.conf",
            "has no nginx.conf: is it /etc/nginx/nginx.conf? paranoid-backup-borg list ::web1-1 shows all of it",
        ),
        ("nginx/nginx.conf", "is it /etc/nginx/nginx.conf? "),
        ("/ETC/Nginx/", "is it /etc/nginx? "),
        ("etc/ngnix", "has no etc/ngnix: is it /etc/nginx? "),
        ("etc/quite-another", "has no etc/quite-another: paranoid-backup-borg"),
        ("*.bak", "has no *.bak: paranoid-backup-borg"),
    ],
)
def test_a_path_that_is_nearly_one_is_answered_by_the_question_which_is_meant(word: str, said: str) -> None:
    """Who stands in /etc/nginx types what ls shows there."""
    wanted = Wanted([word])
    for path in ("home/ana/NGINX.conf", "etc/nginx", "etc/nginx/nginx.conf", "srv/old/nginx.conf.1", "srv/nginx.conf"):
        assert not wanted.matches(path)
    with pytest.raises(RestoreError) as refused:
        wanted.require_all("web1-1")
    assert said in str(refused.value)


@pytest.mark.parametrize("word", ["", "/", ".", "a/../b", "a//b", "./a"])
def test_a_word_that_is_no_path(word: str) -> None:
    with pytest.raises(RestoreError, match=r"is no path: write it whole, .*; --all brings everything"):
        normalize(word)


CRAFTED = ["../etc/passwd", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\0b", "a/."]


@pytest.mark.parametrize("path", CRAFTED)
def test_a_crafted_archive_is_refused_whole(path: str, tmp_path: Path) -> None:
    assert not is_safe(path)
    with pytest.raises(RestoreError, match="crafted"):
        list(plan_steps([Entry(path=path)], Wanted([]), Tree(str(tmp_path)), bytes))
    with pytest.raises(RestoreError, match="crafted"):
        list(plan_steps([Entry(path="a", source=path)], Wanted([]), Tree(str(tmp_path)), bytes))


class Entry(SimpleNamespace):
    """What a Borg item looks like from here."""

    mode, mtime = stat.S_IFREG | 0o644, 0

    def get(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)

    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


def test_without_a_tunnel_it_says_who_opens_one(tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match=r"holds no tunnel open.*open\.yml"):
        find_tunnel(tmp_path)


def test_progress_in_words() -> None:
    assert format_size(999) == "999 B" and format_size(1024) == "1.0 KiB" and format_size(5 * 2**40) == "5120 GiB"
    assert format_seconds(3723) == "1:02:03" and format_seconds(59.6) == "1:00"
    line = format_progress(2**20, 4 * 2**20, 1, 4, 2.0)
    assert line == "1.0 MiB of 4.0 MiB, 1 of 4 entries, 512 KiB/s, 0:06 left"
    assert "left" not in format_progress(0, 0, 0, 1, 0.0)


def test_what_is_excepted_must_be_there() -> None:
    """Who misspells what is to stay would have it overwritten."""
    wanted = Wanted(["etc"], ["etc", "etc/fstba", "etc/ssh"], ["never/there"])
    for path in ("etc", "etc/fstab", "etc/ssh"):
        assert not wanted.matches(path)
    with pytest.raises(RestoreError, match=r"has no etc/fstba: is it /etc/fstab\?"):
        wanted.require_all("web1-1")
    wanted = Wanted(["etc/a", "srv"], ["etc/*"])
    assert wanted.matches("srv/x") and not wanted.matches("etc/a")
    with pytest.raises(RestoreError, match="all of etc/a is excepted"):
        wanted.require_all("web1-1")


def test_a_name_with_a_bracket_means_itself_as_well() -> None:
    wanted = Wanted(["srv/a[1].txt"], ["srv/[x]"])
    assert wanted.matches("srv/a[1].txt") and wanted.matches("srv/a1.txt") and not wanted.matches("srv/[x]/y")
    wanted.require_all("web1-1")


@pytest.mark.parametrize(
    "words",
    [
        ["--list", "etc"],
        ["--list", "--archive", "web1-1"],
        ["--list", "--check"],
        ["--list", "--to", "/root/old"],
        ["--list-databases", "--except", "etc"],
        ["--list-databases", "--check"],
        ["--database", "shop", "--to", "/root/old"],
        ["--database", "shop", "--except", "etc"],
        ["--archive", "", "etc"],
        ["--as-of", " ", "etc"],
        ["--undo", ""],
        ["--forget", ""],
        ["--database", ""],
    ],
)
def test_a_word_without_an_effect_is_refused(words: list[str]) -> None:
    """An empty one is a variable of a shell that was never set: --archive "$OLD" would bring the newest."""
    with pytest.raises((RestoreError, SystemExit)):
        check_options(make_parser().parse_args(words))


@pytest.mark.parametrize("words", [["--list"], ["--list-databases", "--as-of", "2026-11"], ["--all", "--except", "a"]])
def test_words_with_an_effect_are_taken(words: list[str]) -> None:
    check_options(make_parser().parse_args(words))


def test_what_is_excepted_stays_whatever_is_wanted() -> None:
    wanted = Wanted([], ["etc/fstab", "/boot", "etc/ssh/ssh_host_*"])
    assert wanted.matches("etc") and wanted.matches("etc/fstab.bak") and wanted.matches("bootx")
    for path in ("etc/fstab", "boot", "boot/grub/x", "etc/ssh/ssh_host_rsa_key"):
        assert not wanted.matches(path), path
    assert not Wanted(["etc"], ["etc/a"]).matches("etc/a/b") and Wanted(["etc"], ["etc/a"]).matches("etc/b")
    with pytest.raises(RestoreError, match="no path"):
        Wanted([], ["../etc"])
