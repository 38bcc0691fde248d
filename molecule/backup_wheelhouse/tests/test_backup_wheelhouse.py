# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role backup_wheelhouse brings to the controller serves a host that has no compiler."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from testinfra.host import Host

Lab = Callable[[str], Host]
LAB = os.environ["PARANOID_LAB"]
BUILT = Path(__file__).parents[3] / ".cache/lab" / LAB / "wheelhouse"
WHEELS, STANDALONE = BUILT / "bookworm-x86_64.tar", BUILT / "standalone-x86_64.tar.gz"


def test_the_builder_is_clean_again(lab: Lab) -> None:
    assert not lab("mail").file("/var/cache/paranoid-backup-wheelhouse").exists


def test_a_host_without_a_compiler_installs_from_it(lab: Lab) -> None:
    client = lab("web1")
    assert not client.exists("gcc")
    client.check_output("rm -rf /tmp/wheels && mkdir /tmp/wheels")
    subprocess.run(["podman", "cp", WHEELS, f"{LAB}-web1:/tmp/wheels/all.tar"], check=True)
    client.check_output("tar -C /tmp/wheels -xf /tmp/wheels/all.tar && python3 -m venv /tmp/wheels/venv")
    client.check_output("/tmp/wheels/venv/bin/pip install --no-index --find-links /tmp/wheels borgbackup borgmatic")
    assert client.check_output("/tmp/wheels/venv/bin/borg --version") == "borg 1.4.5"
    assert client.check_output("/tmp/wheels/venv/bin/borgmatic --version") == "2.1.10"
    client.check_output("rm -rf /tmp/wheels")


def test_a_host_of_another_release_starts_the_standalone_archive(lab: Lab) -> None:
    """With its own Python and C library: this host has newer ones, and no library of Borg's."""
    client, borg = lab("new1"), "/tmp/alone/bin/borg"
    client.check_output("rm -rf /tmp/alone && mkdir /tmp/alone")
    subprocess.run(["podman", "cp", STANDALONE, f"{LAB}-new1:/tmp/alone/all.tar.gz"], check=True)
    client.check_output("tar -C /tmp/alone -xzf /tmp/alone/all.tar.gz")
    assert client.check_output(f"{borg} --version") == "borg 1.4.5"
    assert client.check_output("/tmp/alone/bin/borgmatic --version") == "2.1.10"
    client.check_output(f"{borg} init -e none /tmp/alone/repo && {borg} create /tmp/alone/repo::one /etc/hostname")
    assert client.check_output(f"{borg} extract --stdout /tmp/alone/repo::one") == "new1"
    client.check_output("rm -rf /tmp/alone")


def test_what_it_starts_finds_the_hosts_own_libraries(lab: Lab) -> None:
    """A loader's variable in the environment would hand its older ones to dumps and hooks."""
    client = lab("new1")
    client.check_output("rm -rf /tmp/alone && mkdir /tmp/alone")
    subprocess.run(["podman", "cp", STANDALONE, f"{LAB}-new1:/tmp/alone/all.tar.gz"], check=True)
    client.check_output("tar -C /tmp/alone -xzf /tmp/alone/all.tar.gz")
    start = "import subprocess; subprocess.run(['env'])"
    assert "alone" not in client.check_output(f'cd / && env -i PATH=/usr/bin:/bin /tmp/alone/bin/python3 -Ic "{start}"')
    client.check_output("rm -rf /tmp/alone")
