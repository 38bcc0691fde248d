# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session's ssh: its command line, and what its own words mean when it fails."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

# ssh_config(5). Nothing is taken from a configuration file, an agent or the user.
_FIXED = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "EscapeChar": "none",
    "ExitOnForwardFailure": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "PermitLocalCommand": "no",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": "4",
    "ServerAliveInterval": "15",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}

# What ssh(1) writes to its own log, in the order in which the words are looked for.
_SAYINGS = (
    (r"Could not resolve hostname", "unknown_host", "the address {host} cannot be resolved"),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known",
        "host_key_changed",
        "{host} port {port} showed a host key that is not the pinned one",
    ),
    (
        r"Permission denied|Too many authentication failures",
        "key_refused",
        "{host} refused the server's key",
    ),
    (
        r"remote port forwarding failed|remote forward(ing)? failure|open failed: administratively prohibited",
        "tunnel_refused",
        "{host} refused the reverse tunnel",
    ),
    (
        r"Connection (refused|timed out|reset|closed)|No route to host|is unreachable|kex_exchange_identification"
        r"|Connection to .* timed out|Operation timed out|Broken pipe",
        "unreachable",
        "{host} port {port} cannot be reached",
    ),
)


def command(site: Site, session: str, gate: str, log: str, patience: int) -> list[str]:
    """Return argv of the one ssh that carries the session; ``gate`` is its tunnel's end, ``log`` ssh's own log."""
    client = site.client
    argv = _ssh(site, client.client, log, patience)
    if client.proxy_jump:
        argv += ["-o", f"ProxyCommand={_proxy_command(site, client.proxy_jump, log, patience)}"]
    return [*argv, "-R", forwarding(site, session, gate), "-p", str(client.port), "-l", client.user, "--", client.host]


def jump_alias(client: str) -> str:
    """Return the name under which the client's known_hosts has the keys of the host to jump through."""
    return f"jump.{client}"


def _ssh(site: Site, alias: str, log: str, patience: int) -> list[str]:
    """Return the beginning of an ssh that takes only host keys that are pinned under ``alias``."""
    options = {
        **_FIXED,
        "ConnectTimeout": str(patience),
        "HostKeyAlias": alias,
        "IdentityFile": site.server.identity_file,
        "UserKnownHostsFile": site.client.known_hosts_file,
    }
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return [site.server.ssh_command, "-F", "none", "-T", "-x", "-a", "-E", log, *settings]


def _proxy_command(site: Site, jump: Mapping[str, Any], log: str, patience: int) -> str:
    """Return ssh_config(5)'s ProxyCommand, for a shell; ssh's own -J would read a configuration, and pin nothing of it.

    Its %h is not used: ssh puts it in as it is.
    """
    target = ["-W", f"[{site.client.host}]:{site.client.port}", "-p", str(jump["port"]), "-l", jump["user"]]
    argv = [*_ssh(site, jump_alias(site.name), log, patience), *target, "--", jump["host"]]
    return shlex.join(argv).replace("%", "%%")


def forwarding(site: Site, session: str, gate: str) -> str:
    """Return the argument of ``ssh -R`` for the client's transport."""
    if site.client.transport == "ssh":
        return f"127.0.0.1:{site.client.listen_port}:{gate}"
    return f"{site.client.remote_dir}/{session}.sock:{gate}"


def explain(log: str, host: str, port: int) -> tuple[str, str]:
    """Return (code, reason) for an ssh that gave up before the dispatcher spoke; ``log`` is ssh's, not the client's."""
    for pattern, code, reason in _SAYINGS:
        if re.search(pattern, log):
            detail = reason.format(host=host, port=port)
            return code, f"{detail} ({last_line(log)})"
    return "unreachable", f"ssh to {host} ended early ({last_line(log)})"


def last_line(log: str) -> str:
    """Return the last thing that ssh said, in one printable line."""
    lines = [line for line in log.splitlines() if line.strip(" @\r")]
    return one_line(lines[-1], 200) if lines else "no message"
