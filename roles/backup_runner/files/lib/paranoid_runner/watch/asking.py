# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a server, over ssh or by whatever command leads to it, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from paranoid_runner.watch.config import Target, WatchConfig
from paranoid_runner.watch.levels import show

SECONDS = 180.0
_COMPLAINT = 4096


class NotAnswered(Exception):
    """No answer came; the message is one line."""


def make_command(config: WatchConfig, target: Target, word: str) -> list[str]:
    """Return the command that asks ``word``; ssh knows the server by the keys of the configuration alone."""
    if target.command:
        return [*target.command, word]
    fixed = {
        "BatchMode": "yes",
        "CheckHostIP": "no",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": "20",
        "ControlPath": "none",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": target.name,
        "IdentitiesOnly": "yes",
        "PermitLocalCommand": "no",
        "ServerAliveInterval": "15",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": str(known_hosts(config)),
    }
    options = [text for name, value in fixed.items() for text in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-T", "-x", "-a", *options, "-i", str(config.key), "-p", str(target.port),
            "-l", target.user, "--", target.host, word]  # fmt: skip


def known_hosts(config: WatchConfig) -> Path:
    """Return the file with the servers' host keys, which is written anew from the configuration."""
    return config.state / "known_hosts"


def ask(argv: Sequence[str], given: bytes, most: int, seconds: float = SECONDS) -> bytes:
    """Return what a command prints; NotAnswered if it fails, prints too much or takes too long."""
    try:
        return asyncio.run(_ask(argv, given, most, seconds))
    except TimeoutError:  # which is an OSError, too
        raise NotAnswered(f"no answer within {seconds:.0f} s") from None
    except OSError as error:
        raise NotAnswered(f"{argv[0]} cannot be run: {error.strerror}") from None


async def _ask(argv: Sequence[str], given: bytes, most: int, seconds: float) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    assert process.stdin and process.stdout and process.stderr
    try:
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                process.stdin.write(given)
                await process.stdin.drain()
                process.stdin.close()
            complaint = asyncio.ensure_future(_read_complaint(process.stderr))
            answer = await _read(process.stdout, most + 1)
            if len(answer) > most:
                raise NotAnswered(f"it answers more than {most} bytes")
            said, code = await complaint, await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        raise NotAnswered(show(lines[-1]))
    return answer


async def _read_complaint(stream: asyncio.StreamReader) -> bytes:
    """Return the first bytes of a stream, and let its writer write on."""
    first = await _read(stream, _COMPLAINT)
    while await stream.read(65536):
        pass
    return first


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    """Return the first bytes of a stream. What is left makes its writer wait, until it is ended."""
    parts: list[bytes] = []
    size = 0
    while size < most and (part := await stream.read(min(65536, most - size))):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
