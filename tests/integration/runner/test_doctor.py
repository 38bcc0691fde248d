# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup doctor: real probes of this controller, a real playbook, a real mail server that gets no mail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mail_server import Mailbox
from report_bench import smtp
from runner_world import CLEAN, LIB
from schemas import check_document
from tool import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root may look at a host")


def ask(place: Path, *words: str) -> tuple[int, dict[tuple[str, str], dict[str, dict[str, Any]]], str]:
    """Return exit code, findings by name, kind and check, and what was said on the side."""
    env = {**CLEAN, "PATH": f"{Path(sys.executable).parent}:{CLEAN['PATH']}"}
    argv = [sys.executable, "-I", str(LIB), "doctor", "--json", "--config", str(place / "none"), *words]
    done = subprocess.run(argv, cwd=place, env=env, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout) if done.stdout else {"hosts": []}
    if done.stdout:
        check_document("doctor", found)
    told = {(one["name"], one["kind"]): {x["check"]: x for x in one["findings"]} for one in found["hosts"]}
    return done.returncode, told, done.stderr


def lay_out(place: Path, box: Mailbox, enabled: str, inventory: str) -> None:
    """Write a project."""
    section = "".join(f"{key} = {value}\n" for key, value in smtp(box).items())
    (place / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {ROOT}/.cache/collections\ninventory = hosts.yml\n{enabled}\n"
        f"[callback_paranoid_backup_report]\n{section}"
    )
    (place / "hosts.yml").write_text(inventory)


def test_a_project_is_looked_at_and_nothing_is_changed(tmp_path: Path, mailbox: Mailbox) -> None:
    here = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}"
    (tmp_path / "repositories").mkdir()
    lay_out(
        tmp_path,
        mailbox,
        "callbacks_enabled = paranoid.backup.report",
        f"backup_servers: {{hosts: {{vault: {{{here}, backup_server_repository_root: {tmp_path}/repositories,\n"
        "  backup_server_require_mount: true, backup_config_dir: /nowhere}, web2: }}\n"
        f"backup_clients: {{hosts: {{web1: {{{here}, backup_config_dir: /nowhere}},\n"
        "  web2: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n",
    )
    code, found, said = ask(tmp_path)
    assert (code, said) == (1, "") and mailbox.mails == []
    controller = found["controller", "controller"]
    assert {name: controller[name]["state"] for name in ("ansible", "mail", "inventory", "runner")} == {
        "ansible": "ok", "mail": "ok", "inventory": "ok", "runner": "odd",
    }  # fmt: skip
    vault = found["vault", "server"]
    assert f"nothing is mounted at {tmp_path}" in vault["repositories"]["line"]
    assert vault["clock"]["state"] in ("ok", "odd") and vault["borg"]["state"] == "ok"
    assert found["web1", "client"]["clock"]["state"] in ("ok", "odd")
    assert "Connection refused" in found["web2", "server"]["reach"]["line"]
    cure = found["web2", "server"]["reach"]["cure"]
    assert cure.startswith("ansible -i ") and "hosts.yml web2 -m ansible.builtin.ping" in cure
    assert "Ansible did not come to it" in found["web2", "client"]["reach"]["line"], "what nobody saw is not well"
    assert "mars is not in the group" in ask(tmp_path, "mars")[2]


def test_what_is_wrong_with_a_project_are_lines(tmp_path: Path, mailbox: Mailbox, closed_port: int) -> None:
    nobody = Mailbox(closed_port, mailbox.ca_file)
    lay_out(tmp_path, nobody, "vault_password_file = /none", "all: {hosts: {stranger: {}}}\n")
    code, found, said = ask(tmp_path)
    told = found["controller", "controller"]
    assert (code, said, list(found)) == (1, "", [("controller", "controller")])
    assert "is not enabled" in told["callback"]["line"] and "under [defaults] in " in told["callback"]["cure"]
    assert "Connection refused" in told["mail"]["line"]
    assert "vault's password file /none" in told["vault"]["line"]
    assert "backup_clients" in told["inventory"]["line"]
    (tmp_path / "hosts.yml").write_text("[backup_clients\n")
    told = ask(tmp_path)[1]["controller", "controller"]
    assert told["inventory"]["state"] == "bad" and "nobody" not in told["inventory"]["line"], told
