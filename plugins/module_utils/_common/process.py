# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that cannot outlive the session; each has its own process group, user and limits."""

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
from ansible_collections.paranoid.backup.plugins.module_utils._common.sandbox import enter

_PR_SET_PDEATHSIG = 1  # Linux prctl(2)
_PR_SET_NO_NEW_PRIVS = 38
_PROC_PDEATHSIG_CTL = 11  # FreeBSD procctl(2)
_Stream = TypeVar("_Stream")
_MIB = 1024 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Limits:
    """What a child may take: bytes of address space, bytes of one file, open files. Nobody leaves a core behind.

    A write beyond ``file_size`` fails with EFBIG, and no signal kills the writer.
    There is no limit of processes: the kernel counts those of a user, other sessions' among them. Time is bounded by
    who waits for the child.
    """

    memory: int = resource.RLIM_INFINITY
    file_size: int = resource.RLIM_INFINITY
    files: int = 1024


SSH = Limits(memory=1024 * _MIB)


def limits_for_borg(index: int) -> Limits:
    """Return the limits of a gate, or of the server's own Borg; ``index`` are the bytes of index and hints.

    2 GiB are the first 13 million objects (153 bytes each), or a check of the densest segment that honest data makes.
    A check holds the index three times while it grows, and hints take six times their size: eight covers both. An
    index that a client has blown up gets no more than half of the machine, so that others keep theirs.
    """
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return Limits(memory=min(2048 * _MIB + 8 * index, max(half, 512 * _MIB)))


def account(name: str) -> pwd.struct_passwd:
    """Return the account ``name``; SessionError if provisioning has not made it."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise SessionError("not_provisioned", f"user {name} does not exist on the server: run site.yml") from None


async def spawn(
    argv: Sequence[str],
    user: pwd.struct_passwd,
    env: dict[str, str],
    limits: Limits,
    repository: str = "",
    **streams: Any,
) -> Process:
    """Start ``argv`` as ``user`` in its own process group; its environment is ``env``, PATH, LANG and HOME only.

    The kernel kills it when this process dies (prctl(2) PR_SET_PDEATHSIG, procctl(2) PROC_PDEATHSIG_CTL), holds it to
    ``limits``, and (Linux) gives it no rights of a setuid program. Where this process is root on Linux,
    a child that works on a ``repository`` sees no other, and no network.
    """
    base = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    return await asyncio.create_subprocess_exec(
        argv[0],
        *argv[1:],
        env={**base, **env},
        cwd="/",
        start_new_session=True,
        preexec_fn=_restrict(os.getpid(), limits, _become(user, repository, argv[0])),
        **streams,
    )


def pipe(stream: _Stream | None) -> _Stream:
    """Return ``stream``, which ``spawn`` was asked to open as a pipe; TypeError if it was not."""
    if stream is None:
        raise TypeError("the process was started without this pipe")
    return stream


async def end(process: Process, grace: float) -> None:
    """Wait ``grace`` seconds for the process to end by itself, then kill its whole group; reap it."""
    try:
        await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        kill_group(process)
        await process.wait()


def kill_group(process: Process) -> None:
    """Kill the process group that ``spawn`` made, if any member is left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _become(user: pwd.struct_passwd, repository: str, program: str) -> Callable[[], None]:
    """Return what makes a child of this process one of ``user``."""
    if user.pw_uid == os.geteuid():
        return lambda: None
    if os.geteuid() != 0:
        raise SessionError("server_error", f"sessions start as root on the server, not as uid {os.geteuid()}")

    def become() -> None:
        if repository:
            enter(repository, program)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return become


def _restrict(parent: int, limits: Limits, become: Callable[[], None]) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)
    wanted = (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_CORE, 0),
    )
    ceilings = [(kind, _below(resource.getrlimit(kind)[1], value)) for kind, value in wanted]

    def arrange() -> None:
        become()  # first: it would clear the death signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for kind, ceiling in ceilings:
            resource.setrlimit(kind, (ceiling, ceiling))
        if sys.platform.startswith("freebsd"):
            death = ctypes.c_int(signal.SIGKILL)
            libc.procctl(0, 0, _PROC_PDEATHSIG_CTL, ctypes.byref(death))
        else:
            libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def _below(ceiling: int, value: int) -> int:
    """Return the lower of two limits, of which either may be infinite."""
    return min((limit for limit in (ceiling, value) if limit != resource.RLIM_INFINITY), default=resource.RLIM_INFINITY)
