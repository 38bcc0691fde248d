# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read YAML for the dispatcher, whose own Python has no parser: run by that of borgmatic, which has one.

Standard input is a JSON object of texts by their names; standard output is one of ``{"content": ...}`` or
``{"problem": "one line"}`` by the same names.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent


def read(text: str) -> dict[str, Any]:
    """Return the content of one text that is JSON in substance, or what is wrong with it."""
    try:
        if any(isinstance(event, AliasEvent) for event in YAML(typ="safe", pure=True).parse(text)):
            return {"problem": "has an alias (*name): write it out"}
        content = YAML(typ="safe", pure=True).load(text)
        json.dumps(content)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        return {"problem": f"is no YAML: {line}{error.problem or error.context}"}
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        return {"problem": f"is no YAML of texts and lists: {error}"}
    return {"content": content}


if __name__ == "__main__":
    json.dump({name: read(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
