# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that cannot outlive the session: death signal, group, user and limits of their own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import resource
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError

_PR_SET_PDEATHSIG = 1  # Linux prctl(2)
_PROC_PDEATHSIG_CTL = 11  # FreeBSD procctl(2)
_Stream = TypeVar("_Stream")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Limits:
    """What a process and all that it starts may use; None is no limit of ours.

    ``file_size``: bytes that a file may grow to; a write beyond fails with EFBIG, and no signal kills the writer.
    """

    file_size: int | None = None


def account(name: str) -> pwd.struct_passwd:
    """Return the account ``name``, or raise SessionError when provisioning has not made it."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise SessionError("not_provisioned", f"user {name} does not exist on the server: run site.yml") from None


async def spawn(
    argv: Sequence[str],
    user: pwd.struct_passwd,
    env: dict[str, str],
    limits: Limits = Limits(),
    **streams: Any,
) -> Process:
    """Start ``argv`` as ``user`` in a process group of its own, within ``limits``, with but ``env``, PATH and LANG.

    The kernel kills it when this process dies (prctl(2) PR_SET_PDEATHSIG, procctl(2) PROC_PDEATHSIG_CTL).
    """
    base = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    return await asyncio.create_subprocess_exec(
        argv[0],
        *argv[1:],
        env={**base, **env},
        cwd="/",
        start_new_session=True,
        preexec_fn=_arrange(os.getpid(), limits),
        **_identity(user),
        **streams,
    )


def pipe(stream: _Stream | None) -> _Stream:
    """Return a stream of a process that ``spawn`` was asked to make a pipe of."""
    if stream is None:
        raise TypeError("the process was started without this pipe")
    return stream


async def end(process: Process, grace: float) -> None:
    """Wait ``grace`` seconds for the process to end by itself, then kill its whole group and reap it."""
    try:
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        kill_group(process)
        await process.wait()


def kill_group(process: Process) -> None:
    """Kill the process group that ``spawn`` made, if it still has a member."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _identity(user: pwd.struct_passwd) -> dict[str, Any]:
    if user.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise SessionError("server_error", f"sessions start as root on the server, not as uid {os.geteuid()}")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _arrange(parent: int, limits: Limits) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    # It runs after the change of user, which would clear the death signal again.
    def arrange() -> None:
        if sys.platform.startswith("freebsd"):
            wanted = ctypes.c_int(signal.SIGKILL)
            libc.procctl(0, 0, _PROC_PDEATHSIG_CTL, ctypes.byref(wanted))
        else:
            libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        if limits.file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_size, limits.file_size))

    return arrange
