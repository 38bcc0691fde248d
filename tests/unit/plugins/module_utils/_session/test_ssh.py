# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh's command line, and what its real messages mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig, ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._session.ssh import command, explain, last_line

CLIENT = ClientConfig(
    "web1", "-oProxyCommand=x", 2222, "backup", "socket", "/run/pb", 64064, "/srv/r", "bk-web1", "/etc/k"
)
PATHS = ("ssh", "/etc/id", "python", "/lib", "/state", "/run", "/log", "/srv")
SERVER = ServerConfig(4, "login", *PATHS, False, "host", 9, 1, 2, 3, 4)


def test_command_takes_nothing_from_outside() -> None:
    argv = command(Site(SERVER, CLIENT), "ab", "/g.sock", "/ssh.log", 30)
    assert argv[:6] == ["ssh", "-F", "none", "-T", "-x", "-a"]
    assert argv[-2:] == ["--", "-oProxyCommand=x"]
    assert argv[argv.index("-R") + 1] == "/run/pb/ab.sock:/g.sock"
    for option in ("StrictHostKeyChecking=yes", "HostKeyAlias=web1", "ExitOnForwardFailure=yes", "ConnectTimeout=30"):
        assert argv[argv.index(option) - 1] == "-o"


def test_a_port_leads_to_this_sessions_own_socket() -> None:
    argv = command(Site(SERVER, replace(CLIENT, transport="ssh")), "ab", "/sshd.sock", "/ssh.log", 30)
    assert argv[argv.index("-R") + 1] == "127.0.0.1:64064:/sshd.sock"


MESSAGES = [
    ("ssh: Could not resolve hostname web1.invalid: Name or service not known", "unknown_host"),
    ("@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "host_key_changed"),
    (
        "No ED25519 host key is known for web1 and you have requested strict checking.\nHost key verification failed.",
        "host_key_changed",
    ),
    ("backup@192.0.2.7: Permission denied (publickey).", "key_refused"),
    ("Received disconnect from 192.0.2.7 port 22:2: Too many authentication failures", "key_refused"),
    ("Error: remote port forwarding failed for listen path /run/pb/ab.sock", "tunnel_refused"),
    ("Error: remote port forwarding failed for listen port 64064", "tunnel_refused"),
    ("ssh: connect to host 192.0.2.7 port 22: Connection refused", "unreachable"),
    ("ssh: connect to host 192.0.2.7 port 22: Connection timed out", "unreachable"),
    ("ssh: connect to host 192.0.2.7 port 22: No route to host", "unreachable"),
    ("ssh: connect to host 192.0.2.7 port 22: Network is unreachable", "unreachable"),
    ("kex_exchange_identification: Connection closed by remote host", "unreachable"),
    ("something new", "unreachable"),
    ("", "unreachable"),
]


@pytest.mark.parametrize(("log", "code"), MESSAGES)
def test_explain(log: str, code: str) -> None:
    found, reason = explain(log, CLIENT.host, CLIENT.port)
    assert found == code
    assert reason.isprintable()
    assert last_line(log) in reason


def test_last_line_is_printable_and_skips_frames() -> None:
    assert last_line("\x1b[2J bad\r\n@@@@@\r\n\n") == "\\x1b[2J bad"
