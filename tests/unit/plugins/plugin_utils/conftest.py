# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs to lay out, and a client that sends everything that could do harm."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    Run,
    State,
)
from report_samples import HOSTILE, session


@pytest.fixture
def run() -> Run:
    """Two clients backed up in 2 min 10 s."""
    clients = (Client("web01", State.OK, session()), Client("db01", State.OK, session(duration=12)))
    mail = Mail(MailState.PENDING, ("ops@example.org",))
    return Run(
        "20261121T063000Z-1a2b3c4d", "backup", "ctl", "root", "backup.yml", False,
        "2026-11-21T06:30:00Z", "2026-11-21T06:32:10Z", mail, clients,
    )  # fmt: skip


@pytest.fixture
def bad_run(run: Run) -> Run:
    """One client of every kind; db02 is hostile in every text."""
    texts = {"reason": HOSTILE, "log": HOSTILE, "log_tail": [HOSTILE] * 30, "gate": {"refused": [HOSTILE]}}
    alarm = {"verdict": "alarm", "findings": ["12 objects are gone", HOSTILE]}
    return replace(
        run,
        clients=(
            *run.clients,
            Client("db02", State.FAILED, session(**texts, code="client_failed", archive={"name": HOSTILE})),
            Client("app01", State.UNREACHABLE, session(code="unreachable", reason="no answer", archive=None)),
            Client("mail01", State.FAILED, session(audit=alarm, reason="the audit raised an alarm")),
            Client("spare", State.SKIPPED, session(reason="switched off", archive=None, duration=None)),
            Client("a-very-long-name-of-a-client-in-a-cluster.dmz.example.org", State.PLANNED),
            Client("stuck", State.RUNNING),
        ),
        problems=("localhost: " + "a long sentence, " * 20 + "ended",),
    )
