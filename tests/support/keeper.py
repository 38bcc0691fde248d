# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose history is kept over time: it backs up, is maintained, attacked, and restored."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import Entry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Outcome
from client_borg import install_guard
from launcher import install_launcher
from measured import coverage_prefix
from relay import install_relay
from session_world import CLIENT, OK, World, came_to
from tool import ROOT

DISPATCHER = ROOT / "roles/backup_client/files/lib"
BIN = Path(sys.executable).parent
REPOSITORY = "ssh://server/./repository"
_START = (
    "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
    "from paranoid_dispatcher import main, toolbox, verbs;"
    "exec(pathlib.Path(sys.argv[3]).read_text());"
    "sys.exit(main.main(pathlib.Path(sys.argv[2])))"
)
_RULES = {"daily": 1, "minimum": 1}


def dispatcher_command(own: Path, twist: str) -> str:
    """Return the command, as authorized_keys has it, that starts the dispatcher of the host that is at ``own``."""
    (own / "twist.py").write_text(twist)
    argv = [sys.executable, "-I", "-c", _START, str(DISPATCHER), str(own / "client.json"), str(own / "twist.py")]
    return coverage_prefix() + shlex.join(argv).replace('"', '\\"')


@dataclass
class Keeper:
    """A world whose client is served by the real dispatcher. ``contents`` is what each archive (id) must give back."""

    world: World
    contents: dict[str, bytes] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)  # what to put before a playbook, such as a mount namespace

    @property
    def config_dir(self) -> str:
        """Where the server's records are."""
        return str(self.world.path / "etc")

    @property
    def repository(self) -> Path:
        """Where the repository is."""
        return self.world.repository

    def provision(self) -> None:
        """Write both sides' records, and serve the client."""
        self.write_rules()
        self._provision_client(self.world.own)
        self.serve()

    def write_rules(self) -> None:
        """Write the server's records: a day keeps one archive, and a busy machine has its time."""
        self.world.server.update(connect_timeout=30, idle_timeout=60, total_timeout=120)
        self.world.client.update(
            retention=_RULES,
            time_zone="UTC",
            hold_days=14,
            check_seconds=30,
            trim_max_objects=None,
            trim_max_bytes=None,
        )
        self.world.write()

    def _provision_client(self, own: Path) -> None:
        (own / "passphrase").write_text("only for tests")
        install_relay(own)
        (own / "state").mkdir()
        record = {
            "client": CLIENT,
            "transport": "socket",
            "remote_dir": str(own / "tunnel"),
            "borgmatic": install_launcher(own),
            "borg": str(BIN / "borg"),
            "config": str(own / "borgmatic.yaml"),
            "repository": REPOSITORY,
            "passphrase_file": str(own / "passphrase"),
            "relay": str(own / "relay"),
            "base_dir": str(own / "borg"),
            "runtime_dir": str(own / "state"),
            "deadline": 120,
        }
        (own / "client.json").write_text(json.dumps(record))
        config = {
            "repositories": [{"path": REPOSITORY, "label": "server", "encryption": "repokey-blake2"}],
            "local_path": install_guard(own / "guarded-borg"),
            "ssh_command": str(own / "relay"),
            "encryption_passcommand": f"cat {own}/passphrase",
            "source_directories": [str(own / "source")],
            "archive_name_format": "web1-{now:%Y-%m-%dT%H:%M:%S.%f}",
        }
        (own / "borgmatic.yaml").write_text(json.dumps(config))

    def serve(self, twist: str = "") -> None:
        """Let the server's key start the real dispatcher, which ``twist`` changes: Python that has its modules."""
        command = dispatcher_command(self.world.own, twist)
        public = (self.world.home / "id_ed25519").with_suffix(".pub").read_text()
        line = f'restrict,port-forwarding,command="{command}" {public}'
        (self.world.sshd.home / "authorized_keys").write_text(line)

    def backup(self, number: int = 0, size: int = 300_000) -> str:
        """Change the source, back it up, and return the archive's id."""
        content = bytes([number]) * 10 + os.urandom(size)
        (self.world.own / "source/file").write_bytes(content)
        outcome = self.world.session("backup")
        assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
        assert outcome.archive
        self.contents[outcome.archive["id"]] = content
        return str(outcome.archive["id"])

    def maintain(self, **options: Any) -> Outcome:
        """Hold a session with verb maintain."""
        return self.world.session("maintain", **options)

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a module of the collection as Ansible does once it has brought it here; return its result."""
        words = {"client": CLIENT, "config_dir": self.config_dir, **options}
        words["_ansible_check_mode"] = words.pop("check", False)
        argv = [sys.executable, "-m", f"ansible_collections.paranoid.backup.plugins.modules.{name}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".cache/collections")}
        given = json.dumps({"ANSIBLE_MODULE_ARGS": words})
        done = subprocess.run(argv, input=given, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.strip().startswith("{"), done.stdout + done.stderr
        return {"failed": False, **json.loads(done.stdout)}

    def play(self, playbook: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook on this machine, which is both server and client."""
        inventory, told = self.world.path / "inventory", self.world.client
        address = f"backup_client_host={told['host']} backup_client_port={told['port']}"
        host = f"{CLIENT} ansible_connection=local {address}"
        inventory.write_text(f"[backup_clients]\n{host}\n[backup_servers:children]\nbackup_clients\n")
        variables |= {"backup_config_dir": self.config_dir, "__backup_client_base_dir": str(self.world.own / "borg")}
        argv: list[str | Path] = [
            *self.inside,
            BIN / "ansible-playbook",
            "-i",
            inventory,
            ROOT / f"playbooks/{playbook}.yml",
            "-e",
            json.dumps(variables),
        ]
        return subprocess.run([*argv, *options], env=self._ansible(), capture_output=True, text=True, check=False)

    def _ansible(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_CALLBACKS_ENABLED": "paranoid.backup.report",
            "ANSIBLE_CONFIG": str(self.world.path / "ansible.cfg"),
            "PARANOID_REPORT_METHOD": "none",
            "PARANOID_REPORT_DIR": str(self._reports),
        }

    @property
    def _reports(self) -> Path:
        return self.world.path / "reports"

    def report(self) -> str:
        """Return the text of the newest run's report."""
        newest = max(self._reports.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return (newest / "report.txt").read_text()

    def transaction(self, identifier: str) -> int:
        """Return the transaction that brought an archive."""
        with self.ledger() as ledger:
            (found,) = (archive.transaction for archive in ledger.history(CLIENT).archives if archive.id == identifier)
        assert found is not None
        return found

    def forget(self, repository_id: str) -> None:
        """Have the client's Borg forget the newer state, as the role's entry point does."""
        (self.world.own / f"borg/.config/borg/security/{repository_id}/manifest-timestamp").unlink()
        shutil.rmtree(self.world.own / f"borg/.cache/borg/{repository_id}")
        shutil.rmtree(self.world.path / "attacker", ignore_errors=True)

    def nonce(self) -> int:
        """Return the first nonce that is not reserved."""
        return int((self.repository / "nonce").read_text(), 16)

    def borg(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run the client's Borg on the server's files, past every gate, as only root of the server could."""
        done = subprocess.run([BIN / "borg", *words], env=self.borg_environment(), capture_output=True, check=False)
        self.give_back()
        return done

    def borg_environment(self) -> dict[str, str]:
        """Return what Borg needs to open the repository on the server's disk with the client's key."""
        return {
            "PATH": "/usr/bin:/bin",
            "BORG_PASSPHRASE": "only for tests",
            "BORG_REPO": str(self.repository),
            "BORG_BASE_DIR": str(self.world.path / "attacker"),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }

    def give_back(self) -> None:
        """Give the repository's files to its user again, after root worked on them."""
        for path in self.repository.rglob("*"):
            shutil.chown(path, self.repository.owner(), self.repository.group())

    def listed(self) -> dict[str, str]:
        """Return the names of the archives that the repository really holds, by id."""
        done = self.borg("list", "--json", "--consider-checkpoints")
        assert done.returncode == 0, done.stderr
        return {archive["id"]: archive["name"] for archive in json.loads(done.stdout)["archives"]}

    def archived(self) -> list[str]:
        """Return the paths that the newest archive holds, borgmatic's own and the system's description left out."""
        listed = self.borg("list", "--format", "{path}{NUL}", f"::{list(self.listed().values())[-1]}").stdout
        paths = [f"/{path}" for path in listed.decode("utf-8", "surrogateescape").split("\0") if path]
        own = ("borgmatic.yaml", "/system.json")
        return sorted(path for path in paths if not path.endswith(own) and not path.startswith("/borgmatic"))

    def restored(self, identifier: str, name: str = "file") -> bytes:
        """Return a file's bytes as this archive has them."""
        path = str(self.world.own / "source" / name)[1:]
        done = self.borg("extract", "--stdout", f"::{self.listed()[identifier]}", path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger.open(str(self.world.path / "state/ledger.sqlite"))

    def entries(self, kind: str) -> list[Entry]:
        """Return what the ledger has of a kind."""
        with self.ledger() as ledger:
            return [record.entry for record in ledger.entries(kind, CLIENT)]

    def known(self) -> set[str]:
        """Return the ids of the archives that the ledger knows."""
        with self.ledger() as ledger:
            return {archive.id for archive in ledger.history(CLIENT).archives}
