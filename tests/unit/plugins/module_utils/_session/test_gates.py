# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine understands of a gate's report: the examples in `tests/vectors/gate_report.json`, and rubbish."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session import gates as _gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import GateOrder, Gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog
from made_site import make_site
from tool import ROOT

VECTORS = json.loads((ROOT / "tests/vectors/gate_report.json").read_text())


def understand(path: Path, *reports: bytes) -> tuple[Gates, int]:
    """Have gates read these reports, one after the other; return them, and how often the session was kept alive."""
    touched = []
    log = SessionLog(str(path / "log"), "session")
    order = GateOrder("append", None, 1, 1)

    async def read() -> Gates:
        gates = Gates(cast(Site, None), order, log, lambda: touched.append(1))
        for report in reports:
            reading, writing = os.pipe()
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2**20)  # nobody reads yet
            os.write(writing, report)
            os.close(writing)
            await gates._read_report(reading)
        return gates

    try:
        return asyncio.run(read()), len(touched)
    finally:
        log.close()


def pack(vector: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in vector["lines"])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_engine_understands_the_examples(tmp_path: Path, vector: dict[str, Any]) -> None:
    gates, touched = understand(tmp_path, pack(vector))
    expected: dict[str, Any] = {
        name: tuple(value) if name == "refused" else value for name, value in vector["understood"].items()
    }
    assert gates.summary == GateSummary(**expected)
    assert gates._first_segment == vector["first_segment"]
    assert touched == len(vector["lines"]), "each line is a sign of life"


def test_the_connections_of_a_session_add_up(tmp_path: Path) -> None:
    backup, two_commits, *_ = VECTORS
    gates, _touched = understand(tmp_path, pack(backup), pack(two_commits))
    summary = gates.summary
    assert (summary.received, summary.put, summary.commits, summary.transaction) == (302927, 11, 3, 8)
    assert gates._first_segment == 14, "the first connection's"


def test_bytes_of_gates_at_work_count_once(tmp_path: Path) -> None:
    """While a gate works they are those of its last line, and afterwards those of its last word."""
    seen: list[tuple[int, int]] = []
    log = SessionLog(str(tmp_path / "log"), "session")
    lines = ('{"event": "progress", "received": 100, "sent": 1}', '{"event": "progress", "received": 300, "sent": 2}')
    report = "\n".join((*lines, '{"event": "end", "reason": null, "received": 350, "sent": 3}', "{}", "")).encode()

    async def read() -> Gates:
        gates = Gates(cast(Site, None), GateOrder("append", None, 2, 2), log, lambda: seen.append(gates.count_bytes()))
        for _connection in range(2):
            reading, writing = os.pipe()
            os.write(writing, report)
            os.close(writing)
            await gates._read_report(reading)
        return gates

    assert asyncio.run(read()).count_bytes() == (700, 6)
    assert seen == [(0, 0), (100, 1), (300, 2), (350, 3), (350, 3), (450, 4), (650, 5), (700, 6)]
    log.close()


@pytest.mark.parametrize(
    "report",
    [
        *(b"", b"{}\n", b"[]\n", b"rubbish\n", b"x" * 100_000, b'{"event": "end"'),
        b'{"event": "end", "reason": null}\n' + b"x" * 100_000,
    ],
)
def test_a_report_that_breaks_off_is_trouble(tmp_path: Path, report: bytes) -> None:
    summary = understand(tmp_path, report)[0].summary
    assert (summary.trouble, summary.detail) == ("error", "the gate ended without its report")


@pytest.mark.parametrize(
    ("lines", "spent"),
    [
        ((b'{"event": "begin", "first_segment": 3}', b'{"event": "end", "reason": null}'), True),
        ((b'{"event": "begin", "first_segment": 3}',), True),
        ((b'{"event": "progress", "received": 3}',), True),
        ((b'{"event": "open"}', b'{"event": "end", "reason": null}'), False),
    ],
    ids=["began to write", "began and was killed", "was killed", "only read"],
)
def test_the_budget_of_a_trim_is_handed_out_once(tmp_path: Path, lines: tuple[bytes, ...], spent: bool) -> None:
    """A client can have its gate killed for want of memory: no gate after it may delete as much again."""
    gates, _touched = understand(tmp_path, b"".join(line + b"\n" for line in lines))
    assert gates._is_budget_spent is spent


TRIM = GateOrder("trim", "ab" * 32, 1, 2, ("--max-objects", "7"), b"what stays")
BEGUN, READ_ONLY = (
    b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    for lines in (
        ({"event": "begin", "first_segment": 3}, {"event": "end", "reason": None}),
        ({"event": "open"}, {"event": "end", "reason": None}),
    )
)


@pytest.mark.parametrize(
    ("order", "quota", "before", "options"),
    [
        (GateOrder("append", None, 1, 1), None, (), {}),
        (GateOrder("append", "ab" * 32, 1, 1), 5000, (), {"--repository-id": "ab" * 32, "--quota": "5000"}),
        (GateOrder("append", None, 1, 1), 0, (), {"--quota": "0"}),
        (TRIM, None, (), {"--max-objects": "7", "--repository-id": "ab" * 32, "--kept-fd": "what stays"}),
        (TRIM, None, (READ_ONLY,), {"--max-objects": "7", "--repository-id": "ab" * 32, "--kept-fd": "what stays"}),
        (TRIM, None, (BEGUN,), {"--repository-id": "ab" * 32, "--first-segment": "3", "--kept-fd": "what stays"}),
        (TRIM, None, (BEGUN, BEGUN.replace(b"3", b"9")), {"--repository-id": "ab" * 32, "--first-segment": "3"}),
    ],
    ids=["nothing asked", "repository and quota", "a quota of nothing", "trim", "trim again", "trim goes on", "third"],
)
def test_a_gate_is_told_all_that_bounds_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    order: GateOrder,
    quota: int | None,
    before: tuple[bytes, ...],
    options: dict[str, str],
) -> None:
    """What a gate is not told it does not refuse: each bound is an option, for every connection of a session."""
    site, started = make_site(tmp_path), []
    site = Site(site.server, replace(site.client, quota=quota))

    async def spawn(argv: list[str], *words: Any, pass_fds: tuple[int, ...], **_more: Any) -> Any:
        if "--kept-fd" in argv:
            descriptor = int(argv[argv.index("--kept-fd") + 1])
            assert descriptor in pass_fds
            argv = [os.pread(descriptor, 99, 0).decode() if word == str(descriptor) else word for word in argv]
        started.append((argv, words))
        return SimpleNamespace(pid=1)

    fakes = {"spawn": spawn, "account": lambda name: f"account {name}", "is_entered": lambda _pid: True}
    for name, fake in {**fakes, "limits_for_borg": lambda _size: {}, "index_size": lambda _path: 0}.items():
        monkeypatch.setattr(_gates, name, fake)
    log = SessionLog(str(tmp_path / "log"), "session")

    async def start() -> None:
        gates = Gates(site, order, log, lambda: None)
        for report in before:
            reading, writing = os.pipe()
            os.write(writing, report)
            os.close(writing)
            await gates._read_report(reading)
        await gates._start(cast(Any, None), 77)

    asyncio.run(start())
    log.close()
    ((argv, (user, env, _limits, _path)),) = started
    assert argv[:4] == ["/opt/python", "-I", "/opt/lib", "gate"] and user == "account bk-web1"
    assert env == {"BORG_HOST_ID": "server", "BORG_SELFTEST": "disabled"}
    told = dict(zip(argv[4::2], argv[5::2], strict=True))
    basic = {"--policy": order.policy, "--repository": site.client.repository, "--report-fd": "77"}
    assert told == {**basic, **options, **({"--kept-fd": "what stays"} if order.kept else {})}


def test_one_connection_more_than_a_session_may_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, served = SessionLog(str(tmp_path / "log"), "session"), []

    async def serve(_self: Gates, connection: socket.socket) -> None:
        served.append(connection)

    monkeypatch.setattr(Gates, "_serve", serve)

    async def connect() -> Gates:
        gates = Gates(cast(Site, None), GateOrder("append", None, 2, 2), log, lambda: None)
        gates.listen(str(tmp_path / "s"), os.getgid())
        for _connection in range(3):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(tmp_path / "s"))
            served.append(client)
        await asyncio.wait_for(gates._accepting, 60)  # It ends with the first that is too many.
        await gates.close(0)
        return gates

    summary = asyncio.run(connect()).summary
    log.close()
    for connection in served:
        connection.close()
    assert (summary.connections, summary.refused) == (2, ("connection 3 of one session",))
