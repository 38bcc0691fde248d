# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclude patterns: what the dispatcher makes of one is what Borg makes of it, or it is refused."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paranoid_dispatcher.patterns import STYLES, BadPattern, parse_pattern

borg = pytest.importorskip("borg.patterns", reason="Borg is not installed")

_STYLES = st.sampled_from(["", *(f"{style}:" for style in STYLES)])
_VALUES = st.text(alphabet="ab*?[]!^-/\\.:{ ", min_size=1, max_size=9)
_PATHS = st.lists(st.text(alphabet="ab.[]!^-\\{ ", min_size=1, max_size=3), min_size=1, max_size=4)


@settings(max_examples=600)
@given(_STYLES, st.booleans(), _VALUES, st.lists(_PATHS, min_size=1, max_size=5))
def test_a_pattern_matches_what_it_matches_for_borg(
    style: str, absolute: bool, value: str, paths: list[list[str]]
) -> None:
    text = f"{style}{'/' if absolute else ''}{value}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            match = parse_pattern(text)
        except BadPattern:
            return
        # borgmatic writes the style of those that have none.
        its = borg.parse_pattern(text if style else f"fm:{text}")
    for names in paths:
        path = "/" + "/".join(names)
        assert match(path) == its.match(path.lstrip("/"), normalize=False), (text, path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/data", "/srv/data"),
        ("/srv/data", "/srv/data/deep/file"),
        ("/srv/data/", "/srv/data/file"),
        ("srv/*/cache", "/srv/a/b/cache"),
        ("*.iso", "/srv/x.iso"),
        ("sh:/home/*/.cache", "/home/a/.cache"),
        ("sh:/srv/**/tmp", "/srv/tmp"),
        (r"re:\.bak$", "/srv/x.bak"),
        ("pp:/srv/[a]", "/srv/[a]/file"),
        ("pf:/srv/x", "/srv/x"),
        ("*", "/anything"),
        ("/", "/anything"),
    ],
)
def test_patterns_that_people_write(text: str, path: str) -> None:
    assert parse_pattern(text)(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/data", "/srv/database"),
        ("/srv/data/", "/srv/data"),
        ("sh:/home/*/.cache", "/home/a/b/.cache"),
        ("pf:/srv/x", "/srv/x/file"),
        ("cache", "/srv/cache"),
    ],
)
def test_and_what_they_leave(text: str, path: str) -> None:
    assert not parse_pattern(text)(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no text"),
        (None, "is no text"),
        (["/srv"], "is no text"),
        ("rx:^srv", "'rx:', which is no style"),
        ("FM:/srv", "'FM:', which is no style"),
        (":/srv", "':', which is no style"),
        ("fm:", "has nothing"),
        ("re: x", "or a blank"),
        ("re:(", "no regular expression"),
        ("re:*x", "no regular expression"),
        ("[z-a]x/sh", None),
        ("sh:/srv/[z-a]", "no regular expression"),
        ("re:^/srv", "never matches"),
        ("/srv/x ", "blank"),
        (" /srv/x", "blank"),
        ("/srv/x\u00a0", "blank"),
        ("/srv/x\n/srv/y", "line end"),
        ("/srv/x\r/srv/y", "line end"),
        ("/srv/\u2028x", "line end"),
        ("/srv/\0", "NUL"),
        ("/srv/\udcff", "not UTF-8"),
        ("~/x", "'~'"),
        ("sh:~/x", "'~'"),
    ],
)
def test_what_borg_would_read_otherwise_is_refused(text: object, why: str | None) -> None:
    if why is None:
        parse_pattern(str(text))
        return
    with pytest.raises(BadPattern, match=why):
        parse_pattern(text)  # type: ignore[arg-type]
