# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of people's own beside ansible.cfg: who owns which hosts, and where notices go besides mail."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import yaml

MOST = 20  # places that get a notice
_LARGEST = 1024 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_KEYS = {"name", "webhook", "secret", "apprise", "when", "ca_file"}


class TargetError(ValueError):
    """A file cannot be meant; the message is one line without anything secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place that gets a notice: of each run, or with ``failures_only`` of those that somebody must look at.

    ``kind`` is webhook or apprise. The URL is a secret: it opens the place to whoever has it.
    """

    name: str
    kind: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    failures_only: bool = False
    ca_file: str = ""


Owners = Mapping[str, tuple[Address, ...]]


def load_owners(path: str, read_address: Callable[[str], Address]) -> Owners:
    """Return the addresses of each group or host of a file; raises TargetError, and what ``read_address`` raises."""
    found = _load(path, 0o002)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise TargetError(f"{path} is not a mapping of groups and hosts to addresses")
    return {name: tuple(map(read_address, _list_addresses(path, name, told))) for name, told in found.items()}


def load_targets(path: str) -> tuple[Target, ...]:
    """Return the places of a file that nobody else can read; raises TargetError."""
    found = _load(path, 0o077)
    if not isinstance(found, list) or len(found) > MOST or not all(isinstance(one, dict) for one in found):
        raise TargetError(f"{path} is not a list of at most {MOST} mappings")
    targets = tuple(_read_target(f"{path}, entry {place}", one) for place, one in enumerate(found, 1))
    if len({one.name for one in targets}) < len(targets):
        raise TargetError(f"{path} has a name twice")
    return targets


def _list_addresses(path: str, name: str, told: Any) -> list[str]:
    entries = [told] if isinstance(told, str) else told
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, str) for entry in entries):
        raise TargetError(f"{path}: {name!a} has neither an address nor a list of some")
    return [entry.strip() for entry in entries]


def _load(path: str, forbidden: int) -> Any:
    """Return what a YAML file holds, whose mode has none of the ``forbidden`` bits."""
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & forbidden:
                raise TargetError(f"others may read or change {path}: chmod {mode & ~forbidden:04o} takes that away")
            return yaml.safe_load(file.read(_LARGEST))
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise TargetError(f"{path} is not YAML") from None  # Its own words would show what stands there.


def _read_target(where: str, one: Mapping[str, Any]) -> Target:
    kinds = [kind for kind in ("webhook", "apprise") if kind in one]
    texts = all(isinstance(value, str) and value.isprintable() for value in one.values())
    if set(one) - _KEYS or len(kinds) != 1 or not one.get("name") or not texts:
        raise TargetError(
            f"{where} needs name, and webhook or apprise; it may have when, and a webhook secret and ca_file"
        )
    if one.get("when", "always") not in ("always", "failure"):
        raise TargetError(f"{where}: when is always or failure")
    target = Target(
        name=one["name"][:60],
        kind=kinds[0],
        url=one[kinds[0]],
        secret=one.get("secret", ""),
        failures_only=one.get("when") == "failure",
        ca_file=one.get("ca_file", ""),
    )
    _check(where, target)
    return target


def _check(where: str, target: Target) -> None:
    if target.kind == "apprise":
        if find_spec("apprise") is None:
            raise TargetError(
                f"{where} needs the Python library apprise where ansible-playbook runs: pip install apprise"
            )
        return
    try:
        parts = urlsplit(target.url)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        is_meant = bool(parts.hostname) and is_safe and not parts.username and parts.port != 0
    except ValueError:
        is_meant = False
    if not is_meant:
        raise TargetError(f"{where}: webhook is a URL with https, without a user; with http only on this machine")
