# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command works as people type it."""

from __future__ import annotations

from collections.abc import Callable

from testinfra.host import Host

Lab = Callable[[str], Host]


def test_the_command_makes_shares_and_a_recipient(lab: Lab) -> None:
    host = lab("mail")
    host.run("rm -rf /root/pages")
    made = host.run("paranoid-backup escrow shares --threshold 2 --holders ana,bo --out /root/pages")
    assert made.rc == 0 and made.stdout.startswith("age1"), made.stderr
    assert host.file("/root/pages/ana.txt").mode == 0o600
    assert host.run("rm -rf /root/pages").rc == 0


def test_what_is_wrong_is_one_line(lab: Lab) -> None:
    host = lab("mail")
    told = host.run("paranoid-backup escrow shares --threshold 3 --holders ana,bo --out /root/pages")
    assert told.rc == 2 and told.stderr.count("\n") == 1 and "from 2 to 2" in told.stderr
