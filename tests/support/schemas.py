# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON schemas that the runner ships, and documents that keep to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
from tool import ROOT

SCHEMAS = ROOT / "roles/backup_runner/files/lib/paranoid_runner/schemas"


def check_document(name: str, document: Mapping[str, Any]) -> None:
    """Raise ValidationError unless a document is exactly what its schema says."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(_strict(schema), format_checker=jsonschema.FormatChecker())
    validator.validate(document)


def _strict(schema: Any) -> Any:
    """Here a property that the schema does not name is an error; its readers let later ones pass."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if isinstance(schema, dict):
        more = {"additionalProperties": False} if "properties" in schema else {}
        return {**{key: _strict(value) for key, value in schema.items()}, **more}
    return schema
