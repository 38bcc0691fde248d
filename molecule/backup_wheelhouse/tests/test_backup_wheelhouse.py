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
WHEELS = Path(__file__).parents[3] / ".cache/lab" / LAB / "wheelhouse/bookworm-x86_64.tar"


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
