# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a configuration is the one that site.yml wrote."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from paranoid_dispatcher.looks import find_edit

WRITTEN = b'{"source_directories": ["/etc"]}'
SUM = hashlib.sha256(WRITTEN).hexdigest()


@pytest.mark.parametrize(
    ("beside", "is_told"),
    [
        (None, False),  # of an older release
        (f"{SUM}  /etc/paranoid-backup/borgmatic.yaml\n", False),
        (SUM, False),
        (f"{'0' * 64}  /etc/paranoid-backup/borgmatic.yaml\n", True),
        ("", True),
        ("\xe4", True),
    ],
)
def test_an_edited_configuration_is_told(tmp_path: Path, beside: str | None, is_told: bool) -> None:
    path = tmp_path / "borgmatic.yaml"
    path.write_bytes(WRITTEN)
    if beside is not None:
        (tmp_path / "borgmatic.yaml.sha256").write_text(beside, encoding="utf-8")
    found = find_edit(path)
    assert bool(found) is is_told and all("run site.yml" in line for line in found)
