# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a folder, for every test of the dispatcher as a process."""

from __future__ import annotations

import pytest
from dispatched import Client


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A client in a folder with a short name: the path of a socket has at most 107 characters (unix(7))."""
    return Client(tmp_path_factory.mktemp("c"))
