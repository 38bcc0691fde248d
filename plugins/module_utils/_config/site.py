# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client on this server: its configuration and the server's, its state files, and the server's ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ClientConfig,
    ServerConfig,
    load_client,
    load_server,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger


@dataclass(frozen=True)
class Site:
    """The place of work on one client's repository. Close it (``contextlib.closing``): it may hold the ledger open."""

    server: ServerConfig
    client: ClientConfig

    @property
    def name(self) -> str:
        """The client's name."""
        return self.client.client

    @cached_property
    def ledger(self) -> Ledger:
        """The server's ledger, opened when it is first used: a backup goes on while the ledger cannot be read."""
        return Ledger.open(os.path.join(self.server.state_dir, NAME))

    def close(self) -> None:
        """Close the ledger if it was opened."""
        if "ledger" in self.__dict__:
            self.ledger.close()
            del self.__dict__["ledger"]

    def state_file(self, name: str) -> str:
        """Return the path of a file that the server keeps about this client, out of reach of the repository's user."""
        return os.path.join(self.server.state_dir, self.name, name)


def load_site(config_dir: str, client: str) -> Site:
    """Read both configurations; the caller has validated the client's name."""
    return Site(load_server(config_dir), load_client(config_dir, client))
