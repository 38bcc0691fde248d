# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Excludes of sources.d: they hold below the sources beside them, and nothing that the server demands can match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paranoid_dispatcher.drop_ins import scope_exclude
from paranoid_dispatcher.patterns import BadPattern, parse_pattern

DEMANDED = ["/etc", "/srv/data", "/srv/own/deep/demanded"]
OWN = ["/srv/own", "/home/ana"]
HOLDS = {
    "*.tmp": ["fm:/home/ana/*.tmp"],
    "cache": ["fm:/home/ana/cache"],
    "sh:**/cache": ["sh:/home/ana/**/cache"],
    "pp:a*b": ["pp:/home/ana/a*b"],
    "/home/ana/x/../y": ["fm:/home/ana/x/../y"],
    "pf:/home/ana/one": ["pf:/home/ana/one"],
}


@pytest.mark.parametrize("text", HOLDS)
def test_an_exclude_holds_below_the_sources_beside_it(text: str) -> None:
    assert scope_exclude(text, ["/home/ana"], DEMANDED) == HOLDS[text]


REFUSED = {
    "/srv/data/*.log": "reaches out of the sources beside it",
    "/etc": "reaches out",
    "/": "reaches out",
    "*": "could leave out something of /srv/own/deep/demanded",
    "/srv/own/deep": "could leave out something of /srv/own/deep/demanded",
    "/srv/own/d*": "could leave out something of /srv/own/deep/demanded",
    "/srv/own/deep/demanded/x": "could leave out something of /srv/own/deep/demanded",
    "pp:/srv/own/deep": "could leave out",
    "pf:/srv/own/deep": "could leave out",
    "../data": "reaches out",
    "/srv/own/x/../../data/*": "reaches out",
    "/srv/own/*/../../data": "reaches out",
    "/srv/own*": "reaches out",
    "//srv/data": "reaches out",
    "re:own": "is a regular expression",
    "xx:/srv/own/a": "is no style",
    "": "is no text",
    "a\nb": "holds a line end",
    " a": "begins or ends with a blank",
    "${HOME}": "holds",
}


@pytest.mark.parametrize("text", REFUSED)
def test_an_exclude_that_could_reach_further_is_refused(text: str) -> None:
    with pytest.raises(BadPattern, match=REFUSED[text]):
        scope_exclude(text, ["/srv/own"], DEMANDED)


@pytest.mark.parametrize("text", [7, None, ["a"], {"a": "b"}, True])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(BadPattern):
        scope_exclude(text, OWN, DEMANDED)


def test_an_exclude_without_a_source_beside_it_is_refused() -> None:
    with pytest.raises(BadPattern, match="has no source beside it"):
        scope_exclude("*.tmp", [], DEMANDED)


PIECES = st.sampled_from(
    ["/", "..", ".", "srv", "own", "data", "etc", "deep", "demanded", "*", "**", "?", "[a-z]", "[!x]", "x"]
)
PATTERNS = st.builds(
    lambda style, lead, pieces: style + lead + "/".join(pieces),
    st.sampled_from(["", "fm:", "sh:", "pp:", "pf:"]),
    st.sampled_from(["", "/", "/srv/own/", "//"]),
    st.lists(PIECES, min_size=1, max_size=6),
)
PATHS = ["/etc", "/etc/passwd", "/srv/data", "/srv/data/x", "/srv/data/x/deep", "/srv", "/", "/srv/own/deep"]
PATHS += ["/srv/own/deep/demanded", "/srv/own/deep/demanded/x", "/srv/own/deep/demanded/data/own/x"]


@given(PATTERNS)
def test_no_exclude_that_is_taken_matches_what_is_demanded_or_what_is_above_it(text: str) -> None:
    """A directory that matches is left out with all that is in it, so those above count as well."""
    try:
        scoped = scope_exclude(text, ["/srv/own"], DEMANDED)
    except BadPattern:
        return
    assert [(pattern, path) for pattern in scoped for path in PATHS if parse_pattern(pattern)(path)] == []
