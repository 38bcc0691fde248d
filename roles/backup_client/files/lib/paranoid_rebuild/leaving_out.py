# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an archive does not come to another machine. What people may change is backup_client_rebuild_leave_out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# This collection's own, which provisioning has just made here, and dumps, which are no files of the system.
OWN = (
    "borgmatic",
    "etc/paranoid-backup",
    "etc/ssh/sshd_config.d/50-paranoid-backup.conf",
    "etc/sudoers.d/paranoid-backup",
    "etc/systemd/system/sshd-keygen*",
    "etc/tmpfiles.d/paranoid-backup.conf",
    "opt/paranoid-backup",
    "usr/local/libexec/paranoid-backup",
    "usr/local/sbin/paranoid-backup-*",
)
# Made anew by each release, or by its packages, for that release.
OF_A_RELEASE = (
    "etc/alternatives",
    "etc/apt",
    "etc/ca-certificates.conf",
    "etc/debian_version",
    "etc/dpkg",
    "etc/init.d",
    "etc/issue*",
    "etc/*-release",
    "etc/pam.d/common-*",
    "etc/rc?.d",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/yum.repos.d",
    "usr/local/lib/python*",
    "var/lib/pam",
)
# The files of a database server, where its dumps come back instead.
_DATA = {
    "postgresql_databases": ("var/lib/postgresql", "var/lib/pgsql"),
    "mysql_databases": ("var/lib/mysql",),
    "mariadb_databases": ("var/lib/mysql",),
    "mongodb_databases": ("var/lib/mongodb", "var/lib/mongo"),
}


def list_left_out(
    configured: Iterable[str],
    base_dir: str,
    databases: Mapping[str, Any],
    unchanged: Iterable[str],
    is_other_release: bool,
) -> list[str]:
    """Return paths and patterns, as paranoid-backup-restore takes them, that stay as they are on this machine.

    CONFIGURED are the role's; DATABASES say of which kinds dumps come back; UNCHANGED are configuration files as their
    packages brought them, which on another release stay as that release has them.
    """
    data = [path for kind, paths in _DATA.items() if databases.get(kind) for path in paths]
    newer = [*OF_A_RELEASE, *(escape(path) for path in unchanged)] if is_other_release else []
    return list(dict.fromkeys(path.strip("/") for path in (*configured, *OWN, base_dir, *data, *newer)))


def escape(path: str) -> str:
    """Return a path as a pattern that means itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
