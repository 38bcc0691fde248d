# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclude patterns as Borg 1.4 takes them from borgmatic, understood without Borg; and those of what need not be read.

Borg compares a pattern with the path without its first slash (borg/patterns.py), and a directory that matches is left
out with all that is in it. tests/integration/dispatcher/test_patterns.py compares every answer with Borg's own.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Sequence
from typing import Optional

STYLES = ("fm", "sh", "re", "pp", "pf")
_STYLE = re.compile(r"([A-Za-z0-9]{2}|):")
_SHELL = re.compile(
    r"(?P<deep>\*\*/)|(?P<star>\*)|(?P<one>\?)|\[(?P<set>!(?:\][^]]*|[^]]+)|(?!!)(?:\][^]]*|[^]]+))\]|(?P<char>.)",
    re.DOTALL,
)

Match = Callable[[str], bool]


class BadPattern(Exception):
    """Not a pattern that would leave out what it says; the message says why, without the pattern."""


def parse_pattern(text: str) -> Match:
    """Return whether an absolute path matches TEXT, as a function; BadPattern if Borg would read something else."""
    problem = line_problem(text)
    if problem:
        raise BadPattern(problem)
    style, value = split_style(text)
    if not value or value != value.strip():
        raise BadPattern("has nothing, or a blank, after its style")
    if os.path.expanduser(value) != value:
        raise BadPattern("begins with '~': write the directory")
    return _MATCHERS[style](value)


def split_style(text: str) -> tuple[str, str]:
    """Return a pattern's style and the rest; BadPattern for a style that Borg does not know."""
    prefix = _STYLE.match(text)
    if not prefix:
        return "fm", text
    if prefix[1] not in STYLES:
        raise BadPattern(f"begins with {prefix[0]!r}, which is no style: there are {', '.join(STYLES)}, each with ':'")
    return prefix[1], text[prefix.end() :]


def line_problem(text: object) -> str:
    """Say why TEXT cannot stand in borgmatic's file, and then in a line of Borg's patterns; empty if it can."""
    if not isinstance(text, str) or not text:
        return "is no text, or an empty one"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8: name the directory above it"
    if text != text.strip():
        return "begins or ends with a blank, which Borg would drop: name the directory above it"
    if len(text.splitlines()) > 1 or "\0" in text:
        return "holds a line end or a NUL: name the directory above it"
    if "${" in text:
        return "holds '${', which borgmatic replaces: name the directory above it"
    return ""


def _regular_expression(value: str) -> Match:
    if value.startswith("^/"):
        raise BadPattern("begins with '^/' and never matches: Borg's paths have no slash at their beginning")
    compiled = _compile(value)
    return lambda path: compiled.search(path.lstrip("/")) is not None


def _fnmatch(value: str) -> Match:
    end = "/*/" if value.endswith("/") else "/*"
    return _matching(fnmatch.translate(_normal(value, end)))


def _shell(value: str) -> Match:
    end = "/**/*/" if value.endswith("/") else "/**/*"
    return _matching("(?ms)" + "".join(map(_shell_token, _SHELL.finditer(_normal(value, end)))) + r"\Z")


def _prefix(value: str) -> Match:
    start = _normal(value, "/")
    return lambda path: f"{path.lstrip('/')}/".startswith(start)


def _full(value: str) -> Match:
    whole = os.path.normpath(value).lstrip("/")
    return lambda path: path.lstrip("/") == whole


_MATCHERS: dict[str, Callable[[str], Match]] = {
    "fm": _fnmatch,
    "sh": _shell,
    "re": _regular_expression,
    "pp": _prefix,
    "pf": _full,
}


def _normal(value: str, end: str) -> str:
    normal = os.path.normpath(value)
    return ((normal.rstrip("/") if end != "/*" and end != "/**/*" else normal) + end).lstrip("/")


def _matching(regex: str) -> Match:
    compiled = _compile(regex)
    return lambda path: compiled.match(f"{path.lstrip('/')}/") is not None


def _shell_token(token: re.Match[str]) -> str:
    kind = token.lastgroup
    if kind == "set":
        chars = token["set"].replace("\\", "\\\\")
        return f"[^{chars[1:]}]" if chars[0] == "!" else f"[\\{chars}]" if chars[0] == "^" else f"[{chars}]"
    fixed = {"deep": "(?:[^/]*/)*", "star": "[^/]*", "one": "[^/]"}
    return fixed.get(str(kind)) or re.escape(token["char"])


def _compile(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except (re.error, RecursionError, OverflowError) as exc:
        raise BadPattern(f"is no regular expression: {exc}") from exc


def compile_accepted(patterns: Sequence[str]) -> Optional[re.Pattern[str]]:
    """Return what matches a path that one of these shell patterns names, or a directory above it; None without any."""
    forms = [form for pattern in patterns for form in (pattern, f"{pattern.rstrip('/')}/*") if pattern]
    return re.compile("|".join(map(fnmatch.translate, forms))) if forms else None
