# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a session that was cut off: what cannot be read says a cure that works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_client, load_server
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import read_intent
from tool import ROOT

CONFIG = str(ROOT / "tests/fixtures/formats/0.1.0/server")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": 99}', '{"schema": 1}'])
def test_an_unreadable_note_is_removed_before_the_audit(tmp_path: Path, content: str) -> None:
    """An audit reads the note, too, so it cannot come first."""
    site = Site(replace(load_server(CONFIG), state_dir=str(tmp_path)), load_client(CONFIG, "web1"))
    (tmp_path / "web1").mkdir()
    (tmp_path / "web1/underway.json").write_text(content)
    with pytest.raises(SessionError) as caught:
        read_intent(site)
    assert caught.value.code == "server_error" and caught.value.reason.endswith("; remove it, then audit")
