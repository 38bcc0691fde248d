# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a folder: the real dispatcher as a process, with a tunnel and a repository behind it."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from launcher import install_launcher
from measured import coverage_environment
from relay import install_relay
from tool import ROOT

LIBRARY = ROOT / "roles/backup_client/files/lib"
START = (
    "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
    "from paranoid_dispatcher.main import main; sys.exit(main(pathlib.Path(sys.argv[2])))"
)
# The same, without patience: it waits a second for another session, and gives work a second to end.
IMPATIENT = START.replace(
    "from paranoid_dispatcher.main",
    "from paranoid_dispatcher import host, hooks, process;"
    "host.LOCK_SECONDS = hooks.END_SECONDS = process.GRACE_SECONDS = 1; from paranoid_dispatcher.main",
)
# The same, with so much patience that a test sees whether it was waited for.
PATIENT = START.replace(
    "from paranoid_dispatcher.main",
    "from paranoid_dispatcher import process; process.GRACE_SECONDS = 90; from paranoid_dispatcher.main",
)
# The same, and at last the most memory that it ever had, in KiB.
MEASURED = START.replace("sys.exit(main(pathlib.Path(sys.argv[2])))", "main(pathlib.Path(sys.argv[2]));") + (
    "status = pathlib.Path('/proc/self/status').read_text().split();"
    "pathlib.Path(sys.argv[2]).with_name('peak').write_text(status[status.index('VmHWM:') + 1])"
)
PEAK_KIB = 60 * 1024
BIN = Path(sys.executable).parent
SESSION = "feedc0de" * 4

needs_borg = pytest.mark.skipif(
    not all((BIN / name).exists() for name in ("borg", "borgmatic")) or not shutil.which("socat"),
    reason="borg, borgmatic and socat are not installed",
)


class Client:
    """A client in a folder: record, borgmatic configuration, tunnel socket with `borg serve` behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("remote", "base", "runtime", "source"):
            (path / name).mkdir()
        (path / "source" / "file").write_text("hello")
        (path / "passphrase").write_text("secret")
        install_relay(path)
        self.configure()
        self.record(borgmatic=install_launcher(path))

    def record(self, **changes: object) -> None:
        """Write client.json."""
        record = {
            "schema": 1,
            "client": "c1",
            "transport": "socket",
            "remote_dir": str(self.path / "remote"),
            "borgmatic": "",
            "borg": str(BIN / "borg"),
            "config": str(self.path / "borgmatic.yaml"),
            "repository": "ssh://paranoid-backup/c1",
            "passphrase_file": str(self.path / "passphrase"),
            "relay": str(self.path / "relay"),
            "base_dir": str(self.path / "base"),
            "runtime_dir": str(self.path / "runtime"),
            "deadline": 60,
        }
        (self.path / "client.json").write_text(json.dumps({**record, **changes}))

    def configure(self, *commands: dict[str, Any], **more: Any) -> None:
        """Write borgmatic.yaml (JSON is YAML)."""
        config = {
            "repositories": [{"path": "ssh://paranoid-backup/c1", "label": "server", "encryption": "repokey-blake2"}],
            "local_path": str(BIN / "borg"),
            "ssh_command": str(self.path / "relay"),
            "encryption_passcommand": f"cat {self.path}/passphrase",
            "source_directories": [str(self.path / "source")],
            "commands": list(commands),
            **more,
        }
        (self.path / "borgmatic.yaml").write_text(json.dumps(config))

    def borgmatic(self, script: str) -> None:
        """Put a shell script in the place of borgmatic."""
        (self.path / "fake").write_text(f"#!/bin/sh\n{script}\n")
        (self.path / "fake").chmod(0o755)
        self.record(borgmatic=str(self.path / "fake"))

    def start(self, verb: str = "backup", program: str = START) -> subprocess.Popen[bytes]:
        """Start the dispatcher and give it its request."""
        pipe = subprocess.PIPE
        argv = [sys.executable, "-I", "-c", program, str(LIBRARY), str(self.path / "client.json")]
        process = subprocess.Popen(
            argv, stdin=pipe, stdout=pipe, stderr=pipe, env={"EVIL": "1", **coverage_environment()}
        )
        stdin(process).write(json.dumps({"schema": 1, "verb": verb, "session": SESSION}).encode() + b"\n")
        stdin(process).flush()
        return process

    @contextlib.contextmanager
    def tunnel(self) -> Iterator[Path]:
        """Serve the repository behind the session's socket as long as it is needed."""
        path = self.path / "remote" / f"{SESSION}.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield path
        finally:  # A thread left in accept() would go on with whatever socket gets the number of this one next.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)
            listener.close()
        assert not thread.is_alive()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                with connection:
                    self._gate(connection)

    def _gate(self, connection: socket.socket) -> None:
        # The client names /c1; as on the server, its word does not matter.
        argv = [sys.executable, "-c", GATE, str(self.path / "repo")]
        environment = {"PATH": "/usr/bin:/bin", "BORG_BASE_DIR": str(self.path / "server"), "BORG_SELFTEST": "disabled"}
        ends = connection.fileno()
        subprocess.run(argv, stdin=ends, stdout=ends, env=environment, check=False)


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A client in a folder with a short name: the path of a socket has at most 107 characters (unix(7))."""
    return Client(tmp_path_factory.mktemp("c"))


GATE = """
import sys
from borg.remote import RepositoryServer
from borg.helpers import prepare_subprocess_env
class One(RepositoryServer):
    def _resolve_path(self, path):
        return sys.argv[1]
One([], [], False, None).serve()
"""


def stdin(process: subprocess.Popen[bytes]) -> Any:
    """Return the pipe that keeps the session open."""
    return process.stdin


def answers(process: subprocess.Popen[bytes], seconds: float = 120) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Wait with standard input open; return hello, result and log."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    with ThreadPoolExecutor() as pool:
        log_read = pool.submit(process.stderr.read) if process.stderr else None
        lines = process.stdout.read().splitlines() if process.stdout else []
    log = log_read.result().decode("utf-8", "backslashreplace") if log_read else ""
    process.wait()
    timer.cancel()
    stdin(process).close()
    assert len(lines) == 2, (lines, log)
    hello, result = (json.loads(line) for line in lines)
    assert hello == {"schema": 1, "hello": SESSION}
    return hello, result, log


def alive(pid_file: Path) -> bool:
    """Tell whether the process that wrote its number there still runs."""
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    return state.exists() and state.read_text().split()[2] != "Z"


def wait_for(path: Path) -> None:
    """Wait until a script has written its file."""
    until = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.05)


def gone(pid_file: Path, seconds: float = 60) -> bool:
    """Tell whether the process ends within so many seconds."""
    until = time.monotonic() + seconds
    while alive(pid_file) and time.monotonic() < until:
        time.sleep(0.1)
    return not alive(pid_file)
