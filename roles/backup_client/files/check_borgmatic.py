# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a configuration with borgmatic's own schema, and say where it is wrong without a value: it may be a secret.

borgmatic's own words quote the value (borgmatic/config/validate.py, format_json_error). The role hands this file to the
client's Python as an argument, where file_tree replaces its sign for the file: that sign must not occur here.
"""

from __future__ import annotations

import sys
from typing import Any

from borgmatic.config import validate

# What jsonschema calls the rule that is broken, in words; the schema's own part of it is no secret.
_RULES = {
    "enum": "must be one of {}",
    "type": "must be of the type {}",
    "minItems": "must have at least {} entries",
    "pattern": "must match {}",
}


def explain(error: Any) -> str:
    """Return one line: the place in the configuration, and the rule that it breaks."""
    place = "".join(validate.format_json_error_path_element(part) for part in error.absolute_path).lstrip(".")
    return f"{place or 'borgmatic.yaml'} {_broken_rule(error)}"


def _broken_rule(error: Any) -> str:
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", ())))
        return f"has no option {' or '.join(unknown)}"
    if error.validator == "required":
        return f"must have {' and '.join(name for name in error.validator_value if name not in error.instance)}"
    if error.validator in _RULES:
        allowed = error.validator_value
        return _RULES[error.validator].format(", ".join(map(str, allowed)) if isinstance(allowed, list) else allowed)
    return "is of no form that borgmatic knows there"


def complaints(path: str) -> list[str]:
    """Return what is wrong with the file, none twice; nothing if borgmatic takes it."""
    found: list[str] = []

    def note(error: Any) -> str:
        found.append(explain(error))
        return ""

    validate.format_json_error = note
    try:
        validate.parse_configuration(path, validate.schema_filename(), {}, resolve_env=True)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        found = found or [f"borgmatic cannot read borgmatic.yaml ({type(error).__name__})"]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    wrong = complaints(sys.argv[1])
    print("; ".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)
