# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail servers, and a record of what goes to the disk, for every test that asks for one."""

from __future__ import annotations

from disk_order import disk_order  # noqa: F401
from mail_fixtures import (  # noqa: F401
    certificate,
    closed_port,
    mailbox,
    mute_port,
    other_certificate,
    plain_mailbox,
    tls_mailbox,
)
