# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's own directory on the server: ssh's log in it, and the socket that the tunnel leads to."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

SSH_LOG_LIMIT = 1024 * 1024  # bytes that ssh may write, into memory where run_dir is a tmpfs
_SHOWN = 64 * 1024


def make_session_dir(site: Site, uid: int, gid: int) -> tuple[str, str]:
    """Make the session's directory, which only the login user's group may pass, and ssh's log in it."""
    sessions = os.path.join(site.server.run_dir, "sessions")
    doors = os.path.join(site.server.run_dir, "doors")
    directory = os.path.join(sessions, site.client.repository_user)
    for path in (sessions, doors):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o711)
    os.makedirs(directory, exist_ok=True)
    ssh_log = os.path.join(directory, "ssh.log")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(ssh_log, flags, 0o600)
    if os.geteuid() == 0:
        os.chown(directory, 0, gid)
        os.fchown(descriptor, uid, gid)
    os.chmod(directory, 0o710)
    os.close(descriptor)
    return directory, ssh_log


def session_socket(peer: Site, directory: str, login_group: int) -> tuple[str, int]:
    """Return where the session socket is and which group may connect: ssh itself, or the peer's door."""
    if peer.client.transport == "ssh":
        user = account(peer.client.repository_user)
        return os.path.join(peer.server.run_dir, "doors", user.pw_name + ".sock"), user.pw_gid
    return os.path.join(directory, "gate.sock"), login_group


def listen(path: str, group: int) -> socket.socket:
    """Bind a unix socket at ``path``, where root and ``group`` may connect."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        os.unlink(path)  # Left by a session that was killed; this session holds the client's lock.
    listener.bind(path)
    if os.geteuid() == 0:
        os.chown(path, 0, group)
    os.chmod(path, 0o660)
    listener.listen(128)  # ssh gives up a connection that would have to wait
    listener.setblocking(False)
    return listener


@contextmanager
def removing(directory: str) -> Iterator[None]:
    """Remove the session's directory at the end, whatever happens in it."""
    try:
        yield
    finally:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)


def read_ssh_log(path: str) -> str:
    """Return ssh's log, cut after 64 KiB."""
    with open(path, encoding="utf-8", errors="backslashreplace") as handle:
        return handle.read(_SHOWN)


def is_full(ssh_log: str) -> bool:
    """Tell whether ssh had as much to say as it may write."""
    return os.stat(ssh_log).st_size >= SSH_LOG_LIMIT
