# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd would really do with the server's login, against what it should: each difference with its file and line.

`sshd -T -C user=…` prints what is in force for one connection (sshd(8)); the drop-in holds what is wanted. A Match
block of the drop-in sets nearly everything for its login, whatever is set outside of such blocks; only an earlier one
that applies, or a denial by name, stands above it. Pure: the caller has asked sshd and read the files.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_config import (
    Setting,
    parse_line,
    patterns,
)

# Whatever these say, a session works and the login can do nothing more.
_HARMLESS = {"allowgroups", "allowusers", "banner", "maxauthtries", "match", "streamlocalbindunlink"}
_CHANNELS = ("session:command", "session:shell", "forwarded-streamlocal@openssh.com", "forwarded-tcpip", "global")
_LOGIN_SECONDS = 5  # a login takes one, on a busy host more


@dataclass(frozen=True)
class Login:
    """The server's login on this host; ``groups`` are its own, ``address`` is where the server comes from."""

    name: str
    groups: tuple[str, ...]
    address: str
    drop_in: str


def effective_settings(printed: str) -> dict[str, list[str]]:
    """Return what `sshd -T` printed: the values of each keyword, several where it has several lines."""
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        keyword, _sep, value = line.strip().partition(" ")
        if keyword:
            found.setdefault(keyword, []).append(value)
    return found


def wanted_settings(drop_in: str) -> dict[str, str]:
    """Return what the drop-in sets."""
    lines = (parse_line(line) for line in drop_in.splitlines())
    return {line[0]: line[1] for line in lines if line is not None}


def obstacles(
    login: Login, wanted: dict[str, str], effective: dict[str, list[str]], written: Sequence[Setting]
) -> list[str]:
    """Return one line for each thing that keeps the server out or its session from lasting; none is fine.

    Without ``wanted`` this is the look before the drop-in is there, which is going to allow what nobody denies.
    """
    absent = unread(login, written)
    if absent:
        return [absent]
    differing = [
        _earlier(login, keyword, value, effective[keyword], written)
        for keyword, value in wanted.items()
        if keyword not in _HARMLESS and keyword in effective and not _agree(value, effective[keyword])
    ]
    return differing + _denials(login, bool(wanted), effective, written) + _global(effective, written)


def _agree(wanted: str, values: Sequence[str]) -> bool:
    return " ".join(values).lower().split() == wanted.lower().split()


def unread(login: Login, written: Sequence[Setting]) -> str:
    """Return why sshd does not read the drop-in where it has to, empty if it does."""
    main = written[0].path if written else "/etc/ssh/sshd_config"
    folder = os.path.dirname(login.drop_in)
    naming = [one for one in written if one.keyword == "include" and _names(one, main, login.drop_in)]
    if not naming:
        line = f"Include {folder}/*.conf"
        return f"{main} does not include {folder}/*.conf at its top: add that line there ({line})"
    if naming[0].match:
        return f"{naming[0].place} holds for some logins only: move that line to the top of {naming[0].path}"
    return ""


def _names(include: Setting, main: str, path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns(include.value, os.path.dirname(main)))


def _earlier(login: Login, keyword: str, value: str, values: Sequence[str], written: Sequence[Setting]) -> str:
    """Name the Match block that stands before the drop-in and sets something else."""
    said = " ".join(values)
    before = _before(login, written)
    named = [one for one in before if one.keyword == keyword and one.match]
    same = [one for one in named if _agree(one.value, values)] or named
    if not same:
        return (
            f"sshd has '{keyword} {said}' for {login.name} instead of '{keyword} {value}', and no file says so: "
            "look for -o in the options that sshd is started with"
        )
    return (
        f"{same[0].place} comes before {login.drop_in} and wins, {login.name} needs '{keyword} {value}': "
        f"leave it out of that Match (User …,!{login.name}), or move the block behind the drop-ins"
    )


def _before(login: Login, written: Sequence[Setting]) -> list[Setting]:
    places = [number for number, one in enumerate(written) if one.path == login.drop_in]
    return list(written[: places[0]] if places else written)


def _denials(login: Login, is_in_place: bool, effective: dict[str, list[str]], written: Sequence[Setting]) -> list[str]:
    """Apply sshd's lists of who may come in (sshd_config(5), AllowUsers); the drop-in, once in place, allows it."""
    found = []
    denied = [value for value in _listed(effective, "denyusers") if _user_matches(login, value)]
    found += [_denial("denyusers", value, login, written) for value in denied]
    found += [
        _denial("denygroups", value, login, written)
        for value in _listed(effective, "denygroups")
        if any(matches(value, group) for group in login.groups)
    ]
    for keyword, admitted in (
        ("allowusers", any(_user_matches(login, value) for value in _listed(effective, "allowusers"))),
        ("allowgroups", _any_group(login, _listed(effective, "allowgroups"))),
    ):
        if is_in_place and effective.get(keyword) and not admitted:
            found.append(_not_allowed(keyword, login, effective, written))
    return found


def _listed(effective: dict[str, list[str]], keyword: str) -> list[str]:
    return [word for value in effective.get(keyword, []) for word in value.split()]


def _any_group(login: Login, patterns: Sequence[str]) -> bool:
    """Tell whether one of the login's groups is in the list, as match_pattern_list does: a negated match excludes."""
    plain = [pattern for pattern in patterns if not pattern.startswith("!")]
    return any(matches(pattern, group) for pattern in plain for group in login.groups)


def _user_matches(login: Login, pattern: str) -> bool:
    """Tell whether USER or USER@HOST of AllowUsers or DenyUsers is the login; of a host any may be meant."""
    user, _sep, host = pattern.partition("@")
    here = not host or host == login.address or "/" in host or matches(host, login.address)
    return here and matches(user, login.name)


def matches(pattern: str, text: str) -> bool:
    """Match as sshd does (ssh_config(5), PATTERNS): ``*`` and ``?`` only, the rest is literal."""
    if pattern.startswith("!"):
        return False
    escaped = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(escaped, text, re.DOTALL) is not None


def _denial(keyword: str, value: str, login: Login, written: Sequence[Setting]) -> str:
    place = _listing(keyword, value, written)
    return f"{place} denies {login.name}: take it out of that list"


def _not_allowed(keyword: str, login: Login, effective: dict[str, list[str]], written: Sequence[Setting]) -> str:
    values = _listed(effective, keyword)
    what = login.name if keyword == "allowusers" else (login.groups or (login.name,))[0]
    return f"{_listing(keyword, values[0], written)} leaves {login.name} out: add {what} to that list"


def _listing(keyword: str, value: str, written: Sequence[Setting]) -> str:
    named: Optional[Setting] = next(
        (one for one in written if one.keyword == keyword and value in one.value.split()), None
    )
    return named.place if named else f"sshd's {keyword} {value}"


def _global(effective: dict[str, list[str]], written: Sequence[Setting]) -> list[str]:
    """Name what no Match block can set and no session bears."""
    found = []
    seconds = "".join(effective.get("logingracetime", ["120"]))
    if seconds.isdigit() and 0 < int(seconds) < _LOGIN_SECONDS:
        found.append(f"{_outside('logingracetime', written)}: a login takes longer, give it {_LOGIN_SECONDS} s or more")
    if effective.get("persourcemaxstartups") == ["0"]:
        found.append(f"{_outside('persourcemaxstartups', written)}: nobody can log in, give it at least 1")
    # sshd of OpenSSH 9.2 takes only those outside of Match blocks, whatever it prints (seen there).
    found += [
        f"{one.place} ends a session that is quiet for so long: take {' and '.join(_CHANNELS)} out of it"
        for one in written
        if one.keyword == "channeltimeout" and not one.match and any(map(_ends_quiet, one.value.split()))
    ]
    return found


def _ends_quiet(timeout: str) -> bool:
    """Tell whether TYPE=INTERVAL is for a channel that a session has; an interval of nothing but zeros is none."""
    kind, _sep, interval = timeout.partition("=")
    return any(matches(kind, channel) for channel in _CHANNELS) and re.search("[1-9]", interval) is not None


def _outside(keyword: str, written: Sequence[Setting]) -> str:
    return next((one.place for one in written if one.keyword == keyword), f"sshd's {keyword}")
