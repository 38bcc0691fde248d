# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter repository_user."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.paranoid.backup.plugins.filter.repository_user import FilterModule

FILTER = FilterModule().filters()["repository_user"]


def test_names_the_user() -> None:
    assert FILTER("web1") == "bk-web1"


@pytest.mark.parametrize(("client", "why"), [("../x", "cannot name a client"), (7, "not int"), (None, "not NoneType")])
def test_refuses_with_one_line(client: object, why: str) -> None:
    with pytest.raises(AnsibleFilterError, match=why):
        FILTER(client)
