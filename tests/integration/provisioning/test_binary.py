# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role backup_borg with a standalone Borg: fetched once, verified before a host sees it, and then left alone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_packages import calls, make_fakes
from standalone import GOOD, archive
from tool import ROOT

FACTS = {"os_family": "Archlinux", "distribution": "Archlinux", "distribution_release": "x", "architecture": "x86_64"}
QUERY = ("pacman", "--query", "--quiet", "socat")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can install files of root")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A web server for the archive: its address, and what was asked of it."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            asked.append(str(arguments[1]))

    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/borg.tar.gz", asked
    server.shutdown()
    server.server_close()


def run(tmp_path: Path, hosts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Run the whole role; return what was said of each host, in one line."""
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "backup_borg_source": "binary",
        "backup_borg_venv": f"{tmp_path}/opt/{{{{ inventory_hostname }}}}",
        "backup_borg_packages": ["socat"],
        "backup_borg_requirements": ["borgbackup==1.4.5", "borgmatic==2.1.10"],
    }
    play = {"hosts": "all", "gather_facts": False, "vars": {"ansible_facts": FACTS}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "roles": ["paranoid.backup.backup_borg"]}]))
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    path = f"{tmp_path / 'fakes/bin'}:{os.environ['PATH']}"
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.json"), "-f", "2"]
    done = subprocess.run(
        [*argv, str(tmp_path / "play.yml")],
        env={**os.environ, **settings, "PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        host: " ".join(line for line in done.stdout.splitlines() if f"{host}]" in line or f"{host} " in line)
        for host in hosts
    }


def test_a_standalone_borg_arrives_verified_or_not_at_all(tmp_path: Path, web: tuple[str, list[str]]) -> None:
    url, asked = web
    file = archive(tmp_path / "web/borg.tar.gz", GOOD)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    pinned = {"backup_borg_binary": str(file), "backup_borg_binary_sha256": sha256}
    hosts: dict[str, dict[str, Any]] = {
        "named": {**pinned, "backup_borg_binary_signature": "good.asc", "backup_borg_binary_key": "KEY"},
        "fetched1": {**pinned, "backup_borg_binary": url},
        "fetched2": {**pinned, "backup_borg_binary": url},
        "unsigned": {**pinned, "backup_borg_binary_signature": "bad.minisig", "backup_borg_binary_key": "KEY"},
        "wrong": {**pinned, "backup_borg_binary_sha256": "0" * 64},
        "wrongurl": {"backup_borg_binary": url, "backup_borg_binary_sha256": "1" * 64},
        "unpinned": {"backup_borg_binary": url},
        "absent": {},
        "older": {**pinned, "backup_borg_requirements": ["borgbackup==1.4.6"]},
    }
    gpgv = ("gpgv", "--keyring", "KEY", "good.asc", str(file))
    make_fakes(tmp_path / "fakes", {QUERY: (0, "socat\n"), gpgv: (0, ""), ("minisign",): (0, "")})
    said = run(tmp_path, hosts)
    installed = {path.parent.name for path in (tmp_path / "opt").glob("*/standalone")}
    assert installed == {"named", "fetched1", "fetched2"}, said
    assert {path.name for path in (tmp_path / "opt").iterdir()} == installed
    assert asked.count("GET /borg.tar.gz HTTP/1.1") == 2, "once for both hosts, and once for a hash that is not its"
    assert (
        "is no signature of" in said["unsigned"]
        and f"unexpected: minisign -Vqm {file} -x bad.minisig -P KEY" in said["unsigned"]
    )
    assert f"is {sha256}, and backup_borg_binary_sha256 is 000000" in said["wrong"]
    assert "checksum" in said["wrongurl"] and "11111" in said["wrongurl"]
    assert "so backup_borg_binary_sha256 must be its SHA-256" in said["unpinned"]
    assert "standalone-x86_64.tar.gz on the controller: playbooks/wheelhouse.yml makes it" in said["absent"]
    assert "is not installed on older: it holds borg 1.4.5, and 1.4.6 is wanted" in said["older"]
    again = run(tmp_path, {host: hosts[host] for host in installed})
    assert all("changed=0" in text and "failed=0" in text for text in again.values()), again
    assert calls(tmp_path / "fakes").count(list(QUERY)) >= len(installed)
