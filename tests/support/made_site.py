# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client on its server, as provisioning leaves both, without any provisioning: directories and records alone."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig, ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site


def make_site(place: Path, client: str = "web1", require_mount: bool = False) -> Site:
    """Return a site below ``place``, whose repository's directory is there, and empty."""
    repository, known_hosts = place / "srv" / client / "repo", place / "etc/known_hosts" / client
    for directory in (repository, place / "state" / client, known_hosts.parent, place / "etc/clients"):
        directory.mkdir(parents=True, exist_ok=True)
    known_hosts.write_text(f"{client} ssh-ed25519 AAAA{client}\n")
    server = ServerConfig(
        slots=2,
        login_user="login",
        ssh_command="/usr/bin/ssh",
        identity_file=str(place / "etc/ssh/id_ed25519"),
        python="/opt/python",
        lib_dir="/opt/lib",
        state_dir=str(place / "state"),
        run_dir=str(place / "run"),
        log_dir=str(place / "log"),
        repository_root=str(place / "srv"),
        require_mount=require_mount,
        host_id="server",
        log_keep=5,
        connect_timeout=1,
        idle_timeout=1,
        total_timeout=1,
        close_timeout=1,
    )
    return Site(
        server,
        ClientConfig(
            client=client,
            host="192.0.2.7",
            port=22,
            user="backup",
            transport="socket",
            remote_dir="/run/x",
            listen_port=64064,
            repository=str(repository),
            repository_user=f"bk-{client}",
            known_hosts_file=str(known_hosts),
        ),
    )
