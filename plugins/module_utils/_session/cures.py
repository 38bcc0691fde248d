# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a client that the server does not reach; never the command that is just saying it."""

from __future__ import annotations

from dataclasses import dataclass

_JOURNAL = "its sshd says why (journalctl -t sshd -t sshd-session on that host)"


@dataclass(frozen=True)
class Cure:
    """What a person does next: after a session of a run, and after one of provisioning, which is site.yml itself."""

    later: str
    provisioning: str


CURES = {
    "unknown_host": Cure(
        "mend DNS or /etc/hosts on the server, or set backup_client_host and run site.yml for it",
        "set backup_client_host to an address that the server knows",
    ),
    "unreachable": Cure(
        "switch it on, open the way from the server, or set backup_client_host or backup_client_port and run site.yml",
        "the server itself must get there, without Ansible's jump host: set backup_client_host and backup_client_port "
        "to where it does, backup_client_proxy_jump, or open the way",
    ),
    "host_key_changed": Cure(
        "if the host was reinstalled, run site.yml for it",
        "Ansible works on another host than the one that answers there: correct backup_client_host, backup_client_port",
    ),
    "key_refused": Cure("run site.yml for it, which names what stands in the way", _JOURNAL),
    "tunnel_refused": Cure(
        "run site.yml for it, which names what stands in the way",
        f"{_JOURNAL}; where unix sockets cannot be forwarded, set backup_client_transport to ssh",
    ),
    "no_dispatcher": Cure("run site.yml for it, which names what stands in the way", _JOURNAL),
}


def with_cure(code: str, reason: str, provisioning: bool) -> str:
    """Return the reason with what to do about it, in one line."""
    found = CURES.get(code)
    if found is None:
        return reason
    return f"{reason}: {found.provisioning if provisioning else found.later}"
