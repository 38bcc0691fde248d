# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that people install holds all that it needs, and nothing that was only made here."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tool import ROOT, run_tool, tracked

NEEDED = ("docs", "inventories/example", "meta", "playbooks", "plugins", "roles")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``ansible-galaxy collection build`` makes of the checkout."""
    path = tmp_path_factory.mktemp("built")
    run_tool("ansible-galaxy", "collection", "build", "--output-path", str(path))
    (built,) = path.glob("paranoid-backup-*.tar.gz")
    return built


def test_everything_that_runs_is_in_the_archive(archive: Path) -> None:
    with tarfile.open(archive) as content:
        built = {member.name for member in content if member.isfile()}
    assert set(tracked(*NEEDED)) - built == set()
    assert {name for name in built if "__pycache__" in name or name.startswith(".cache")} == set()


def test_playbooks_can_be_called_by_name_where_the_collection_is_installed(archive: Path, tmp_path: Path) -> None:
    """From anywhere, without this checkout and its settings, as AWX does."""
    elsewhere = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path), "ANSIBLE_CONFIG": "/none", "HOME": str(tmp_path)}
    install = ("ansible-galaxy", "collection", "install", "--offline", "-p", str(tmp_path), str(archive))
    run_tool(*install, cwd=tmp_path, **elsewhere)
    names = sorted(f"paranoid.backup.{path.stem}" for path in (ROOT / "playbooks").glob("*.yml"))
    hosts = (
        "backup_servers: {hosts: {vault: }}\nbackup_clients: {hosts: {web1: }}\nbackup_builders: {hosts: {vault: }}\n"
    )
    (tmp_path / "hosts.yml").write_text(hosts)
    said = run_tool("ansible-playbook", "-i", "hosts.yml", "--syntax-check", *names, cwd=tmp_path, **elsewhere)
    assert said.count(f"playbook: {tmp_path}/ansible_collections/paranoid/backup/playbooks/") == len(names), said
