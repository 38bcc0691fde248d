# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb works with: Borg and borgmatic in a clean environment, behind the tunnel."""

from __future__ import annotations

from pathlib import Path

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.output import reason_of
from paranoid_dispatcher.process import Done, run
from paranoid_dispatcher.request import Request
from paranoid_dispatcher.session import Session

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Work:
    """What a verb needs: the configuration, the open session, and borgmatic in a clean environment."""

    def __init__(self, config: Config, request: Request, session: Session) -> None:
        self.config, self.request, self.session = config, request, session

    @property
    def socket(self) -> Path:
        """The tunnel's end on this host (transport socket)."""
        return Path(self.config.remote_dir) / f"{self.request.session}.sock"

    def environment(self) -> dict[str, str]:
        """Nothing of the session's own environment reaches the work."""
        return {
            "PATH": f"{Path(self.config.borg).parent}:{SYSTEM_PATH}",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "BORG_BASE_DIR": self.config.base_dir,
            "XDG_STATE_HOME": f"{self.config.base_dir}/state",
            "XDG_RUNTIME_DIR": self.config.runtime_dir,
            "PARANOID_BACKUP_SOCKET": str(self.socket),
        }

    def borg(self, *arguments: str) -> Done:
        """Run Borg on the repository; Failed when tunnel or passphrase are not there, or the work was stopped."""
        self._require_tunnel()
        self._require_passphrase()
        own = {
            "BORG_REPO": self.config.repository,
            "BORG_RSH": self.config.relay,
            "BORG_PASSCOMMAND": f"cat {self.config.passphrase_file}",
        }
        if self.config.keys_dir:
            own["BORG_KEYS_DIR"] = self.config.keys_dir
        done = run([self.config.borg, *arguments], {**self.environment(), **own}, self.session)
        if done.stopped:
            raise Failed(done.stopped)
        return done

    def borgmatic(self, *arguments: str) -> str:
        """Run borgmatic and return its standard output; Failed with its reason when it fails or is stopped."""
        self._require_tunnel()
        done = run(
            [self.config.borgmatic, "--config", self.config.config, *arguments], self.environment(), self.session
        )
        if done.stopped:
            raise Failed(done.stopped)
        if done.returncode:
            raise Failed(reason_of(done.log.decode("utf-8", "replace")))
        return done.stdout.decode("utf-8", "replace")

    def _require_passphrase(self) -> None:
        if not Path(self.config.passphrase_file).is_file():
            missing = f"{self.config.passphrase_file} is missing"
            raise Failed(f"{missing}: put the passphrase of {self.config.client} there, for root only")

    def _require_tunnel(self) -> None:
        if self.config.transport == "socket" and not self.socket.is_socket():
            raise Failed(f"the tunnel's socket {self.socket} is not there")
