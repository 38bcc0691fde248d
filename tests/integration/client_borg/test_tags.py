# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags that leave directories out: those of an unprivileged user, those of root, and where root allowed anybody's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_borg import USER, ClientBorg, Made, temporary_host
from paranoid_borg.main import TAGGED_PATHS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be another user")

SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
# What the user does. $d is a directory of its own, roots one that root alone writes, all one that anybody writes.
USERS = {
    "a file": "touch $d/.nobackup",
    "a directory": "mkdir $d/.nobackup",
    "in the source itself": "touch .nobackup",
    "a cache": f"echo '{SIGNATURE}' > $d/CACHEDIR.TAG",
    "a link to a file of root's": "ln -s /etc/passwd $d/.nobackup",
    "a link to a tag of root's": "ln -s ../roots/.nobackup $d/.nobackup",
    "a cache that is a link to one of root's": "ln -s ../cache/CACHEDIR.TAG $d/CACHEDIR.TAG",
    "a file of root's that is there, renamed": "mv $d/of-root $d/.nobackup",
    "a file where anybody may write": "touch all/.nobackup",
    "a pipe where a file tells of a cache": "mkfifo $d/CACHEDIR.TAG",
    "a file where root lets the group write": "touch group/.nobackup",
    "a signature in a file of root's that anybody may write": f"echo '{SIGNATURE}' > open/CACHEDIR.TAG",
    "a link where anybody's tags count": "ln -s /etc/passwd allowed/link/.nobackup",
    "a name that begins like one where anybody's tags count": "mkdir allowed-too; touch allowed-too/.nobackup",
}
# Directories whose whole content stays out, and the tag that does it.
LEFT_OUT = {
    "roots": ".nobackup",
    "cache": "CACHEDIR.TAG",
    "directory": ".nobackup",
    "allowed/file": ".nobackup",
    "allowed/cache": "CACHEDIR.TAG",
}
KEPT = ("all", "group", "open", "unsigned", "allowed/link", "elsewhere")


@pytest.fixture(scope="module")
def host() -> Iterator[ClientBorg]:
    with temporary_host() as host:
        yield host


@pytest.fixture(scope="module")
def saved(host: ClientBorg) -> Made:
    """Everything in one archive."""
    root_makes(host.home)
    host.as_user("\n".join(f"d=mine-{number}; {script}" for number, script in enumerate(USERS.values())))
    host.as_user("touch allowed-too/precious; touch allowed/file/.nobackup; cp cache/CACHEDIR.TAG allowed/cache")
    # Where the kernel does not protect hard links, as it does by default, the user can make these.
    for name in ("mine-link", "all-link"):
        os.link(host.home / "root-file", host.home / name / ".nobackup")
    tags = ("--exclude-if-present", ".nobackup", "--exclude-if-present", "../roots/.nobackup", "--exclude-caches")
    return host.create(*tags, environment={TAGGED_PATHS: json.dumps([f"{host.home}/allowed"])})


def root_makes(home: Path) -> None:
    """Make what root has there."""
    owned = [
        *(f"mine-{number}" for number in range(len(USERS))),
        "mine-link",
        *KEPT[4:5],
        "allowed/file",
        "allowed/cache",
    ]
    for name in (*LEFT_OUT, *KEPT, *owned, "all-link"):
        (home / name).mkdir(parents=True, exist_ok=True)
        (home / name / "precious").write_text("data")
        (home / name / "of-root").write_text("")
    for name in owned:
        os.chown(home / name, USER, USER)
    os.chown(home / "group", 0, USER)
    (home / "group").chmod(0o775)
    for name in ("all", "all-link"):
        (home / name).chmod(0o1777)
    (home / "root-file").write_text("")
    (home / "roots/.nobackup").write_text("")
    (home / "cache/CACHEDIR.TAG").write_text(SIGNATURE)
    (home / "unsigned/CACHEDIR.TAG").write_text("Signature: another")
    (home / "open/CACHEDIR.TAG").write_text("")
    (home / "open/CACHEDIR.TAG").chmod(0o666)
    (home / "directory/.nobackup").mkdir()


@pytest.mark.parametrize("number", range(len(USERS)), ids=list(USERS))
def test_no_tag_of_a_user_leaves_anything_out(saved: Made, number: int) -> None:
    assert f"mine-{number}/precious" in saved.names


@pytest.mark.parametrize("name", [*KEPT, "allowed-too", "mine-link", "all-link"])
def test_nor_does_one_where_others_may_write_or_that_is_none(saved: Made, name: str) -> None:
    assert f"{name}/precious" in saved.names


def test_tags_of_root_leave_out_and_so_do_anybodys_where_root_allowed_it(host: ClientBorg, saved: Made) -> None:
    assert [name for name in saved.names for tagged in LEFT_OUT if name.startswith(f"{tagged}/")] == []
    told = [f"{host.home}/{path}: left out, because of {tag}" for path, tag in LEFT_OUT.items()]
    assert sorted(saved.told("ExcludedByTag")) == sorted(told) and saved.returncode == 0
