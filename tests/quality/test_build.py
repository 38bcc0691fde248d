# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that people install holds all that it needs, and nothing that was only made here."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from tool import ROOT, run_tool, tracked

NEEDED = (
    "CONTRIBUTING.md",
    "COPYING",
    "README.md",
    "SECURITY.md",
    "changelogs",
    "docs",
    "inventories/example",
    "meta",
    "playbooks",
    "plugins",
    "roles",
)


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
    assert built - set(tracked("*")) == {"MANIFEST.json", "FILES.json"}, "only made here"
    of_the_checkout = ("tests/", "molecule/", "inventories/lab/", ".", "Makefile", "pyproject.toml", "requirements.")
    assert [name for name in sorted(built) if name.startswith(of_the_checkout)] == []


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


@pytest.mark.parametrize("source", [".", "{clone}", "git+file://{clone}"])
def test_the_collection_installs_from_a_clone(source: str, tmp_path: Path) -> None:
    """As a newcomer does it: with Ansible alone, into the user's own directory, without any server."""
    clone = tmp_path / "clone"
    run_tool("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
    home = tmp_path / "home"
    home.mkdir()
    bare = {"HOME": str(home), "PYTHONPATH": str(hide_distlib(tmp_path)), "ANSIBLE_GALAXY_SERVER": "http://localhost:9"}
    install = ("ansible-galaxy", "collection", "install", source.format(clone=clone))
    run_tool(*install, cwd=clone if source == "." else home, **bare)
    installed = home / ".ansible/collections/ansible_collections/paranoid/backup"
    assert (installed / "playbooks/site.yml").is_file() and not (installed / "tests").exists()
    assert run_tool("git", "status", "--porcelain", cwd=clone) == ""


def hide_distlib(directory: Path) -> Path:
    """A folder that hides a package which Ansible does not bring along."""
    hidden = directory / "hidden"
    hidden.mkdir()
    (hidden / "distlib.py").write_text("raise ImportError\n")
    return hidden
