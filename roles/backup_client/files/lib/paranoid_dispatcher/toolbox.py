# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools of a verb: Borg and borgmatic in a clean environment, behind the tunnel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from paranoid_dispatcher.config import Config
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.evidence import Evidence
from paranoid_dispatcher.hooks import Hooks
from paranoid_dispatcher.host import Note, place_to_unpack
from paranoid_dispatcher.journal import Journal
from paranoid_dispatcher.nonces import is_new, keep_apart
from paranoid_dispatcher.output import describe_archive
from paranoid_dispatcher.owner import Owner
from paranoid_dispatcher.owner_hooks import SYSTEM_PATH
from paranoid_dispatcher.process import Done, run
from paranoid_dispatcher.pythons import python_of
from paranoid_dispatcher.reasons import describe_failure, failure_reason, name_full_disk
from paranoid_dispatcher.request import Request
from paranoid_dispatcher.server_link import ServerLink

Record = dict[str, Any]


class Toolbox:
    """What a verb needs: the configuration, the request, the link to the server, and both programs."""

    def __init__(self, config: Config, request: Request, link: ServerLink) -> None:
        self.config, self.request, self.link = config, request, link
        self.evidence = Evidence(config.accept_unreadable if config else ())
        self.note: Note = lambda doing, seconds: None
        self.look_around: Callable[[bool], None] = lambda before: None
        self.owner = Owner()

    @cached_property
    def journal(self) -> Journal:
        """What becomes of after hooks; it is read when this host's lock is held, not before."""
        return Journal(Path(self.config.base_dir))

    @property
    def socket(self) -> Path:
        """The tunnel's end on this host (transport socket)."""
        return Path(self.config.remote_dir) / f"{self.request.session}.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The programs' environment; nothing of the session's own reaches them."""
        place = place_to_unpack(self.config.borg)
        return {**self.hook_environment, **({"TMPDIR": str(place)} if place else {})}

    @property
    def hook_environment(self) -> dict[str, str]:
        """The same for hooks, which may become users that cannot enter root's directories."""
        return {
            "PATH": f"{Path(self.config.borg).parent}:{SYSTEM_PATH}",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "BORG_BASE_DIR": self.config.base_dir,
            "XDG_STATE_HOME": f"{self.config.base_dir}/state",
            "XDG_RUNTIME_DIR": self.config.runtime_dir,
            "PARANOID_BACKUP_SOCKET": str(self.socket),
            "PARANOID_BACKUP_TAGGED_PATHS": json.dumps(self.config.tagged_paths),
        }

    def borg(self, *arguments: str) -> Done:
        """Run Borg on the repository; Failed if the tunnel or the passphrase is missing, or the work was stopped."""
        self._require_tunnel()
        self._require_passphrase()
        own = {
            "BORG_REPO": self.config.repository,
            "BORG_RSH": self.config.relay,
            "BORG_PASSCOMMAND": f"cat {self.config.passphrase_file}",
        }
        if self.config.keys_dir:
            own["BORG_KEYS_DIR"] = self.config.keys_dir
        return self._run([*self._program(arguments[0]), *arguments], {**self.environment, **own})

    def borgmatic(self, *arguments: str) -> str:
        """Run borgmatic with its hooks and return its standard output; Failed if one of them fails or was stopped."""
        self._require_tunnel()
        base = Path(self.config.base_dir)
        if arguments[0] == "create" and is_new(base):
            # So that there is a place in which to remember nonces. Why it fails, borgmatic says.
            with contextlib.suppress(OSError):
                self.borg("--critical", "list", "--last", "1")
        keep_apart(base)
        hooks = Hooks(self.config.hook_seconds, self.hook_environment, self.journal, self.note)
        hooks.look_around = self.look_around
        try:
            done = self._run(
                [self.config.borgmatic, "--config", self.config.config, *arguments], self.environment, hooks
            )
        finally:
            hooks.close()
        reason = self._failure(done, hooks)
        if reason:
            raise Failed(reason)
        return done.stdout.decode("utf-8", "replace")

    @property
    def told(self) -> Record:
        """What the answer tells of a backup however it ended: Borg's archive, and the remarks."""
        archive, remarks = self.evidence.archive, self.evidence.remarks
        return {
            **({"archive": describe_archive(archive)} if archive else {}),
            **({"remarks": remarks} if remarks is not None else {}),
        }

    def _failure(self, done: Done, hooks: Hooks) -> str:
        """Return why borgmatic or a hook failed, or an empty string; a before hook that failed is all the reason."""
        if hooks.skipped and not hooks.failures:
            return hooks.skipped
        own = ""
        if done.returncode and not hooks.before_failed:
            reason = describe_failure(self.evidence.failures, self.evidence.errors)
            own = reason or failure_reason(done.log.decode("utf-8", "replace"))
        own = name_full_disk(own, (self.config.base_dir, self.config.runtime_dir))
        return "; ".join([*([own] if own else []), *(failure for failure in hooks.failures if failure not in own)])

    def _run(self, argv: list[str], environment: dict[str, str], hooks: Optional[Hooks] = None) -> Done:
        done = run(argv, environment, self.link, self.evidence.feed, hooks)
        if done.stopped:
            raise Failed("; ".join([done.stopped, *(hooks.failures if hooks else [])]))
        return done

    def _program(self, command: str) -> list[str]:
        """Return how Borg is started: what encrypts does so with this host's own nonces."""
        if command != "delete":
            return [self.config.borg]
        if not self.config.keys_dir:
            keep_apart(Path(self.config.base_dir))
            return [self.config.borg]
        python = python_of(Path(self.config.borg))
        if not python:
            raise Failed(f"a keyholder needs Borg as a Python program, and {self.config.borg} is none")
        return [python, "-I", str(Path(__file__).with_name("keyholder_borg.py"))]

    def read_passphrase(self) -> str:
        """Return the passphrase as Borg gets it: without the line's end; Failed if it is missing."""
        self._require_passphrase()
        return Path(self.config.passphrase_file).read_text(encoding="utf-8").rstrip("\n")

    def _require_passphrase(self) -> None:
        if not Path(self.config.passphrase_file).is_file():
            missing = f"{self.config.passphrase_file} is missing"
            raise Failed(f"{missing}: put the passphrase of {self.config.client} there, for root only")

    def _require_tunnel(self) -> None:
        if self.config.transport == "socket" and not self.socket.is_socket():
            raise Failed(f"the tunnel's socket {self.socket} is not there")


def require_success(done: Done) -> Done:
    """Return DONE; Failed with the reason from its log if it ended with anything but 0."""
    if done.returncode:
        raise Failed(failure_reason(done.log.decode("utf-8", "replace")))
    return done
