# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook with the real callback, around a session that does what the inventory tells it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mail_server import PASSWORD, USER, Mailbox
from report_samples import PLAYBOOK
from tool import ROOT

PLUGINS = ROOT / "plugins"

SESSION = """
from __future__ import annotations
import os, time
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        told = task_vars.get("told", {})
        time.sleep(told.get("sleep", 0))
        if told.get("connect"):
            self._low_level_execute_command("true")
        if "raise" in told:
            raise AnsibleError(told["raise"])
        if "signal" in told:
            os.kill(os.getppid(), told["signal"])
            time.sleep(2)
        ok = {"client": task_vars["inventory_hostname"], "verb": "backup", "status": "ok", "changed": True,
              "run_id": self._task.args.get("run_id"), "duration": 63.2, "bytes_received": 5000,
              "archive": {"name": "a", "id": "f" * 64, "nfiles": 12345, "original_size": 50 * 2**30,
                          "compressed_size": 30 * 2**30, "deduplicated_size": 2**20}}
        return {**ok, **told.get("returns", {})} if "only" not in told else told["only"]
"""

# What the server's own tasks would tell.
UPKEEP = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {**super().run(tmp, task_vars), **task_vars.get("told", {}).get("compact", {})}
"""


@dataclass
class Outcome:
    """One ended ansible-playbook; ``last`` is the last run's directory, and without one ``record`` is empty."""

    code: int
    output: str
    last: Path | None
    record: dict[str, Any]

    @property
    def directory(self) -> Path:
        """The last run's directory, which must be there."""
        assert self.last, self.output
        return self.last

    def client(self, name: str) -> dict[str, Any]:
        """What the record says of a client."""
        found: dict[str, Any] = next(client for client in self.record["clients"] if client["name"] == name)
        return found

    @property
    def line(self) -> str:
        """The callback's own last line."""
        return next(line for line in reversed(self.output.splitlines()) if "Backup run" in line)


@dataclass
class Bench:
    """A directory with a collection, an inventory and settings, in which playbooks can be run."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    nas: dict[str, dict[str, Any]] = field(default_factory=dict)
    inventory: str = "inventory.json"

    @classmethod
    def make(cls, root: Path) -> Bench:
        """Lay the collection out: its real callback, and tasks that do what the inventory tells them."""
        collection = root / "ansible_collections" / "paranoid" / "backup"
        for kind in ("action", "modules"):
            (collection / "plugins" / kind).mkdir(parents=True)
        for kind in ("callback", "filter", "plugin_utils", "module_utils"):
            (collection / "plugins" / kind).symlink_to(PLUGINS / kind)
        (collection / "plugins" / "action" / "session.py").write_text(SESSION)
        (collection / "plugins" / "action" / "compact.py").write_text(UPKEEP)
        for name in ("session", "compact", "audit"):
            (collection / "plugins" / "modules" / f"{name}.py").write_text("")
        for kind in ("action", "modules"):
            for name in ("nas", "roll_call", "report_together"):
                (collection / "plugins" / kind / f"{name}.py").symlink_to(PLUGINS / kind / f"{name}.py")
        (collection / "meta").mkdir()
        (collection / "meta" / "runtime.yml").write_text('requires_ansible: ">=2.19.0"\n')
        return cls(root, {"method": "none"}, {"web01": {}, "db01": {}})

    @property
    def reports(self) -> Path:
        """Where the records are."""
        return self.root / "reports"

    def use_real_tasks(self) -> None:
        """Have the tasks do what they really do, and not what the inventory tells them."""
        plugins = self.root / "ansible_collections" / "paranoid" / "backup" / "plugins"
        for kind in ("action", "modules"):
            shutil.rmtree(plugins / kind)
            (plugins / kind).symlink_to(PLUGINS / kind)
        (plugins.parent / "roles").symlink_to(ROOT / "roles")

    def lay_out(self, playbook: str = PLAYBOOK, enabled: bool = True) -> None:
        """Write the playbook, the inventory and ansible.cfg."""
        (self.root / "playbook.yml").write_text(playbook)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {
            "backup_clients": {"hosts": {name: {**local, **told} for name, told in self.hosts.items()}},
            "backup_servers": {"hosts": {name: {**local, **told} for name, told in self.servers.items()}},
            **(
                {"backup_nas": {"hosts": {name: {**local, **told} for name, told in self.nas.items()}}}
                if self.nas
                else {}
            ),
        }
        (self.root / "inventory.json").write_text(json.dumps({"all": {"children": hosts}}))
        section = "".join(f"{key} = {value}\n" for key, value in self.settings.items())
        (self.root / "ansible.cfg").write_text(
            f"[defaults]\ncollections_path = {self.root}\nnocolor = true\nlocalhost_warning = false\n"
            + ("callbacks_enabled = paranoid.backup.report\n" if enabled else "")
            + f"[callback_paranoid_backup_report]\nreport_dir = {self.reports}\n{section}"
        )

    def run(self, *arguments: str, playbook: str = PLAYBOOK, enabled: bool = True, **env: str) -> Outcome:
        """Run ansible-playbook to its end, with the callback or without it."""
        self.lay_out(playbook, enabled)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PARANOID_", "ANSIBLE_"))}
        command = [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            self.inventory,
            *(arguments or ["playbook.yml"]),
        ]
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**clean, "ANSIBLE_CONFIG": str(self.root / "ansible.cfg"), **env},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        directories = list(self.reports.iterdir()) if self.reports.is_dir() else []
        # By name would not do: runs of one second differ by chance alone.
        last = max(directories, key=lambda path: (path / "record.json").stat().st_mtime_ns, default=None)
        record = json.loads((last / "record.json").read_text()) if last else {}
        return Outcome(done.returncode, done.stdout + done.stderr, last, record)


def smtp(box: Mailbox, **changes: str) -> dict[str, str]:
    """The options that send mail to this mailbox."""
    return {
        "method": "smtp", "mail_from": "backup@example.org", "mail_to": "ops@example.org, boss@example.org",
        "smtp_host": "localhost", "smtp_port": str(box.port), "smtp_user": USER, "smtp_password": PASSWORD,
        "smtp_ca_file": str(box.ca_file), "timeout": "2", **changes,
    }  # fmt: skip


def sendmail(bench: Bench, body: str) -> None:
    """Have the callback hand its mail to a program that does this."""
    program = bench.root / "sendmail"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    bench.settings = {
        "method": "sendmail",
        "mail_from": "backup@example.org",
        "mail_to": "ops@example.org",
        "sendmail_path": str(program),
    }
