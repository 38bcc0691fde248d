# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check sources and excludes on a client before anything is changed there, with the dispatcher's own modules.

Standard input is JSON: ``modules`` (name and text, in the order of their imports), ``sources``, ``mounts``,
``excludes``, ``tell`` (those excludes of which it is told when they match nothing), and ``seconds`` that looking for
that may take; 0: it is not looked for. Standard output is JSON: lines about what is ``refused`` and what is ``absent``,
and the excludes that are ``unmatched``; ``whole``: whether everything was looked at for these.
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from collections.abc import Iterable, Iterator
from typing import Any

PACKAGE = "paranoid_dispatcher"


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    load(request["modules"])
    from paranoid_dispatcher.sources import plan_sources

    excludes = request["excludes"]
    found = plan_sources(request["sources"], request["mounts"], excludes, accepted=request["accepted"])
    answer = {"refused": found.refused, "absent": found.absent, "unmatched": [], "whole": True}
    if request["seconds"] and request["tell"] and not found.refused:
        until = time.monotonic() + request["seconds"]
        answer["unmatched"], answer["whole"] = find_unmatched(found.roots, excludes, request["tell"], until)
    json.dump(answer, sys.stdout)


def load(modules: dict[str, str]) -> None:
    """Make modules of their texts, as if the dispatcher were installed."""
    for name, text in {"": "", **modules}.items():
        full = f"{PACKAGE}.{name}" if name else PACKAGE
        module = sys.modules[full] = types.ModuleType(full)
        module.__path__ = []
        exec(compile(text, full, "exec"), module.__dict__)


def find_unmatched(
    roots: Iterable[str], excludes: Iterable[str], tell: Iterable[str], until: float
) -> tuple[list[str], bool]:
    """Return which of TELL match nothing below ROOTS but what is left out already, and whether all was looked at."""
    from paranoid_dispatcher.patterns import parse_pattern

    matches = {text: parse_pattern(text) for text in excludes}
    left = dict.fromkeys(tell)
    pending = list(roots)
    while pending and left:
        if time.monotonic() > until:
            return list(left), False
        path = pending.pop()
        by = [text for text, match in matches.items() if match(path)]
        for text in by:
            left.pop(text, None)
        pending += [] if by else names(path)
    return list(left), True


def names(path: str) -> Iterator[str]:
    """Return what is in a directory, nothing for all that is none or cannot be read."""
    try:
        with os.scandir(path) as entries:
            listed: list[Any] = [entry.name for entry in entries] if not os.path.islink(path) else []
    except OSError:
        return
    for name in listed:
        yield os.path.join(path, name)


if __name__ == "__main__":
    main()
