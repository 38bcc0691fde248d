# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dispatchers that lie, hang, flood or die. Arguments: the client's directory, and the name of a function below."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

here, behaviour = Path(sys.argv[1]), sys.argv[2]
request = json.loads(sys.stdin.readline())
session, verb = request["session"], request["verb"]
GIGABYTE = 1024**3
ARCHIVE = {
    "name": "web1-invented",
    "id": "a" * 64,
    "start": "2026-11-21T06:30:00.000000",
    "end": "2026-11-21T06:30:01.000000",
    "duration": 1.0,
    "original_size": 1,
    "compressed_size": 1,
    "deduplicated_size": 1,
    "nfiles": 1,
}


def say(**record: Any) -> None:
    """Write one line of JSON to the server."""
    print(json.dumps({"schema": 1, **record}), flush=True)


def hello() -> None:
    """Say what an honest dispatcher says first."""
    say(hello=session)


def result(**changes: Any) -> None:
    """Say ok, but for what is changed."""
    say(**{"session": session, "verb": verb, "status": "ok", "reason": "", **changes})


def flood(descriptor: int, chunk: bytes) -> None:
    """Write a gigabyte, as long as somebody takes it."""
    with contextlib.suppress(OSError):
        for _ in range(GIGABYTE // len(chunk)):
            os.write(descriptor, chunk)


def hang() -> None:
    """Stay, deaf to the end of standard input."""
    time.sleep(120)


def polite() -> None:
    """Say ok and nothing else, which is enough for verb open."""
    hello()
    result()


def silent() -> None:
    """Say nothing and end well."""


def hang_before_hello() -> None:
    """Never begin."""
    hang()


def hang_after_hello() -> None:
    """Begin, and never go on."""
    hello()
    hang()


def hang_in_transfer() -> None:
    """Open the tunnel, send half a message of Borg's protocol, and stay."""
    hello()
    with socket.socket(socket.AF_UNIX) as tunnel:
        tunnel.connect(f"{here}/tunnel/{session}.sock")
        tunnel.sendall(b"\x84\xa1i\x01")
        hang()


def hang_after_result() -> None:
    """Give a good result, and never end."""
    hello()
    result(archive=ARCHIVE)
    hang()


def chatter_forever() -> None:
    """Keep the idle deadline away with log lines."""
    hello()
    while True:
        print("working", file=sys.stderr, flush=True)
        time.sleep(0.2)


def heartbeats_forever() -> None:
    """Keep the idle deadline away as an honest dispatcher does: with empty lines."""
    hello()
    while True:
        print(file=sys.stderr, flush=True)
        time.sleep(0.2)


def gigabyte_instead_of_hello() -> None:
    """Flood before the first line."""
    flood(1, b"x" * 65536)


def gigabyte_instead_of_result() -> None:
    """Flood after the first line."""
    hello()
    flood(1, b"x" * 65536)


def binary_result() -> None:
    """Give rubbish as the result."""
    hello()
    os.write(1, bytes(range(256)) * 4 + b"\n")


def ten_megabytes_of_json() -> None:
    """Give a result that is valid JSON and far too long."""
    hello()
    result(reason="x" * 10 * 1024**2)


def nested_json() -> None:
    """Give JSON that is all brackets."""
    hello()
    print("[" * 30_000 + "]" * 30_000, flush=True)


def escapes_in_reason() -> None:
    """Fail with a reason that a terminal or a browser would act on."""
    hello()
    reason = "\x1b]0;owned\x07\x1b[2J\x1b[32mok\r\n<script>alert(1)</script>\u202etxt.exe\x00\ud800"
    result(status="failed", reason=reason)


def escapes_in_log() -> None:
    """Fail after log lines that a terminal would act on."""
    hello()
    os.write(2, b"\x1b[2J\x1b]52;c;cm0gLXJm\x07\xff\xfe\x00 bad \xe2\x80\xae\rline\n")
    result(status="failed", reason="see the log")


def gigabyte_of_log() -> None:
    """Flood the log."""
    hello()
    flood(2, b"y" * 199 + b"\n")


def log_of_bytes_to_escape() -> None:
    """Flood the log with what takes four times its room once it can be shown."""
    hello()
    flood(2, b"\0" * 199 + b"\n")


def one_endless_log_line() -> None:
    """Fill the log with one line, then fail."""
    hello()
    for _ in range(64):
        os.write(2, b"z" * 65536)
    result(status="failed", reason="talked too long")


def ok_without_archive() -> None:
    """Say ok to a backup, and name no archive."""
    hello()
    result()


def archive_never_written() -> None:
    """Name an archive that never went through the tunnel."""
    hello()
    result(archive=ARCHIVE)


def connected_but_wrote_nothing() -> None:
    """Name an archive after touching the tunnel."""
    hello()
    with socket.socket(socket.AF_UNIX) as tunnel:
        tunnel.connect(f"{here}/tunnel/{session}.sock")
    result(archive=ARCHIVE)


def connects_without_end() -> None:
    """Connect to the tunnel long after nobody takes it there, each time a line of ssh's own log."""
    hello()
    for _ in range(2000):
        with socket.socket(socket.AF_UNIX) as tunnel:
            tunnel.connect(f"{here}/tunnel/{session}.sock")
    result(archive=ARCHIVE)


def rubbish_through_the_tunnel() -> None:
    """Send what is not Borg's protocol to the gate."""
    hello()
    with socket.socket(socket.AF_UNIX) as tunnel, contextlib.suppress(OSError):
        tunnel.connect(f"{here}/tunnel/{session}.sock")
        tunnel.sendall(b"\xc1" * 4096)
        tunnel.shutdown(socket.SHUT_WR)
        while tunnel.recv(4096):
            pass
    result(archive=ARCHIVE)


def result_of_another_session() -> None:
    """Replay an old result."""
    hello()
    result(session="0" * 32, archive=ARCHIVE)


def hello_of_another_session() -> None:
    """Replay an old hello."""
    say(hello="0" * 32)
    hang()


def result_of_another_verb() -> None:
    """Answer what was not asked."""
    hello()
    result(verb="info")


def goes_on_after_result() -> None:
    """Give two results."""
    hello()
    result(archive=ARCHIVE)
    result(status="failed", reason="no, not at all")


def half_a_result() -> None:
    """End in the middle of the result."""
    hello()
    print('{"schema": 1, "session": "', end="", flush=True)


def dies_by_signal() -> None:
    """Be killed in the middle."""
    hello()
    print("about to die", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def dies_before_hello() -> None:
    """Be killed before the first word."""
    os.kill(os.getpid(), signal.SIGKILL)


def exits_127() -> None:
    """End as a shell does that cannot find the dispatcher."""
    print("sh: 1: dispatch: not found", file=sys.stderr, flush=True)
    sys.exit(127)


def exits_255() -> None:
    """End with the code that ssh keeps for itself."""
    print("sudo: a password is required", file=sys.stderr, flush=True)
    sys.exit(255)


def closes_its_output() -> None:
    """Close the answer without one, and stay."""
    hello()
    os.close(1)
    hang()


globals()[behaviour]()
