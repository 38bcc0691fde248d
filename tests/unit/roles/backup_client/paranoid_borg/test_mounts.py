# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the mounts of a host a user serves."""

from __future__ import annotations

import os
from pathlib import Path

from paranoid_borg.mounts import Mounts, parse

ROOT_DISK = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
USERS = (
    b"90 22 0:51 / /home/a\\040b\\134c\\012 rw,nosuid shared:7 master:2 "
    b"- fuse.sshfs h:/ rw,user_id=1000,group_id=1000\n"
)
ROOTS = b"91 22 0:52 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw,user_id=0,group_id=0,allow_other\n"
DISK = b"92 22 8:17 / /mnt/stick rw - fuseblk /dev/sdb1 rw,user_id=1001,group_id=1001,blksize=4096\n"
LIAR = b"93 22 0:53 / /proc-user_id=5 rw - tmpfs user_id=1000 rw,size=1k\n"


def test_only_fuse_mounts_of_users_count() -> None:
    served = parse(ROOT_DISK + USERS + ROOTS + DISK + LIAR)
    assert served.points == {"/home/a b\\c\n": 1000, "/mnt/stick": 1001}
    assert served.devices == {os.makedev(0, 51): 1000, os.makedev(8, 17): 1001}


def test_this_host_and_one_without_proc() -> None:
    assert all(user for user in Mounts().refresh().points.values())
    assert Mounts("/none").refresh() == parse(b"")


def test_a_table_of_many_pages_is_read_whole(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    lines = [
        USERS.replace(b"0:51", b"0:%d" % number).replace(b"/home/", b"/home/%d" % number) for number in range(2000)
    ]
    table.write_bytes(b"".join(lines))
    assert len(Mounts(str(table)).refresh().points) == 2000
