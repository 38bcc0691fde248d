# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Borg and borgmatic are installed, wherever they came from."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from paranoid_dispatcher.config import Config
from paranoid_dispatcher.host import versions


class At:
    """What is read of a configuration: where Borg is."""

    def __init__(self, borg: Path) -> None:
        self.borg = str(borg)


@pytest.mark.parametrize(
    ("recorded", "program", "borg"),
    [
        (["borgbackup-1.4.5.dist-info"], "echo borg 9.9", "1.4.5"),
        ([], "echo borg 1.4.3", "1.4.3"),
        ([], "echo borg 1.4.3; exit 1", "1.4.3"),
        ([], "echo a warning first; echo borg 1.4.3", ""),
        ([], f"echo borg {'9' * 99}", "9" * 40),
        ([], "printf 'borg \\377'", "\ufffd"),
        ([], "exit 1", ""),
        ([], None, ""),
    ],
)
def test_a_borg_without_a_record_tells_its_version(
    tmp_path: Path, recorded: list[str], program: str | None, borg: str
) -> None:
    for name in [*recorded, "borgmatic-2.1.10.dist-info"]:
        (tmp_path / "lib/python3.11/site-packages" / name).mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    if program:
        (tmp_path / "bin/borg").write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / "bin/borg").chmod(0o755)
    assert versions(cast(Config, At(tmp_path / "bin/borg"))) == {"borg": borg, "borgmatic": "2.1.10"}
