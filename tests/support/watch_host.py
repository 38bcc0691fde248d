# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine as a server that is watched: an /etc of its own, the role's account and sudoers line, sshd and sudo.

`watch_host` starts this file in a mount namespace of its own; it plays every act and prints what each came to.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from private_host import _become
from tool import ROOT

ETC, LIB = Path("/etc/paranoid-backup"), Path("/usr/local/lib/paranoid-backup")
RUNNER = ROOT / "roles/backup_runner/files/lib"
QUIET = {"mail_hours": 0, "rehearsal_days": 0}


def watch_host() -> dict[str, Any]:
    """Return what came of each act by its name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C.UTF-8"}
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


class Host:
    """The server and, in a directory of its own, the watch."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.state, self.watch = place / "state", Path("/usr/local/watch")  # where that account may go
        self.ledger = self.state / "ledger.sqlite"
        self.port = 0

    def build(self) -> str:
        """Make both by the roles' own tasks, each twice; return Ansible's recap."""
        for path in (self.state, self.place / "srv", ETC / "clients"):
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
        recap = self._provision()
        key = " ".join((self.watch / "id_ed25519.pub").read_text().split()[:2])
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.watch / "other"], check=True)
        self._write_records([{"name": "tower", "key": key}])
        return recap

    def _servers(self) -> list[dict[str, Any]]:
        """Whom the watch asks."""
        keys = [" ".join(path.read_text().split()[:2]) for path in sorted(Path("/etc/ssh").glob("ssh_host_*_key.pub"))]
        return [{"name": "vault", "host": "127.0.0.1", "port": self.port, "host_keys": keys, "rules": QUIET}]

    def look(self, *words: str) -> dict[str, Any]:
        """Let the watch look; return its answer with its exit code."""
        argv = [sys.executable, "-I", str(RUNNER), "watch", "--config", str(ETC / "watch.json"), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert not done.stderr, done.stderr
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return {"code": done.returncode, "said": done.stdout}
        return {"code": done.returncode, **found["servers"][0]}

    def ask(self, word: str, given: bytes = b"", key: str = "id_ed25519") -> dict[str, Any]:
        """Type words over ssh with a key of the watch's."""
        fixed = {"BatchMode": "yes", "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}
        options = [text for name, value in fixed.items() for text in ("-o", f"{name}={value}")]
        login = [
            "-i",
            str(self.watch / key),
            "-o",
            "IdentitiesOnly=yes",
            "-p",
            str(self.port),
            "paranoid-watch@127.0.0.1",
        ]
        argv = ["ssh", "-F", "none", "-T", "-o", "LogLevel=ERROR", *options, *login, *([word] if word else [])]
        done = subprocess.run(argv, input=given, capture_output=True, check=False, timeout=300)
        return {"code": done.returncode, "out": done.stdout.decode()[:200], "said": done.stderr.decode()}

    def backup(self, client: str, number: int, hours: float = 1.0, **changes: Any) -> None:
        """Enter a session of so many hours ago."""
        from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
            ReportedArchive,
            SessionEntry,
        )
        from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

        archive = ReportedArchive(f"{number:064x}", f"{client}-{number}")
        usual = {"status": "ok", "commits": 1, "manifests": 1, "archive": archive, "came": archive.id}
        entry = SessionEntry(client, "backup", f"{number:032x}", "run", **{**usual, **changes})
        with Ledger.open(str(self.ledger), lambda: datetime.now(UTC) - timedelta(hours=hours)) as ledger:
            ledger.append(entry)

    def kept(self) -> dict[str, Any] | None:
        """Return the witness that the server has."""
        path = self.state / "witnesses/tower.json"
        found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
        return found

    def _provision(self) -> str:
        """The watch makes its key, then the server admits it; and both once more."""
        key = f"{{{{ lookup('ansible.builtin.file', '{self.watch}/id_ed25519.pub') }}}}"
        shared = {"ansible_facts": {"os_family": "Debian"}, "ansible_managed": "Ansible"}
        watch = {
            "backup_runner_watch_servers": self._servers(),
            "backup_runner_watch_name": "tower",
            "backup_runner_watch_minutes": 0,
            "__backup_runner_watch_state": str(self.watch),
        }
        server = {
            "backup_server_watches": [{"name": "tower", "key": key, "from": ["127.0.0.1"]}],
            "__backup_server_lib_dir": str(LIB),
            "__backup_server_config_dir": str(ETC),
            "__backup_server_run_dir": "/run/paranoid-backup",
            "__backup_server_venv": sys.prefix,
            "__backup_server_visudo": "/usr/sbin/visudo",
            "__backup_server_watch_sudoers": "/etc/sudoers.d/paranoid-backup-watch",
        }
        parts = (
            ("backup_runner", "watch", watch),
            ("backup_server", "gate", server),
            ("backup_server", "watch", server),
        )
        tasks = [
            {
                "ansible.builtin.include_role": {"name": f"paranoid.backup.{role}", "tasks_from": part},
                "vars": shared | given,
            }
            for role, part, given in (*parts, *parts)
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        play["vars"] = {"ansible_python_interpreter": sys.executable}
        (self.place / "play.yml").write_text(json.dumps([play]))
        settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
        program = Path(sys.executable).parent / "ansible-playbook"
        argv: list[str | Path] = [program, "-i", "localhost,", self.place / "play.yml"]
        done = subprocess.run(argv, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.rsplit("localhost", 1)[1]

    def _write_records(self, watches: list[dict[str, str]]) -> None:
        numbers = dict.fromkeys(
            ("slots", "log_keep", "connect_timeout", "idle_timeout", "total_timeout", "close_timeout"), 1
        )
        texts = dict.fromkeys(("login_user", "ssh_command", "identity_file", "python", "lib_dir", "log_dir"), "x")
        places = {
            "state_dir": str(self.state),
            "run_dir": "/run/paranoid-backup",
            "repository_root": str(self.place / "srv"),
        }
        server = {
            "schema": 1,
            "require_mount": False,
            "host_id": "server-1",
            "watches": watches,
            **numbers,
            **texts,
            **places,
        }
        (ETC / "server.json").write_text(json.dumps(server))
        for name in ("web1", "db1"):
            client = {"schema": 1, "client": name, "host": "x", "port": 22, "user": "x", "transport": "socket"}
            client |= {
                "remote_dir": "x",
                "listen_port": 1,
                "repository": "x",
                "repository_user": "x",
                "known_hosts_file": "x",
            }
            (ETC / f"clients/{name}.json").write_text(json.dumps(client | {"schedule": {"every": "1d"}}))


def main() -> None:
    """Become the host and play."""
    _become()
    place = Path(tempfile.mkdtemp())
    host = Host(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host.port = free.getsockname()[1]
    seen: dict[str, Any] = {"provisioned": host.build()}
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-p", str(host.port)], stderr=subprocess.PIPE, text=True)
    try:
        _wait(host.port)
        for act in (play_looks, play_words, play_tampering):
            seen[act.__name__.removeprefix("play_")] = act(host)
    finally:
        sshd.terminate()
        sshd.wait()
        shutil.rmtree(place)
    print(json.dumps(seen))


def play_looks(host: Host) -> dict[str, Any]:
    """A first look, one after what a night brings, and one for people."""
    host.backup("web1", 1)
    host.backup("db1", 2)
    first = host.look("--json")
    kept = host.kept()
    host.backup("web1", 3, status="failed", came="")
    host.backup("db1", 4, hours=0.5)
    again = host.look("--json")
    line = host.look()
    return {"first": first, "kept": kept, "again": again, "kept_again": host.kept(), "line": line}


def play_words(host: Host) -> dict[str, Any]:
    """What the key opens beside its two words: nothing."""
    words = ("", "since 1; id", "since 1\nid")
    asked = {word: host.ask(word) for word in words}
    return {**asked, "another key": host.ask("since 0", key="other")}


def play_tampering(host: Host) -> dict[str, Any]:
    """Each time the server's root has another ledger, the watch looks, and the true one comes back."""
    true = host.ledger.read_bytes()
    older = host.place / "older"
    older.write_bytes(true)
    host.backup("web1", 9)
    newer = host.ledger.read_bytes()
    assert host.look("--json")["code"] == 0
    acts: dict[str, Callable[[], None]] = {
        "truncated": lambda: _rewrite(host, "DELETE FROM entries WHERE seq > 2"),
        "an older copy": lambda: _put(host, older.read_bytes()),
        "an older copy that grew on": lambda: _grow(host, true),
        "written anew": lambda: _forge(host),
        "one entry altered": lambda: _rewrite(host, "UPDATE entries SET client = 'db1' WHERE seq = 5"),
    }
    seen = {}
    for name, act in acts.items():
        act()
        before = host.kept()
        seen[name] = {**host.look("--json"), "is_signed": host.kept() != before}
        _put(host, newer)
    host.backup("db1", 30)
    seen["the true one"] = host.look("--json")
    _rewrite(host, "DELETE FROM entries WHERE seq > 2")
    shutil.rmtree(host.state / "witnesses")
    seen["a person says so"] = {"said": host.look("--anew", "vault")["said"], **host.look("--json")}
    return seen


def _forge(host: Host) -> None:
    """Write the whole chain anew, each entry with its true hash, as one who owns the server can."""
    from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

    with Ledger.read(str(host.ledger)) as ledger:
        count = ledger.head().seq
    _begin(host, count + 2)


def _begin(host: Host, count: int) -> None:
    host.ledger.unlink()
    for number in range(count):
        host.backup("web1", 100 + number)


def _grow(host: Host, content: bytes) -> None:
    _put(host, content)
    for number in range(3):
        host.backup("web1", 20 + number)


def _put(host: Host, content: bytes) -> None:
    host.ledger.write_bytes(content)


def _rewrite(host: Host, statement: str) -> None:
    from ansible_collections.paranoid.backup.plugins.module_utils._ledger import schema

    connection = sqlite3.connect(host.ledger)
    for name in ("entries_stay", "entries_unchanged", "entries_in_order"):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    for trigger in schema._TRIGGERS:
        connection.execute(trigger)
    connection.commit()
    connection.close()


def _wait(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("sshd does not start")


if __name__ == "__main__":
    main()
