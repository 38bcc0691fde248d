# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg as a client runs it, on a repository of its own, and a directory that an unprivileged user of the host owns."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measured import coverage_environment
from tool import ROOT

LIBRARY = ROOT / "roles/backup_client/files/lib"
BIN = Path(sys.executable).parent
USER = 31_337  # nobody on any host
_START = (
    "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv.pop(1));"
    "from paranoid_borg.main import main; main()"
)


@dataclass(frozen=True)
class Made:
    """What came of `borg create`: its exit code, what it logged (JSON lines), and the names in the archive."""

    returncode: int
    log: tuple[dict[str, str], ...]
    names: frozenset[str]

    def told(self, msgid: str) -> list[str]:
        """Return the messages of one kind."""
        return [str(line["message"]) for line in self.log if line.get("msgid") == msgid]


@dataclass(frozen=True)
class ClientBorg:
    """Borg's place on a host: ``path`` is everybody's to enter, ``path/home`` the user's own."""

    path: Path

    @property
    def home(self) -> Path:
        """The user's own directory."""
        return self.path / "home"

    @property
    def program(self) -> Path:
        """Borg as borgmatic starts it."""
        return self.path / "private/program"

    @property
    def runtime(self) -> Path:
        """Borgmatic's runtime directory."""
        return self.path / "private/runtime"

    def make(self) -> None:
        """Make the repository and the user's directory."""
        self.path.chmod(0o755)
        (self.path / "private").mkdir(mode=0o700)
        self.home.mkdir()
        os.chown(self.home, USER, USER)
        self.borg("init", "-e", "none")
        install_guard(self.program)

    def as_user(self, script: str) -> None:
        """Run a shell script in the user's directory as the user."""
        subprocess.run(["sh", "-euc", script], cwd=self.home, user=USER, group=USER, extra_groups=[], check=True)

    def borg(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run stock Borg."""
        argv = [str(BIN / "borg"), *arguments]
        return subprocess.run(argv, env=self._environment({}), capture_output=True, text=True, check=False)

    def argv(self, *options: str, twist: str = "", name: str = "it") -> list[str]:
        """Return the command that saves the user's directory; ``twist`` changes the code first."""
        start = [
            sys.executable,
            "-I",
            "-c",
            _START.replace("main()", f"{twist or 'pass'}; main()"),
            str(LIBRARY),
            "create",
            "--log-json",
        ]
        return [*start, *options, f"::{name}", str(self.home)]

    def create(
        self, *options: str, twist: str = "", environment: Mapping[str, str] | None = None, seconds: float = 120
    ) -> Made:
        """Save the user's directory; what hangs ends the test after ``seconds``."""
        argv = self.argv(*options, twist=twist)
        env = self._environment(environment or {})
        done = subprocess.run(argv, env=env, capture_output=True, timeout=seconds, check=False)
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith(b"{")]
        return Made(done.returncode, tuple(lines), frozenset(self.listed()))

    def borgmatic(self, config: Mapping[str, object], seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Save the user's directory as borgmatic does, with more in its configuration; nothing is encrypted."""
        repository = str(self.path / "private/repository")
        own = {
            "repositories": [{"path": repository}],
            "local_path": str(self.program),
            "source_directories": [str(self.home)],
            "archive_name_format": "it",
            "match_archives": "sh:*",
            "unsafe_skip_path_validation_before_create": True,
        }
        (self.path / "private/borgmatic.yaml").write_text(json.dumps({**own, **config}))
        argv = ["timeout", "-s", "KILL", str(seconds), str(BIN / "borgmatic")]  # with Borg, which would outlive it
        argv += ["--config", str(self.path / "private/borgmatic.yaml"), "create", "--json"]
        return subprocess.run(argv, env=self._environment({}), capture_output=True, text=True, check=False)

    def listed(self) -> dict[str, str]:
        """Return the type, as `ls` has it, of what the archive holds, by name in the user's directory or by path."""
        found = self.borg("list", "--json-lines", "::it").stdout.splitlines()
        below = str(self.home).lstrip("/") + "/"
        return {item["path"].removeprefix(below): item["type"] for item in map(json.loads, found)}

    def content(self, name: str) -> bytes:
        """Return what the archive has of a file in the user's directory."""
        argv = [
            str(BIN / "borg"),
            "extract",
            "--stdout",
            "::it",
            name if name.startswith("borgmatic/") else f"{self.home}/{name}".lstrip("/"),
        ]
        return subprocess.run(argv, env=self._environment({}), capture_output=True, check=True).stdout

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "BORG_BASE_DIR": str(self.path / "private/borg"),
            "BORG_REPO": str(self.path / "private/repository"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_EXIT_CODES": "modern",
            **coverage_environment(),
            **more,
        }


def install_guard(program: Path) -> str:
    """Install Borg behind its guard, as the role does."""
    program.write_text(f"#!{sys.executable} -I\nimport sys; sys.argv.insert(1, {str(LIBRARY)!r}); {_START}\n")
    program.chmod(0o755)
    return str(program)


@contextlib.contextmanager
def temporary_host() -> Iterator[ClientBorg]:
    """Yield a place below the system's temporary directory: a user could not enter pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="client-borg-"))
    try:
        made = ClientBorg(path)
        made.make()
        yield made
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)  # a tree may be too deep for Python
