# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server and a client on this machine: records, keys, a real sshd on loopback, and what is left of a session."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session.engine import perform
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order
from measured import measure_library
from relay import install_relay
from tool import ROOT

LIB = ROOT / "roles/backup_server/files/lib"
VENV = ROOT / ".cache/venv"
CLIENT = "web1"
IS_ROOT = os.geteuid() == 0
OK = ("ok", "", "")
_ME = pwd.getpwuid(os.geteuid()).pw_name
# Accounts that every Debian has, so that the change of user is real without touching /etc/passwd.
LOGIN_USER, REPOSITORY_USER, STRANGER = ("www-data", "daemon", "games") if IS_ROOT else (_ME, _ME, _ME)

_SSHD_CONFIG = """\
{extra}
ListenAddress 127.0.0.1:{port}
HostKey {home}/host_key
PidFile none
UsePAM no
StrictModes no
AuthenticationMethods publickey
PermitRootLogin forced-commands-only
AuthorizedKeysFile {home}/authorized_keys
AllowTcpForwarding remote
PermitListen none
PermitOpen none
AllowStreamLocalForwarding remote
LogLevel VERBOSE
"""


def run(*argv: str | Path) -> None:
    """Run a command that must succeed, quietly."""
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


def make_key(path: Path, owner: str | None = None) -> str:
    """Make an ed25519 key pair and return its public line."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
    path.chmod(0o400)
    if owner and IS_ROOT:
        shutil.chown(path, owner)
    return path.with_suffix(".pub").read_text().strip()


def make_home(home: Path) -> None:
    """Put Python with Borg and the gate's code where the repository's user can read them.

    It is always the older Python: where tests run with the newest one, only root may perhaps enter that one's place.
    """
    run(os.path.realpath(VENV / "bin/python3"), "-m", "venv", "--without-pip", "--symlinks", home / "venv")
    installed, packages = (next((venv / "lib").glob("python3*")) / "site-packages" for venv in (VENV, home / "venv"))
    for name in ("borg", "msgpack", "packaging"):
        shutil.copytree(installed / name, packages / name)
    shutil.copytree(LIB, home / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    measure_library(packages, home / "lib")
    make_key(home / "id_ed25519", LOGIN_USER)


@dataclass
class Sshd:
    """The client's sshd: ``port`` is where it listens, ``process`` what ends it."""

    home: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self, extra: str = "") -> None:
        """Start sshd on a free port of loopback and wait until it answers."""
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        config = self.home / "sshd_config"
        config.write_text(_SSHD_CONFIG.format(port=self.port, home=self.home, extra=extra))
        with (self.home / "sshd.log").open("ab") as log:
            argv = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self.home / "sshd.log").read_text())

    def connections(self) -> list[int]:
        """Return the processes of this sshd that serve a connection."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def stop(self) -> None:
        """End sshd and everything below it."""
        if self.process is None:
            return
        for child in self.connections():
            _kill(child)
        self.process.kill()
        self.process.wait()
        self.process = None


@dataclass
class World:
    """One provisioned client. ``server`` and ``client`` are the records; change them, then ``write`` them."""

    path: Path
    home: Path
    sshd: Sshd
    server: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = {
            "schema": 1,
            "slots": 2,
            "login_user": LOGIN_USER,
            "ssh_command": "/usr/bin/ssh",
            "identity_file": str(self.home / "id_ed25519"),
            "python": str(self.home / "venv/bin/python3"),
            "lib_dir": str(self.home / "lib"),
            **{f"{name}_dir": str(self.path / name) for name in ("state", "run", "log")},
            "repository_root": str(self.path / "srv"),
            "require_mount": False,
            "host_id": "server@paranoid",
            "sshd_config": str(self.path / "etc/sshd_config"),
            "log_keep": 50,
            # Long enough for a busy machine: a test of a deadline sets its own.
            "connect_timeout": 30,
            "idle_timeout": 30,
            "total_timeout": 90,
            "close_timeout": 20,
        }
        self.client = {
            "schema": 1,
            "client": CLIENT,
            "host": "127.0.0.1",
            "port": self.sshd.port,
            "user": _ME,
            "transport": "socket",
            "remote_dir": str(self.path / "client/tunnel"),
            "listen_port": 64064,
            "repository": str(self.repository),
            "repository_user": REPOSITORY_USER,
            "known_hosts_file": str(self.path / "known_hosts"),
            "quota": None,
            "keyholder": None,
            "proxy_jump": None,
        }

    @property
    def repository(self) -> Path:
        """Where the client's repository is."""
        return self.path / "srv" / CLIENT / "repo"

    @property
    def run_dir(self) -> Path:
        """Where locks, slots and sessions are."""
        return self.path / "run"

    @property
    def own(self) -> Path:
        """The client's own directory: source, Borg's files, tunnel."""
        return self.path / "client"

    def build(self) -> None:
        """Make the directories, keys and records of a client that has no repository yet."""
        for name in ("etc/clients", "client/source", "client/tunnel", f"srv/{CLIENT}"):
            (self.path / name).mkdir(parents=True)
        self.repository.mkdir(mode=0o700)
        if IS_ROOT:
            shutil.chown(self.repository, REPOSITORY_USER, REPOSITORY_USER)
        (self.own / "source/file").write_bytes(os.urandom(200_000))
        (self.own / "borg_path").write_text(str(Path(sys.executable).parent / "borg"))
        install_relay(self.own)
        self.pin(self.sshd.home / "host_key.pub")
        self.dispatch("honest")
        self.write()

    def write(self, **changes: Any) -> None:
        """Write both records, with ``changes`` to whichever has the key."""
        for key, value in changes.items():
            (self.client if key in self.client else self.server)[key] = value
        (self.path / "etc/server.json").write_text(json.dumps(self.server))
        (self.path / f"etc/clients/{CLIENT}.json").write_text(json.dumps(self.client))

    def pin(self, key: Path) -> None:
        """Pin a host key for the client."""
        (self.path / "known_hosts").write_text(f"{CLIENT} {key.read_text()}")

    def dispatch(self, behaviour: str, options: str = "restrict,port-forwarding", key: Path | None = None) -> None:
        """Let the server's key start ``honest``, or one of the functions of dispatchers/hostile.py."""
        script = "honest.py" if behaviour == "honest" else "hostile.py"
        program = ROOT / "tests/integration/session/dispatchers" / script
        argv = f"{os.path.realpath(sys.executable)} -I {program} {self.own} {behaviour}"
        public = (key or self.home / "id_ed25519").with_suffix(".pub").read_text()
        (self.sshd.home / "authorized_keys").write_text(f'{options},command="{argv}" {public}')

    def order(self, verb: str, **options: Any) -> Order:
        """Return an order for this world's client."""
        return Order(**{"client": CLIENT, "verb": verb, "config_dir": str(self.path / "etc"), **options})

    def session(self, verb: str = "backup", **options: Any) -> Outcome:
        """Hold a session in this process."""
        return perform(self.order(verb, **options))

    def start_session(self, verb: str = "backup") -> subprocess.Popen[bytes]:
        """Hold a session in a process of its own, which prints its result as JSON."""
        code = (
            "import json, sys\nfrom ansible_collections.paranoid.backup.plugins.module_utils._session.engine import *\n"
        )
        code += "print(json.dumps(perform(Order('web1', sys.argv[1], config_dir=sys.argv[2])).to_dict()))"
        argv = [sys.executable, "-c", code, verb, str(self.path / "etc")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)

    @staticmethod
    def result(session: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return the result of ``start_session``, empty when it was killed."""
        output, _nothing = session.communicate(timeout=300)
        found: dict[str, Any] = json.loads(output or "{}")
        return found

    def grow(self, megabytes: int) -> None:
        """Add incompressible data to the source."""
        with (self.own / "source/big").open("wb") as handle:
            for _ in range(megabytes):
                handle.write(os.urandom(1024**2))

    def server_processes(self) -> list[str]:
        """Return the command lines of ssh and gates that still run for this world's server."""
        marks = (str(self.run_dir), str(self.path / "srv"))
        return [line for _pid, line in processes() if any(mark in line for mark in marks)]

    def client_processes(self) -> list[str]:
        """Return the command lines of dispatchers, Borg and relays that still run on this world's client."""
        return [line for _pid, line in processes() if str(self.own) in line]

    def server_owners(self) -> list[tuple[list[str], str]]:
        """Return argv and user of every process that runs as another user for this world's server."""
        marks = (str(self.run_dir), str(self.path / "srv"))
        found = [(pid, line) for pid, line in processes() if any(mark in line for mark in marks)]
        return [(line.split(" "), Path(f"/proc/{pid}").owner()) for pid, line in found]

    def leftovers(self) -> list[str]:
        """Return what a session left behind on the server: processes, files, open descriptors."""
        folders = (self.run_dir / "sessions", self.run_dir / "doors")
        files = [str(path) for folder in folders if folder.exists() for path in folder.iterdir()]
        descriptors = [link for link in _own_descriptors() if str(self.path) in link]
        return [*self.server_processes(), *files, *descriptors]

    def kill_clients(self) -> None:
        """Kill dispatchers of this world that are deaf to everything else."""
        for pid, line in processes():
            if str(self.own) in line:
                _kill(pid)


def came_to(outcome: Outcome) -> tuple[str, str, str]:
    """Return status, code and reason of a session."""
    return (outcome.conclusion.status, outcome.conclusion.code, outcome.conclusion.reason)


def failed(world: World, verb: str = "backup", **options: object) -> tuple[str, str]:
    """Hold a session that must fail and leave nothing behind; return its code and reason."""
    outcome = world.session(verb, **options)
    assert outcome.conclusion.status == "failed"
    assert outcome.conclusion.reason.isprintable() and not outcome.changed
    assert world.leftovers() == []
    return outcome.conclusion.code, outcome.conclusion.reason


def assert_next_session_works(world: World) -> None:
    """Assert that the session before left lock and slot free, and the way to the client open."""
    world.kill_clients()
    world.dispatch("polite")
    assert came_to(world.session("open")) == OK


def processes() -> list[tuple[int, str]]:
    """Return every process but this one, and its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found.append((int(entry.name), line))
    return found


def _own_descriptors() -> list[str]:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(entry))
        except OSError:
            continue
    return links


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
