# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_borg installs works, and is what was asked for and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

Lab = Callable[[str], Host]


@pytest.mark.parametrize("name", ["mail", "new1"])
def test_borg_keeps_a_file(lab: Lab, name: str) -> None:
    host = lab(name)
    assert host.check_output("/opt/borg/bin/borg --version") == "borg 1.4.5"
    host.check_output("rm -rf /tmp/repo && /opt/borg/bin/borg init -e none /tmp/repo")
    host.check_output("/opt/borg/bin/borg create /tmp/repo::one /etc/hostname")
    assert host.check_output("/opt/borg/bin/borg extract --stdout /tmp/repo::one") == name
    host.check_output("rm -rf /tmp/repo")


def test_borgmatic_is_where_it_was_asked_for(lab: Lab) -> None:
    assert lab("new1").check_output("/opt/borg/bin/borgmatic --version") == "2.1.10"
    assert not lab("mail").file("/opt/borg/bin/borgmatic").exists


def test_only_root_can_change_it(lab: Lab) -> None:
    borg = lab("new1").file("/opt/borg/bin/borg")
    assert (borg.user, borg.mode & 0o022) == ("root", 0)
