# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory in which playbooks can be run with the callback."""

from __future__ import annotations

from pathlib import Path

import pytest
from mail_fixtures import (  # noqa: F401
    certificate,
    closed_port,
    mailbox,
    mute_port,
    other_certificate,
    plain_mailbox,
    tls_mailbox,
)
from report_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.make(tmp_path)
