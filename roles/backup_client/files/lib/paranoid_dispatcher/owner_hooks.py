# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hooks.d: the programs that the owner of this host has run around a backup or a restore.

Each gets two arguments, the operation (``backup`` or ``restore``) and the state:

- ``pre``: before anything is done; the first that fails stops the operation;
- ``inspect``: all is prepared, nothing is saved or written yet; one that fails stops the operation;
- ``error``: the operation failed or was cut off, and nothing is at work any more;
- ``post``: at the end, whatever came before it.

The last two are run for each hook whose ``pre`` was begun. Which hooks there are is settled at the beginning; whether
one is still root's alone is looked at each time before it is run.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.hooks import Hook
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.trust import find_distrust

NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)  # as run-parts(8) has it
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HINTS = {
    errno.ENOEXEC: "it is no program: does it begin with a line such as #!/bin/sh?",
    errno.ENOENT: "it, or the interpreter that its first line names, is not there",
    errno.EACCES: "it may not be executed: is its file system mounted noexec?",
}


@dataclass(frozen=True)
class Found:
    """The hooks in the order of their names, and a line about everything else that lies there."""

    hooks: tuple[Path, ...] = ()
    skipped: tuple[str, ...] = ()


NONE = Found()


def find_hooks(directory: Path) -> Found:
    """Look into DIRECTORY; Failed if others than root could have put something there, or taken it away."""
    try:
        names = sorted(os.listdir(directory), key=os.fsencode)
    except FileNotFoundError:
        return Found()
    except OSError as exc:
        raise Failed(f"the hooks in {directory} cannot be listed: {exc.strerror}") from exc
    _require_trust(directory)
    hooks = []
    skipped = []
    for name in names:
        why = _find_obstacle(directory / name)
        if not why:
            hooks.append(directory / name)
        elif not name.startswith("."):
            skipped.append(f"{directory.name}/{printable(name, 50)} is not run: {why}")
    return Found(tuple(hooks), tuple(skipped))


def _find_obstacle(path: Path) -> str:
    """Say why PATH is no hook, as an editor's copy or a package's leftover is none."""
    if not NAME.fullmatch(path.name):
        return "the name of a hook has only letters, digits, _ and -"
    _require_trust(path)
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return "it is no file"
    return "" if mode & stat.S_IXUSR else "it is not executable (chmod u+x)"


def _require_trust(path: Path) -> None:
    why = find_distrust(path)
    if why:
        raise Failed(f"no hook is run, and nothing is done without them: {printable(why, 300)}")


class OwnerHooks:
    """The hooks around one operation.

    ``run`` starts one, with what it finds in its environment, and returns what is wrong with it as a sentence.
    ``remember`` is told which are owed, and what has failed, before each begins.
    """

    def __init__(
        self,
        found: Found = NONE,
        operation: str = "",
        run: Callable[[Hook, Mapping[str, str]], str] = lambda hook, told: "",
        remember: Callable[[Sequence[str], Sequence[str]], None] = lambda owed, failures: None,
    ) -> None:
        self._found, self._operation, self._run, self._remember = found, operation, run, remember
        self._owed: list[Path] = []
        self.failures: list[str] = []

    def begin(self) -> None:
        """Run all of them with ``pre``; Failed at the first that fails."""
        for path in self._found.hooks:
            self._owed.append(path)
            self._note()
            self._require(path, "pre", {})

    def inspect(self, told: Mapping[str, str]) -> None:
        """Run all of them with ``inspect``; Failed at the first that fails."""
        for path in self._found.hooks:
            self._require(path, "inspect", told)

    def end(self, reason: str) -> list[str]:
        """Run those that were begun with ``error`` if there is a REASON, then with ``post``; return what failed."""
        told = {"PARANOID_BACKUP_REASON": printable(reason, 500)} if reason else {}
        for path in [*self._owed] if reason else []:
            self._attempt(path, "error", told)
        while self._owed:
            self._attempt(self._owed[0], "post", told)
            self._owed.pop(0)
            self._note()
        return self.failures

    def _require(self, path: Path, state: str, told: Mapping[str, str]) -> None:
        problem = self._start(path, state, told)
        if problem:
            raise Failed(problem)

    def _attempt(self, path: Path, state: str, told: Mapping[str, str]) -> None:
        problem = self._start(path, state, told)
        self.failures += [problem] if problem else []

    def _start(self, path: Path, state: str, told: Mapping[str, str]) -> str:
        hook = self._hook(path, state)
        why = find_distrust(path)
        return f"the {hook} is not run: {printable(why, 300)}" if why else self._run(hook, told)

    def _hook(self, path: Path, state: str) -> Hook:
        words = (self._operation, state)
        before = state in ("pre", "inspect")
        return Hook("hooks.d", before, f"hooks.d/{path.name}", " ".join(words), 0o077, program=(str(path), *words))

    def _note(self) -> None:
        self._remember([str(self._hook(path, "post")) for path in self._owed], self.failures)


def hook_environment(client: str) -> dict[str, str]:
    """Return all that a hook finds in its environment, but for what a state adds."""
    return {"PATH": SYSTEM_PATH, "HOME": "/root", "LANG": "C.UTF-8", "PARANOID_BACKUP_CLIENT": client}


def explain_start(hook: Hook, error: OSError) -> str:
    """Say why a hook could not be started."""
    return f"the {hook} could not be started: {HINTS.get(error.errno or 0, error.strerror)}"
