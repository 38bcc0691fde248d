# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is killed while a repository is made: the next `create` finishes it."""

from __future__ import annotations

import pytest
from session_world import OK, World, came_to
from waiting import wait_until


@pytest.mark.parametrize("seen", ["README", "config", "data/0/1"])
def test_create_after_a_create_that_was_killed(bare: World, seen: str) -> None:
    first = bare.start_session("create")
    assert wait_until((bare.repository / seen).exists, 60)
    first.kill()
    first.communicate()
    assert wait_until(lambda: not bare.server_processes(), 15), bare.server_processes()
    assert wait_until(lambda: not bare.client_processes(), 30), bare.client_processes()
    assert any(bare.repository.iterdir()), "nothing was begun"
    outcome = bare.session("create")
    made_already = "already exists" in " ".join(outcome.log_tail)
    assert came_to(outcome) == OK or made_already, outcome.log_tail
    assert made_already is False or (bare.repository / "data/0/1").exists()


def test_what_is_in_the_way_is_named(bare: World) -> None:
    (bare.repository / "lost+found").mkdir()
    outcome = bare.session("create")
    assert outcome.conclusion.code == "server_error"
    assert "no repository can be made beside 'lost+found': move it out of" in outcome.conclusion.reason
    (bare.repository / "lost+found").rmdir()
    assert came_to(bare.session("create")) == OK
