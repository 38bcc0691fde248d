# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as recent: a time that is yet to come is of a wrong clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import is_recent

NOW, DAY, SECOND = datetime(2026, 11, 26, tzinfo=UTC), timedelta(days=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ago", "recent"),
    [
        (timedelta(0), True),
        (90 * DAY, True),
        (90 * DAY + SECOND, False),
        (-DAY, True),
        (-DAY - SECOND, False),
        (-3650 * DAY, False),
    ],
)
def test_a_time_that_is_yet_to_come_proves_nothing(ago: timedelta, recent: bool) -> None:
    assert is_recent(NOW - ago, NOW, 90 * DAY) is recent
