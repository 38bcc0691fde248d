# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Children die with their parent, also when they are another user's, and start with nothing of the parent's."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common import process as processes
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import (
    SSH,
    Limits,
    account,
    end,
    limits_for_borg,
    pipe,
    spawn,
)
from waiting import wait_until

ROOT = os.geteuid() == 0
MIB = 2**20
ME = pwd.getpwuid(os.geteuid()).pw_name
USERS = [ME, pytest.param("daemon", marks=pytest.mark.skipif(not ROOT, reason="NOT TESTED: only root changes users"))]

PARENT = """
import asyncio, sys
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import SSH, account, spawn
async def main():
    process = await spawn(["/bin/sleep", "60"], account(sys.argv[1]), {}, SSH)
    print(process.pid, flush=True)
    await process.wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("user", USERS)
def test_a_child_dies_with_its_killed_parent(user: str) -> None:
    argv = [sys.executable, "-c", PARENT, user]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)})
    assert parent.stdout
    child = Path("/proc") / parent.stdout.readline().decode().strip()
    assert child.owner() == user
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not _alive(child))


def _alive(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_end_kills_the_whole_group() -> None:
    async def scene() -> tuple[int | None, Path]:
        argv = ["/bin/sh", "-c", "sleep 60 & echo $!; wait"]
        process = await spawn(argv, account(ME), {}, SSH, stdout=asyncio.subprocess.PIPE)
        grandchild = Path("/proc") / (await pipe(process.stdout).readline()).decode().strip()
        await end(process, 0)
        return process.returncode, grandchild

    code, grandchild = asyncio.run(scene())
    assert code == -9
    assert wait_until(lambda: not _alive(grandchild))


def test_a_child_gets_only_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")

    async def scene() -> str:
        process = await spawn(["/usr/bin/env"], account(ME), {"A": "1"}, SSH, stdout=asyncio.subprocess.PIPE)
        return str((await process.communicate())[0].decode())

    names = {line.split("=")[0] for line in asyncio.run(scene()).splitlines()}
    assert names == {"A", "PATH", "LANG", "HOME"}


def test_a_file_grows_to_its_limit_and_the_writer_lives_on(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    writer = f"yes | head -c 100000 > {tmp_path}/file; echo alive"

    async def scene() -> tuple[bytes, bytes]:
        streams: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        process = await spawn(["/bin/sh", "-c", writer], account(ME), {}, Limits(file_size=4096), **streams)
        return await process.communicate()

    said, complained = asyncio.run(scene())
    assert said == b"alive\n" and b"File too large" in complained
    assert (tmp_path / "file").stat().st_size == 4096


def run(script: str, limits: Limits) -> str:
    """Run a script of the shell within limits; return what it says."""

    async def scene() -> str:
        streams: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.STDOUT}
        process = await spawn(["/bin/sh", "-c", script], account(ME), {}, limits, **streams)
        return str((await process.communicate())[0].decode())

    return asyncio.run(scene())


def test_a_child_has_its_limits_and_no_way_to_more_rights() -> None:
    names = ("Max address space", "Max file size", "Max open files", "Max core file size")
    lines = run("cat /proc/self/limits /proc/self/status", Limits(300 * MIB, 2 * MIB, 99)).splitlines()
    found = {name: line.removeprefix(name).split()[:2] for line in lines for name in names if line.startswith(name)}
    assert found == dict(zip(names, [[str(limit)] * 2 for limit in (300 * MIB, 2 * MIB, 99, 0)], strict=True))
    assert "NoNewPrivs:\t1" in lines


def test_memory_goes_by_the_index_and_ends_at_half_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PHYS_PAGES": 16 * 1024 * MIB // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    assert limits_for_borg(0).memory == 2048 * MIB
    assert limits_for_borg(100 * MIB).memory == 2848 * MIB
    assert limits_for_borg(2**40).memory == 8192 * MIB
    pages["SC_PHYS_PAGES"] = 1
    assert limits_for_borg(0).memory == 512 * MIB


def test_an_account_that_is_not_there() -> None:
    with pytest.raises(SessionError, match=r"run site\.yml") as caught:
        account("nobody-here")
    assert caught.value.code == "not_provisioned"


def test_only_root_starts_what_is_another_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the gate would run as whoever started the session."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    async def scene() -> None:
        await spawn(["/bin/true"], account(ME), {}, Limits())

    with pytest.raises(SessionError, match="sessions start as root on the server, not as uid 12345") as caught:
        asyncio.run(scene())
    assert caught.value.code == "server_error"


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can become somebody else")
def test_a_child_of_another_user_keeps_nothing_of_root() -> None:
    """Neither its user, nor its group, nor one of its further groups."""
    nobody = account("nobody")

    async def scene() -> list[str]:
        script = "id -u; id -g; id -G"
        process = await spawn(["/bin/sh", "-c", script], nobody, {}, Limits(), stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode().splitlines()

    before = os.getgroups()
    os.setgroups([0, 4, 27])
    try:
        assert asyncio.run(scene()) == [str(nobody.pw_uid), *[str(nobody.pw_gid)] * 2]
    finally:
        os.setgroups(before)


def test_a_child_whose_parent_died_before_it_could_be_told_dies() -> None:
    """The death signal is only sent to who has asked for it in time."""
    child = os.fork()
    if child == 0:
        try:
            processes._restrict(os.getppid() + 1, Limits(), lambda: None)()
        finally:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_group_that_is_gone_can_be_killed() -> None:
    """It may end by itself between the look at it and the signal."""

    async def scene() -> None:
        process = await spawn(["/bin/true"], account(ME), {}, Limits())
        await process.wait()
        processes.kill_group(process)

    asyncio.run(scene())
