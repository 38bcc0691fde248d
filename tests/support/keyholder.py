# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second host with the real dispatcher, which maintains the first one's repository in its stead."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keeper import Keeper, dispatcher_command
from session_world import CLIENT, Sshd, make_key

NAME = "keeper1"


@dataclass
class Keyholder:
    """A client of the same server with an sshd of its own; ``own`` is all that it has."""

    keeper: Keeper
    sshd: Sshd

    @property
    def own(self) -> Path:
        """The directory of this host."""
        return self.sshd.home

    @property
    def kept(self) -> Path:
        """Where a person puts the other one's passphrase and key."""
        return self.own / "keyholder" / CLIENT

    def provision(self) -> None:
        """Write both sides' records and let the other client's repository be maintained here."""
        base = self.own / "borg/keyholder" / CLIENT
        for path in (self.own / "tunnel", self.kept / "keys", base / "runtime"):
            path.mkdir(parents=True)
        make_key(self.own / "host_key")
        self.sshd.start()
        theirs = json.loads((self.keeper.world.own / "client.json").read_text())
        places = {"remote_dir": str(self.own / "tunnel"), "base_dir": str(self.own / "borg")}
        self.record = {**theirs, **places, "client": NAME, "passphrase_file": str(self.own / "passphrase")}
        self.write(keyholder_dir=str(self.own / "keyholder"), keyholder_for=[CLIENT])
        self.serve()
        self._record()
        self.keeper.world.write(keyholder=NAME)

    def write(self, **changes: Any) -> None:
        """Write client.json with ``changes``."""
        self.record |= changes
        (self.own / "client.json").write_text(json.dumps(self.record))

    def give(self, passphrase: str = "only for tests") -> None:
        """Put the passphrase there, as a person does."""
        (self.kept / "passphrase").write_text(passphrase)

    def forget(self, repository_id: str) -> None:
        """Have its Borg forget the newer state, as the role's entry point does."""
        base = self.own / "borg/keyholder" / CLIENT
        (base / f".config/borg/security/{repository_id}/manifest-timestamp").unlink()
        shutil.rmtree(base / f".cache/borg/{repository_id}")

    def serve(self, twist: str = "") -> None:
        """Let the server's key start the real dispatcher, which ``twist`` changes: Python that has its modules."""
        command = dispatcher_command(self.own, twist)
        public = (self.keeper.world.home / "id_ed25519").with_suffix(".pub").read_text()
        (self.own / "authorized_keys").write_text(f'restrict,port-forwarding,command="{command}" {public}')

    def _record(self) -> None:
        world = self.keeper.world
        known = self.own / "known_hosts"
        known.write_text(f"{NAME} {(self.own / 'host_key.pub').read_text()}")
        there = {"client": NAME, "port": self.sshd.port, "remote_dir": self.record["remote_dir"]}
        record = {**world.client, **there, "known_hosts_file": str(known)}
        (world.path / f"etc/clients/{NAME}.json").write_text(json.dumps(record))
