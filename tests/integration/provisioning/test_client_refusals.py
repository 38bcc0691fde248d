# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_client refuses before it touches a host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT

SERVERS = {"hosts": {"vault": None}}
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def play(
    path: Path, step: str, clients: dict[str, Any], servers: dict[str, Any] = SERVERS, **more: Any
) -> tuple[int, str]:
    """Run one task file of the role for these clients; return Ansible's exit code and what it said, in one line."""
    (path / "hosts.json").write_text(
        json.dumps({"backup_servers": servers, "backup_clients": {"hosts": clients, "vars": HERE}})
    )
    role: dict[str, Any] = {
        "ansible.builtin.import_role": {"name": "paranoid.backup.backup_client", "tasks_from": step},
        "vars": more.pop("inside", {}),
    }
    tasks = [role, *more.pop("tasks", [])]
    content = [{"hosts": "backup_clients", "gather_facts": False, "tasks": tasks, "vars": more}]
    (path / "play.yml").write_text(json.dumps(content))
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", path / "hosts.json"]
    done = subprocess.run(
        [*argv, path / "play.yml"],
        env={**os.environ, **collections, "HOME": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_two_clients_of_one_name(tmp_path: Path) -> None:
    """The second would take the first one's place on the server, and the first would never be backed up again."""
    short = {"backup_client_name": "{{ inventory_hostname_short }}"}
    clients = {"web1.example.org": short, "web1.example.com": short, "web2": {}}
    code, said = play(tmp_path, "validate_fleet", clients)
    assert (
        code == 2 and "more than one host of backup_clients has the backup_client_name web1: they would share" in said
    )
    code, said = play(tmp_path, "validate_fleet", {"web1": {}, "other": {"backup_client_name": "web1"}})
    assert code == 2 and "backup_client_name web1" in said
    code, said = play(tmp_path, "validate_fleet", {"web1.example.org": short, "web2.example.com": short, "web3": {}})
    assert code == 0, said


def test_a_server_that_is_its_own_client(tmp_path: Path) -> None:
    code, said = play(tmp_path, "validate_fleet", {"vault": {}, "web1": {}})
    assert code == 2 and "vault is in backup_servers and in backup_clients" in said
    assert "failed=1" in said and said.count("failed=0") == 1


SOON = (date.today() + timedelta(days=30)).isoformat()
GOOD = {
    "backup_client_server_public_key": "ssh-ed25519 AAAA",
    "backup_client_sources_web": ["/srv"],
    "backup_client_expect_change_until": SOON,
}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"backup_client_name": "web 1"}, "'web 1' cannot name a client"),
    ({"backup_client_source": ["/srv"]}, "there is no variable backup_client_source: defaults/main.yml"),
    ({"backup_client_source": ["/srv"]}, "backup_client_source may be meant to be backup_client_sources."),
    (
        {"backup_client_ip": "192.0.2.7"},
        "A variable of somebody else is to be named in backup_client_allowed_variables",
    ),
    ({"backup_client_from": "192.0.2.7"}, "backup_client_from must be a list: with -e, write it as JSON"),
    ({"backup_client_timeouts": "idle_timeout=5"}, "backup_client_timeouts must be a dictionary"),
    ({"backup_client_borgmatic_extra": {"progress": True}}, "backup_client_borgmatic_extra: progress mixes text into"),
    ({"backup_client_excludes_mine": "/home"}, "backup_client_excludes_mine must be a list"),
    ({"backup_client_borgmatic_extra": {"compression": "obfuscate,2,zstd"}}, "must not obfuscate"),
    ({"backup_client_expect_change_until": "soon"}, "at most three months ahead, not soon"),
    ({"backup_client_expect_change_until": "2199-01-01"}, "at most three months ahead, not 2199-01-01"),
    ({"backup_client_anomaly_sessions": -1}, "backup_client_anomaly_sessions is 0 or more"),
    ({"backup_client_login": "root"}, "backup_client_from must name the addresses of the server"),
    ({"backup_client_transport": "ssh"}, "the server has no sshd of its own yet: run site.yml for the server"),
    ({"backup_client_server_public_key": ""}, "backup_client_server_public_key is not set"),
]


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what is said of one good client and of those with something wrong, all at once."""
    clients = {f"wrong{number}": GOOD | variables for number, (variables, _words) in enumerate(WRONG)}
    code, said = play(tmp_path_factory.mktemp("validated"), "validate", {"good": GOOD, **clients})
    assert code == 2, said
    return said


def test_nothing_is_said_of_a_client_that_is_good(validated: str) -> None:
    assert re.search(r" good : ok=[1-9]\d* changed=0 unreachable=0 failed=0 ", validated), validated
    assert "[good]: FAILED!" not in validated


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[words for _variables, words in WRONG])
def test_variables_that_do_not_go_together(validated: str, number: int) -> None:
    about = [
        part for part in re.split(r"(?=\S+: \[\w+\]|PLAY RECAP)", validated) if f"[wrong{number}]: FAILED!" in part
    ]
    assert len(about) == 1 and WRONG[number][1] in about[0], about or validated
    assert re.search(rf" wrong{number} : ok=\d+ changed=0 unreachable=0 failed=1 ", validated), validated


def test_a_variable_of_somebody_else_can_be_allowed(tmp_path: Path) -> None:
    own = {"backup_client_ip": "192.0.2.7", "backup_client_allowed_variables": ["backup_client_ip"]}
    code, said = play(tmp_path, "validate", {"web1": own | {"backup_client_server_public_key": "x"}})
    assert code == 0, said


def test_tags_are_names_and_tagged_paths_are_paths(tmp_path: Path) -> None:
    """All clients at once: each has one that is wrong, the last none."""
    wrong: list[dict[str, Any]] = [
        {"backup_client_exclude_if_present": ["sub/.nobackup"]},
        {"backup_client_exclude_if_present_web": [".."]},
        {"backup_client_tagged_paths": ["home"]},
        {"backup_client_tagged_paths": ["/home/../srv"]},
        {"backup_client_tagged_paths_web": ["/home/."]},
    ]
    good = {
        "backup_client_tagged_paths": ["/", "/home/", "/srv/.git/..data"],
        "backup_client_exclude_if_present": [".a"],
    }
    clients = {f"web{number}": variables for number, variables in enumerate([*wrong, good])}
    code, said = play(tmp_path, "lists", clients)
    assert code == 2 and said.count("failed=1") == len(wrong) and said.count("failed=0") == 1, said
    assert "backup_client_exclude_if_present has names without a slash" in said


def test_a_borg_that_cannot_be_guarded_is_told_and_makes_no_dumps(tmp_path: Path) -> None:
    for name, code in (("guarded", 0), ("bare", 3)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "borg").write_text(f"#!/bin/sh\n[ $1 = --guarded ] && exit {code}\n")
        (tmp_path / name / "borg").chmod(0o755)
    dumps = {"backup_client_sqlite_databases": [{"name": "it", "path": "/srv/it.db"}]}
    clients = {"guarded": dumps, "bare": dumps, "missing": dumps, "tags": {"place": "bare"}}
    place = {"__backup_client_libexec": f"{tmp_path}/{{{{ place | default(inventory_hostname) }}}}"}
    code, said = play(tmp_path, "guard", clients, inside=place, ansible_python_interpreter=sys.executable)
    assert code == 2 and said.count("failed=1") == 2 and said.count("failed=0") == 2, said
    assert "Borg of bare is no Python program, so beside a dump it would read pipes of any user" in said
    assert "Borg of tags is no Python program: tags" in said
    assert "Borg of guarded is" not in said and "Borg of missing is" not in said


@pytest.mark.parametrize("entry", [{"name": "shop", "password": 471147}, "postgresql://shop:471147@localhost"])
def test_a_password_is_not_quoted(tmp_path: Path, entry: object) -> None:
    databases = {"backup_client_postgresql_databases_shop": [{"name": "blog", "password": "secret"}, entry]}
    code, said = play(tmp_path, "validate", {"web1": databases | {"backup_client_server_public_key": "x"}})
    assert code == 2 and "a database of web1 is no dictionary, or its password is no text" in said, said
    assert "471147" not in said and "secret" not in said
