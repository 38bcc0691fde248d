# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between platforms: each says all of it, and FreeBSD keeps to its own directories."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT

ROLE = ROOT / "roles/backup_server"
PLATFORMS = ("Debian", "FreeBSD")


def variables(platform: str, role: str = "backup_server") -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / f"roles/{role}/vars/{platform}.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def ansible_playbook(play: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a play without this checkout's settings, at home in its folder."""
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    argv: list[str | Path] = [
        Path(sys.executable).parent / "ansible-playbook",
        *(arguments or ("-i", "localhost,")),
        play,
    ]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    environment = {**os.environ, **collections, "HOME": str(play.parent), **settings}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", ["backup_server", "backup_borg"])
def test_each_platform_says_everything(role: str) -> None:
    debian, freebsd = (variables(platform, role) for platform in PLATFORMS)
    assert debian.keys() == freebsd.keys()
    assert {name: type(value) for name, value in debian.items()} == {name: type(v) for name, v in freebsd.items()}


def test_every_platform_of_a_client_says_everything() -> None:
    """What only some say differs from what Linux has, and stands among the role's variables."""
    names = {path.stem for path in (ROOT / "roles/backup_client/vars").glob("*.yml")} - {"main"}
    assert names == {path.stem for path in (ROOT / "roles/backup_borg/vars").glob("*.yml")} - {"main"}
    borg = {name: variables(name, "backup_borg").keys() for name in names}
    assert all(keys == borg["Debian"] for keys in borg.values())
    common = variables("main", "backup_client").keys()
    for name in names:
        own = variables(name, "backup_client")
        assert own["__backup_client_packages"] and own["__backup_client_reload_sshd"]
        assert own.keys() - {"__backup_client_packages", "__backup_client_reload_sshd"} <= common, name


def test_freebsd_keeps_to_its_own_directories() -> None:
    paths = [v for v in variables("FreeBSD").values() if isinstance(v, str) and v.startswith("/")]
    own = ("/usr/", "/var/db/", "/var/log/", "/var/run/")
    assert len(paths) >= 8 and [path for path in paths if not path.startswith(own)] == []


def test_freebsd_gets_a_record_and_an_sshd_with_its_own_paths(tmp_path: Path) -> None:
    """Both rendered by Ansible with the role's own variables."""
    render = "{{ lookup('ansible.builtin.template', '%s') }}"
    files = {"sshd_config": "sshd_config.j2", "record": "server.json.j2"}
    copies = [
        {"ansible.builtin.copy": {"content": render % template, "dest": str(tmp_path / name), "mode": "0644"}}
        for name, template in files.items()
    ]
    load = {"ansible.builtin.import_role": {"name": "paranoid.backup.backup_server", "tasks_from": "platform"}}
    facts = {
        "ansible_facts": {"os_family": "FreeBSD", "distribution": "FreeBSD"},
        "__backup_server_read": {},
        "backup_server_sshd": True,
        "ansible_managed": "Ansible",
    }
    templates = [{"ansible.builtin.include_vars": str(ROLE / "vars/main.yml")}, *copies]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": facts,
        "tasks": [load, *templates],
    }
    folder = tmp_path / "play"
    folder.mkdir()
    (folder / "templates").symlink_to(ROLE / "templates")
    (folder / "play.yml").write_text(json.dumps([play]))
    done = ansible_playbook(folder / "play.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "record").read_text())
    assert (record["state_dir"], record["run_dir"]) == ("/var/db/paranoid-backup", "/var/run/paranoid-backup")
    assert record["sshd_config"] == "/usr/local/etc/paranoid-backup/sshd_config"
    assert "HostKey /usr/local/etc/paranoid-backup/ssh/sshd_ed25519" in (tmp_path / "sshd_config").read_text()


def test_no_group_of_root_is_asked_for_where_it_is_called_wheel() -> None:
    """FreeBSD has none of that name, and a task that names it fails there."""
    roles = [path for path in (ROOT / "roles").iterdir() if "FreeBSD" in (path / "meta/main.yml").read_text()]
    assert {path.name for path in roles} >= {"backup_borg", "backup_nas", "backup_server"}
    tasks = [path for role in [*roles, ROOT / "roles/backup_client"] for path in role.glob("tasks/**/*.yml")]
    assert [str(path) for path in tasks if re.search(r"group: [\"']?root\b", path.read_text())] == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"backup_server_slot": 4}, "there is no variable backup_server_slot: defaults/main.yml"),
        ({"backup_server_slot": 4}, "backup_server_slot may be meant to be backup_server_slots."),
        ({"backup_server_slots": "0"}, "the timeouts must be at least 1"),
        ({"backup_server_slots": 0}, "backup_server_slots, backup_server_log_keep and the timeouts must be at least 1"),
        ({"ansible_facts": {"os_family": "RedHat", "distribution": "Fedora"}}, "runs Debian or FreeBSD, not Fedora"),
    ],
)
def test_what_a_server_refuses(tmp_path: Path, variables: dict[str, Any], words: str) -> None:
    load = {"ansible.builtin.import_role": {"name": "paranoid.backup.backup_server", "tasks_from": "platform"}}
    facts = {"ansible_facts": {"os_family": "Debian", "distribution": "Debian"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [load]}
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "vars": {**facts, **variables}}]))
    done = ansible_playbook(tmp_path / "play.yml")
    assert done.returncode == 2 and words in " ".join(done.stdout.split()), done.stdout


def test_facts_of_a_cache_are_gathered_again_when_they_are_older_than_this_run(tmp_path: Path) -> None:
    """Both roles, after an upgrade of the system that the cache has not heard of; what has no time is old."""
    ages = {"new": {"epoch": str(int(time.time()))}, "old": {"epoch": str(int(time.time()) - 86400)}, "none": {}}
    facts = {"os_family": "Debian", "distribution": "Debian", "distribution_release": "buster"}
    hosts = {name: {"age": age} for name, age in ages.items()}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    cached = {"ansible.builtin.set_fact": {**facts, "date_time": "{{ age }}", "cacheable": True}}
    say = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} runs {{ ansible_facts.distribution_release }};"}}
    roles = [
        {"ansible.builtin.import_role": {"name": f"paranoid.backup.{role}", "tasks_from": "platform"}}
        for role in ("backup_client", "backup_server")
    ]
    play = {"hosts": "all", "connection": "local", "gather_facts": False}
    settings = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": f"{tmp_path}/cache"}
    for role in roles:
        said = ""
        for tasks in ([cached], [role, say]):
            (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": tasks}]))
            said = ansible_playbook(tmp_path / "play.yml", "-i", str(tmp_path / "hosts.json"), **settings).stdout
        found = dict(re.findall(r"(\w+) runs (\S+);", said))
        assert found.keys() == ages.keys() and [name for name in found if found[name] == "buster"] == ["new"], said


def wheels(tmp_path: Path, **variables: str) -> str:
    """The archive of wheels that the role backup_borg would install from on Debian 12."""
    facts = {"distribution_release": "bookworm", "architecture": "x86_64"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/backup_borg/vars/main.yml")],
        "vars": {"ansible_facts": facts, "backup_borg_wheelhouse": "", **variables},
        "tasks": [{"ansible.builtin.debug": {"msg": "wheels: {{ __backup_borg_wheels or 'nowhere' }};"}}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    said = "".join(ansible_playbook(tmp_path / "play.yml").stdout.split())
    return said.partition("wheels:")[2].partition(";")[0]


def test_wheels_that_were_built_are_found(tmp_path: Path) -> None:
    built = tmp_path / ".local/share/paranoid-backup/wheelhouse/bookworm-x86_64.tar"
    assert wheels(tmp_path) == "nowhere"
    built.parent.mkdir(parents=True)
    built.touch()
    assert wheels(tmp_path) == str(built)
    assert wheels(tmp_path, backup_wheelhouse_path=str(tmp_path / "elsewhere")) == "nowhere"
    assert wheels(tmp_path, backup_borg_wheelhouse="/srv/mine.tar") == "/srv/mine.tar"
