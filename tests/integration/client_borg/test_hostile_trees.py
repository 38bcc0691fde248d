# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that an unprivileged user makes to stop, to hang or to end the backup of the whole host: the rest is saved."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from client_borg import USER, ClientBorg, Made, temporary_host
from fuse import DEVICE, mounting

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be another user")

PYTHON = "/usr/bin/python3"  # the tests' own may be where only root comes
DEEP = 2_100
TREES = f"""
import os
directory = os.open(".", os.O_RDONLY)
for _ in range({DEEP}):
    os.mkdir("d", dir_fd=directory)
    below = os.open("d", os.O_RDONLY, dir_fd=directory)
    os.close(directory)
    directory = below
os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=directory))
"""
LEASE = """
import fcntl, signal, sys
file = open(sys.argv[1], "w")
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""
USERS = ("served for the user alone", "served\\and never\nanswered", "a served file")
SPARSE = 6 * 2**40
ORDINARY = ("a file", "z file", "new\nline", "big")


@pytest.fixture(scope="module")
def host() -> Iterator[ClientBorg]:
    with temporary_host() as host:
        yield host


@pytest.fixture(scope="module")
def saved(host: ClientBorg) -> Iterator[Made]:
    """All of it at once, in one archive; what hangs fails here."""
    for name in ORDINARY:
        (host.home / name).write_text("data")
    (host.home / "big").write_bytes(os.urandom(2**20) * 5)
    with contextlib.suppress(OSError):
        os.setxattr(host.home / "big", "user.large", bytes(200))
    for name in USERS[:2]:
        (host.home / name).mkdir()
    (host.home / USERS[2]).touch()
    host.as_user(shlex.join([PYTHON, "-Ic", f"import os; os.mkdir('deep'); os.chdir('deep'){TREES}"]))
    host.as_user(f"touch leased; truncate -s {SPARSE} sparse; truncate -s 1T holes; printf x >> holes")
    with ExitStack() as stack:
        if DEVICE.exists():
            stack.enter_context(mounting(host.home / USERS[0], USER))
            stack.enter_context(mounting(host.home / USERS[1], USER, "allow_other"))
            stack.enter_context(mounting(host.home / USERS[2], USER, "allow_other"))
        stack.enter_context(lease(host, "leased"))
        yield host.create(twist="from paranoid_borg import attributes; attributes.BYTES_MAX = 100")


def lease(host: ClientBorg, name: str) -> subprocess.Popen[str]:
    """Start a process of the user that holds a lease on one of its files: whoever opens it has to wait (fcntl(2))."""
    holder = subprocess.Popen(
        [PYTHON, "-Ic", LEASE, str(host.home / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=USER,
        group=USER,
        extra_groups=[],
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    return holder


def about(made: Made, name: str) -> list[str]:
    """Return the warnings that begin with a path in the user's directory."""
    return [line["message"] for line in made.log if f"/home/{name}: " in line.get("message", "")]


def test_everything_else_is_saved_and_every_one_is_named(saved: Made) -> None:
    assert set(ORDINARY) <= saved.names
    assert 100 <= saved.returncode < 128 or saved.returncode == 1, saved.log[-3:]


def test_a_tree_is_followed_as_far_as_it_can_be_restored(host: ClientBorg, saved: Made) -> None:
    deepest = max(len(name) for name in saved.names if name.startswith("deep/"))
    below = len(str(host.home)) + 1
    assert 4095 - 2 < deepest + below <= 4095
    (told,) = [line for line in saved.told("BackupOSError") if "/deep/" in line]
    assert told.endswith("its path is too long to be restored")


@pytest.mark.skipif(not DEVICE.exists(), reason="NOT TESTED: the kernel has no FUSE")
@pytest.mark.parametrize("name", USERS)
def test_file_systems_of_users_are_not_entered(saved: Made, name: str) -> None:
    assert name not in saved.names
    (told,) = about(saved, name)
    assert told.endswith(f"a file system of user {USER} is not entered")


def test_a_file_that_somebody_holds_is_not_waited_for(saved: Made) -> None:
    assert "leased" not in saved.names
    assert "Resource temporarily unavailable" in " ".join(about(saved, "leased"))


def test_holes_are_not_read_and_too_many_are_refused(host: ClientBorg, saved: Made) -> None:
    assert "sparse" not in saved.names and f"the files of user {USER} have too many holes" in about(saved, "sparse")[0]
    listed = host.borg("list", "--format", "{size} {path}{NL}", "::it").stdout.splitlines()
    assert f"{2**40 + 1} {host.home}/holes".replace(" /", " ") in listed
    assert host.content("big") == (host.home / "big").read_bytes()


def test_a_file_with_too_many_attributes_is_saved_without_them(host: ClientBorg, saved: Made) -> None:
    try:
        os.getxattr(host.home / "big", "user.large")
    except OSError:
        pytest.skip("NOT TESTED: this file system has no attributes")
    assert "big" in saved.names
    assert [line.partition(": xattrs: ")[2] for line in about(saved, "big")] == [
        "[Errno 7] it is saved without its extended attributes, which are too many"
    ]
