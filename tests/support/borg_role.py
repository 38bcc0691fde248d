# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the role backup_borg, run on this machine for hosts of any platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tool import ROOT

ROLE = ROOT / "roles/backup_borg"


def run(
    tmp_path: Path,
    hosts: dict[str, dict[str, Any]],
    tasks: list[Any],
    *arguments: str,
    inside: Sequence[str] = (),
    **more: str,
) -> dict[str, str]:
    """Run the tasks for hosts of those variables; return what Ansible said of each, in one line, with its recap.

    MORE are variables that win over the role's; Ansible is started by the command INSIDE.
    """
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    environment = {**os.environ, **settings, "PATH": f"{tmp_path / 'fakes/bin'}:{os.environ['PATH']}"}
    load = {"ansible.builtin.include_vars": f"{ROLE}/vars/{{{{ ansible_facts['os_family'] }}}}.yml"}
    common = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    common |= {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    play = {"hosts": "all", "gather_facts": False, "vars_files": [f"{ROLE}/vars/main.yml"]}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    (tmp_path / "play.yml").write_text(
        json.dumps([{**play, "vars": {"ansible_facts": "{{ facts }}"}, "tasks": [load, *tasks]}])
    )
    extra = ["-e", json.dumps(more)]
    argv = [*inside, str(Path(sys.executable).parent / "ansible-playbook"), *extra, "-i", str(tmp_path / "hosts.json")]
    argv += [str(tmp_path / "play.yml"), *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return {host: " ".join(line for line in done.stdout.splitlines() if host in line) for host in hosts}


def client(platform: str, source: str = "binary", *packages: str) -> dict[str, Any]:
    """Variables of a client of that platform."""
    facts = {"os_family": platform, "distribution": platform, "distribution_release": "x", "architecture": "x86_64"}
    return {"facts": facts, "backup_borg_source": source, "backup_borg_packages": [*packages] or ["socat"]}
