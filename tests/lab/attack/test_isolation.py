# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody reaches the server, and it backs up all the same."""

from __future__ import annotations

import json

import pytest
from lab import Lab
from lab_runs import GOOD, Run
from tool import ROOT

PROBE = ROOT / "tests/support/probe.py"
SILENT = {"tcp": {}, "udp": {}, "icmp": False}


def probe(lab: Lab, source: str, target: str) -> dict[str, object]:
    """What of ``target`` answers a client, in whatever way."""
    address = lab.read(target, "hostname", "--all-ip-addresses").split()[0]
    found: dict[str, object] = json.loads(lab.read(source, "python3", "-", address, input=PROBE.read_bytes()))
    return found


def test_a_client_cannot_reach_the_server(lab: Lab) -> None:
    assert probe(lab, "web1", "vault") == SILENT


def test_the_probe_would_have_seen_a_host_that_answers(lab: Lab) -> None:
    seen = probe(lab, "web1", "odd1")
    tcp = seen["tcp"]
    assert isinstance(tcp, dict) and tcp["2222"] == "open" and tcp["22"] == "ECONNREFUSED"
    assert seen["udp"] and seen["icmp"]


def test_the_server_listens_on_nothing_but_loopback(lab: Lab) -> None:
    listening = [line.split()[4] for line in lab.read("vault", "ss", "-Hltun").splitlines()]
    assert "127.0.0.1:64022" not in listening, "the sshd of the transport ssh is started by its sessions"
    assert [address for address in listening if not address.startswith(("127.", "[::1]"))] == []


def test_backups_work_all_the_same(parallel: Run) -> None:
    assert {name: parallel.client(name)["state"] for name in GOOD} == dict.fromkeys(GOOD, "ok")
    assert all(parallel.client(name)["bytes_received"] > 0 for name in GOOD)


@pytest.mark.parametrize("host", ["vault", *GOOD, "broken1"])
def test_no_compiler(lab: Lab, host: str) -> None:
    files = lab.read(
        host, "find", "/usr/bin", "/usr/local/bin", "/usr/lib", "/opt", "-name", "cc1*", "-o", "-name", "python3"
    )
    assert files.split() != [] and "cc1" not in files
    found = lab.exec(host, "sh", "-c", "command -v cc gcc c++ g++ clang tcc make as ld rustc go")
    assert found.stdout == b""
