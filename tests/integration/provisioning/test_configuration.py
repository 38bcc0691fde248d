# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What borgmatic gets of groups and hosts: lists that add up, and databases and commands as they were written."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import borgmatic.config
import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.filter import borgmatic as filters
from borgmatic.hooks import data_source
from paranoid_borg.main import dump_pattern
from tool import ROOT

BIN = Path(sys.executable).parent
COMMANDS = {
    "group": {"before": "action", "when": ["create"], "run": ["systemctl stop writer"]},
    "host": {"after": "action", "when": ["create"], "states": ["finish", "fail"], "run": ["systemctl start writer"]},
    "all": {"after": "error", "run": ["logger backup failed"]},
}
DATABASES: dict[str, list[dict[str, Any]]] = {
    "postgresql_databases": [{"name": "shop", "format": "custom", "pg_dump_command": "sudo -u postgres pg_dump"}],
    "mysql_databases": [{"name": "all", "options": "--skip-comments"}],
    "mariadb_databases": [{"name": "wiki", "username": "backup", "password": "p' \"{w}"}],
    "mongodb_databases": [{"name": "events", "authentication_database": "admin"}],
    "sqlite_databases": [{"name": "grafana", "path": "/var/lib/grafana/grafana.db"}],
}
GROUP = {
    "backup_client_sources": ["/etc", "/home"],
    "backup_client_excludes": ["/home/*/.cache"],
    "backup_client_commands_all": [COMMANDS["all"]],
    "backup_client_compression": "lz4",
    "backup_client_upload_limit": "10240",  # as -e gives it
    "backup_client_checks": [{"name": "repository", "frequency": "3 weeks"}],
    **{f"backup_client_{kind}": entries for kind, entries in DATABASES.items()},
}
SUBGROUP = {
    "backup_client_sources_web": ["/var/www", "/etc"],
    "backup_client_excludes_web": ["/var/www/cache"],
    "backup_client_exclude_if_present_web": [".scratch"],
    "backup_client_commands_group": [COMMANDS["group"]],
}
HOST = {
    "backup_client_sources_web1": ["/srv"],
    "backup_client_commands_web1": [COMMANDS["host"]],
    "backup_client_postgresql_databases_web1": [{"name": "stock"}],
    "backup_client_borgmatic_extra": {"working_directory": "/", "compression": "zlib,1"},
}

OWN = ["pp:/var/lib/paranoid-backup", "pp:/run/paranoid-backup"]
NO_DATABASES: dict[str, Any] = {f"backup_client_{kind}": [] for kind in DATABASES}
HOSTS: dict[str, dict[str, Any]] = {
    "program1": {**NO_DATABASES, "backup_borg_source": "binary", "__backup_borg_program": {"rc": 0}},
    "archive1": {**NO_DATABASES, "backup_borg_source": "binary", "__backup_borg_program": {"rc": 1}},
    "web1": {},
    "db1": {},
    "plain1": {**NO_DATABASES, "backup_client_excludes": [], "backup_client_upload_limit": 0},
    "btrfs1": {
        **NO_DATABASES,
        "backup_client_excludes": [],
        "backup_client_sources": ["/"],
        "backup_client_borgmatic_extra": {"btrfs": None},
    },
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can install files of root")


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Borgmatic's configuration of each client; only web1 is in another group."""
    path = tmp_path_factory.mktemp("configured")
    clients = {"hosts": HOSTS, "vars": {**GROUP, "ansible_connection": "local"}}
    groups = {"backup_clients": clients, "web": {"hosts": {"web1": HOST}, "vars": SUBGROUP}}
    (path / "hosts.json").write_text(json.dumps(groups))
    task = {
        "ansible.builtin.include_role": {"name": "paranoid.backup.backup_client", "tasks_from": "borgmatic"},
        "vars": {
            "__backup_client_config_dir": f"{path}/{{{{ inventory_hostname }}}}",
            "__backup_client_venv": str(BIN.parent),
        },
    }
    play = {"hosts": "backup_clients", "gather_facts": False, "tasks": [task]}
    (path / "play.yml").write_text(json.dumps([play]))
    for name in HOSTS:
        (path / name).mkdir()
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_CONFIG": "/none",
    }
    argv: list[str | Path] = [BIN / "ansible-playbook", "-i", path / "hosts.json", path / "play.yml", "--diff"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count("changed=1") == len(HOSTS), done.stdout + done.stderr
    assert "sudo -u postgres" not in done.stdout, "a diff may show passwords"
    return {name: yaml.safe_load((path / name / "borgmatic.yaml").read_text()) for name in HOSTS}


def test_lists_of_group_and_host_add_up(configured: dict[str, dict[str, Any]]) -> None:
    web1, db1 = configured["web1"], configured["db1"]
    assert web1["source_directories"] == ["/etc", "/home", "/var/www", "/srv"]
    assert web1["exclude_patterns"] == ["/home/*/.cache", "/var/www/cache", *OWN]
    assert web1["exclude_if_present"] == [".nobackup", ".scratch"]
    assert db1["source_directories"] == ["/etc", "/home"] and db1["exclude_if_present"] == [".nobackup"]


def test_commands_of_group_and_host_add_up(configured: dict[str, dict[str, Any]]) -> None:
    assert configured["web1"]["commands"] == [COMMANDS["all"], COMMANDS["group"], COMMANDS["host"]]
    assert configured["db1"]["commands"] == [COMMANDS["all"]]


@pytest.mark.parametrize("kind", DATABASES)
def test_databases_are_passed_through(configured: dict[str, dict[str, Any]], kind: str) -> None:
    more = [{"name": "stock"}] if kind == "postgresql_databases" else []
    assert configured["db1"][kind] == DATABASES[kind]
    assert configured["web1"][kind] == DATABASES[kind] + more


def test_the_rest_is_passed_through_and_extra_comes_last(configured: dict[str, dict[str, Any]]) -> None:
    web1, db1 = configured["web1"], configured["db1"]
    assert (db1["compression"], web1["compression"], web1["working_directory"]) == ("lz4", "zlib,1", "/")
    assert db1["upload_rate_limit"] == 10240 and "upload_rate_limit" not in configured["plain1"]
    assert db1["checks"] == GROUP["backup_client_checks"] and db1["exclude_caches"] is True
    assert db1["skip_actions"] == ["prune", "compact"] and "working_directory" not in db1


def test_what_the_role_itself_keeps_is_left_out_whatever_the_lists_say(configured: dict[str, dict[str, Any]]) -> None:
    """Borg's cache, what it remembers, and its pipes are all below the first."""
    assert configured["db1"]["exclude_patterns"] == ["/home/*/.cache", *OWN]
    assert configured["plain1"]["exclude_patterns"] == OWN
    assert configured["btrfs1"]["exclude_patterns"] == [*OWN, "pp:/dev", "pp:/proc", "pp:/run", "pp:/sys"]


SKIP = "unsafe_skip_path_validation_before_create"


def test_borg_runs_dry_only_where_snapshots_need_it(configured: dict[str, dict[str, Any]]) -> None:
    skips = {name: config[SKIP] for name, config in configured.items()}
    assert [name for name, skipped in skips.items() if not skipped] == ["btrfs1"]


def test_only_a_borg_that_python_can_import_is_guarded(configured: dict[str, dict[str, Any]]) -> None:
    """Without the guard tags do not count, for any local user can put one."""
    assert {name: config["local_path"].rpartition("/")[2] for name, config in configured.items()} == dict.fromkeys(
        HOSTS, "borg"
    )
    unguarded = [name for name, config in configured.items() if config["local_path"].startswith(str(BIN))]
    assert unguarded == ["program1"]
    program, archive = configured["program1"], configured["archive1"]
    assert (program["exclude_if_present"], program["exclude_caches"]) == ([], False)
    assert (archive["exclude_if_present"], archive["exclude_caches"]) == ([".nobackup"], True)


def test_every_data_source_of_borgmatic_is_known() -> None:
    """All but databases, whose dumps our Borg reads, and bootstrap: borgmatic includes these before any exclude."""
    schema = yaml.safe_load((Path(borgmatic.config.__path__[0]) / "schema.yaml").read_text())["properties"]
    modules = {module.name for module in pkgutil.iter_modules(data_source.__path__)}
    sources = {key for key in schema if key.removesuffix("_databases") in modules} - {"bootstrap"}
    variables = yaml.safe_load((ROOT / "roles/backup_client/vars/main.yml").read_text())
    databases = {
        key for key in sources if dump_pattern("/run").fullmatch(f"/run/borgmatic-x/borgmatic/{key}/host/name")
    }
    refuse = filters.FilterModule().filters()["refused_options"]
    refused = {key for key in sources - databases if refuse({key: None})}
    assert set(variables["__backup_client_snapshots"]) == sources - databases - refused and len(databases) > 6
    assert refused == {"lvm", "zfs"}, "their snapshots would lie below what is always left out"
