# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that hold a role's variables against what is wanted of them: their types, their shapes, their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.validation import check_type_bool, check_type_int, check_type_str
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig, ServerConfig

Options = Mapping[str, Mapping[str, Any]]

_READERS: dict[str, type] = {"client": ClientConfig, "server": ServerConfig}
_CONVERT: dict[str, Callable[[Any], Any]] = {"bool": check_type_bool, "int": check_type_int, "str": check_type_str}
_SHAPES: dict[str, tuple[type, str]] = {"dict": (Mapping, "a dictionary"), "list": (list, "a list")}


def _as_read(values: Mapping[str, Any], reader: str) -> dict[str, Any]:
    """Return VALUES with the types that the engine reads: READER is ``server`` or ``client``, for its configuration.

    AnsibleFilterError names the value that cannot be converted, and does not quote it: it may be a secret.
    """
    kinds = {field.name: str(field.type) for field in fields(_READERS[reader])}
    return {name: _converted(name, value, kinds.get(name, "")) for name, value in values.items()}


def _converted(name: str, value: Any, kind: str) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: int(text) if re.fullmatch(r"-?[0-9]+", str(text)) else text for key, text in value.items()}
    convert = _CONVERT.get(kind.partition(" ")[0])
    try:
        return convert(value) if convert else value
    except (TypeError, ValueError):
        raise AnsibleFilterError(f"{name} must be of the type {kind}") from None


def _misshapen(values: Mapping[str, Any], options: Options) -> list[str]:
    """Return a sentence for each of VALUES that is no list or dictionary though OPTIONS want one.

    A variable that is not specified adds to the one whose name it begins with.
    """
    found = []
    for name, value in sorted(values.items()):
        shape = _SHAPES.get(_option(name, options).get("type", ""))
        if shape and not isinstance(value, shape[0]):
            found.append(f"{name} must be {shape[1]}")
    return found


def _option(name: str, options: Options) -> Mapping[str, Any]:
    if name in options:
        return options[name]
    longest = max((known for known in options if name.startswith(f"{known}_")), key=len, default="")
    return options.get(longest, {})


def _similar(unknown: Iterable[str], known: Iterable[str], prefix: str) -> list[str]:
    """Return a sentence for each UNKNOWN name that is close to a KNOWN one; PREFIX, which all have, does not count."""
    rest = {name.removeprefix(prefix): name for name in known}
    near = {name: difflib.get_close_matches(name.removeprefix(prefix), rest, 1) for name in unknown}
    return [f"{name} may be meant to be {rest[found[0]]}" for name, found in near.items() if found]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"as_read": _as_read, "misshapen": _misshapen, "similar": _similar}
