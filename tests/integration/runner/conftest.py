# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a runner, a project and a mail server."""

from __future__ import annotations

from pathlib import Path

import pytest
from mail_fixtures import certificate, closed_port, mailbox  # noqa: F401
from mail_server import Mailbox
from report_bench import Bench
from runner_world import RunnerWorld


@pytest.fixture
def world(tmp_path: Path, mailbox: Mailbox) -> RunnerWorld:  # noqa: F811 # the fixture of that name
    made = RunnerWorld(Bench.make(tmp_path), mailbox)
    made.configure()
    return made
