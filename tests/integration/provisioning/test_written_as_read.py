# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what is read: secrets from a vault, words that look like numbers, numbers that came as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_client, load_server
from borgmatic.config.load import load_configuration
from paranoid_dispatcher.config import Config
from tool import ROOT

BIN = Path(sys.executable).parent
VAULT_PASSWORD = "correct horse"
# None of these is ever to be seen in Ansible's output.
SECRETS = ("s3cret-vaulted", "12345e67", "471147", "T0KEN-old", "hush-old")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can install files of root")


def ansible(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv = [str(BIN / name), *arguments]
    environment = {**os.environ, **settings, "HOME": str(folder)}
    return subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def vaulted(folder: Path, text: str) -> str:
    (folder / "password").write_text(VAULT_PASSWORD)
    done = ansible(folder, "ansible-vault", "encrypt_string", "--vault-password-file", "password", text)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


INVENTORY = """
backup_clients:
  hosts:
    vaulted:
      backup_client_hidden: VAULTED
      backup_client_allowed_variables: [backup_client_hidden]
      backup_client_postgresql_databases_shop:
        - {name: shop, username: 1e5, password: "{{ backup_client_hidden }}"}
        - name: blog
          password: VAULTED
      backup_client_mysql_databases: [{name: 12e4, password: "12345e67"}, {name: wiki, password: "0o17 😀"}]
      backup_client_borgmatic_extra: {healthchecks: {ping_url: VAULTED, send_logs: no}}
      backup_client_excludes_dated: [2026-11-25, 4E2]
    numbered:
      backup_client_borgmatic_extra: {healthchecks: {ping_url: 471147}, ntfy: {topics: s3cret-vaulted}}
      backup_client_sqlite_databases: [{name: a, path: /a, passphrase: hush-old}]
    emptied: {}
  vars:
    ansible_connection: local
    backup_client_sources: [/etc]
"""
OLD = {"commands": [{"run": ["curl -H T0KEN-old"]}], "mysql_databases": [{"name": "a", "password": "hush-old"}]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What became of three clients' configuration, and all that Ansible said with --diff -vvv."""
    path = tmp_path_factory.mktemp("written")
    lines = vaulted(path, "s3cret-vaulted").splitlines()
    secret = "!vault |\n" + "\n".join(" " * 12 + line.strip() for line in lines[1:])
    inventory = INVENTORY.replace(
        "{healthchecks: {ping_url: VAULTED, send_logs: no}}",
        '{healthchecks: {ping_url: "{{ backup_client_hidden }}", send_logs: no}}',
    )
    (path / "hosts.yml").write_text(inventory.replace("VAULTED", secret))
    task = {
        "ansible.builtin.include_role": {"name": "paranoid.backup.backup_client", "tasks_from": "borgmatic"},
        "vars": {
            "__backup_client_config_dir": f"{path}/{{{{ inventory_hostname }}}}",
            "__backup_client_venv": str(BIN.parent),
        },
    }
    (path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    for host, content in (("vaulted", ""), ("numbered", ""), ("emptied", json.dumps(OLD))):
        (path / host).mkdir()
        (path / host / "borgmatic.yaml").write_text(content)
    options = [
        "--diff",
        "-vvv",
        "--vault-password-file",
        "password",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    done = ansible(
        path, "ansible-playbook", "-i", "hosts.yml", "play.yml", "-e", "backup_client_exclude_caches=false", *options
    )
    return path, done.stdout + done.stderr


def test_secrets_of_a_vault_and_words_like_numbers_arrive(written: tuple[Path, str]) -> None:
    path, said = written
    config: dict[str, Any] = load_configuration(str(path / "vaulted/borgmatic.yaml"), set())
    assert "vaulted                    : ok=2    changed=1" in said, said
    assert config["postgresql_databases"] == [
        {"name": "shop", "username": "1e5", "password": "s3cret-vaulted"},
        {"name": "blog", "password": "s3cret-vaulted"},
    ]
    assert [entry["name"] for entry in config["mysql_databases"]] == ["12e4", "wiki"]
    assert [entry["password"] for entry in config["mysql_databases"]] == ["12345e67", "0o17 😀"]
    assert config["healthchecks"] == {"ping_url": "s3cret-vaulted", "send_logs": False}
    assert {"2026-11-25", "4E2"} <= set(config["exclude_patterns"]) and config["exclude_caches"] is False


def test_no_error_and_no_diff_shows_a_secret(written: tuple[Path, str]) -> None:
    """Neither what comes nor what goes; the place and the rule are told."""
    _path, said = written
    assert [secret for secret in SECRETS if secret in said] == []
    assert "borgmatic.yaml would be wrong: " in said
    assert "sqlite_databases[0] has no option passphrase" in said
    assert "healthchecks.ping_url must be of the type string" in said
    assert "-mysql_databases: (not shown)" in said and "+commands: (not shown, changed)" in said


ROLES = {name: ROOT / f"roles/backup_{name}" for name in ("client", "server")}


def numbers(role: str) -> dict[str, str]:
    """Every number and boolean of a role, as ``-e`` gives it: text."""
    options = yaml.safe_load((ROLES[role] / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    values = {"int": "7", "bool": "false"}
    return {name: values[option["type"]] for name, option in options.items() if option["type"] in values}


def test_numbers_that_came_as_text_are_numbers_for_every_reader(tmp_path: Path) -> None:
    files = {
        "server.json": ROLES["server"] / "templates/server.json.j2",
        "clients/web.json": ROLES["server"] / "templates/client.json.j2",
        "client.json": ROLES["client"] / "templates/client.json.j2",
    }
    (tmp_path / "clients").mkdir()
    copies = [
        {"ansible.builtin.copy": {"content": f"{{{{ lookup('template', '{file}') }}}}", "dest": f"{tmp_path}/{name}"}}
        for name, file in files.items()
    ]
    folders = [
        f"{role}/{part}/{file}.yml"
        for role in ROLES.values()
        for part, file in (("defaults", "main"), ("vars", "main"))
    ]
    variables = {
        "ansible_managed": "Ansible",
        "ansible_python_interpreter": sys.executable,
        "__backup_server_read": {},
        "backup_server_client": "web",
        "backup_client_name": "web",
        "ansible_connection": "local",
        "backup_server_client_settings": "{{ __backup_client_settings | combine(backup_client_timeouts) }}",
        "backup_server_facts": {"config_dir": "/etc", "record": {"lib_dir": "/lib", "repository_root": "/srv"}},
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": variables,
        "tasks": copies,
        "vars_files": [*folders, f"{ROLES['server']}/vars/Debian.yml"],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    dictionaries = {
        "backup_client_timeouts": {"idle_timeout": "7"},
        "backup_client_retention": {"daily": "7", "within": "7d"},
    }
    given = {**numbers("server"), **numbers("client"), **dictionaries}
    done = ansible(tmp_path, "ansible-playbook", "-i", "localhost,", "play.yml", "-e", json.dumps(given))
    assert done.returncode == 0, done.stdout + done.stderr
    server, client = load_server(str(tmp_path)), load_client(str(tmp_path), "web")
    assert (server.slots, server.close_timeout, server.require_mount, server.sshd_config) == (7, 7, False, "")
    assert (client.port, client.quota, client.trim_max_objects, client.trim_max_bytes) == (7, 7, 7, 7)
    assert (client.idle_timeout, client.retention) == (7, {"daily": 7, "within": "7d"})
    assert Config.load(tmp_path / "client.json").deadline == 7
    assert '"7"' not in "".join((tmp_path / name).read_text() for name in files)
