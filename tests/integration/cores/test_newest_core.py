# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on ansible-core, once more with the newest one, on whose Python these tests run as well."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from cores import MISSING, NEWEST
from tool import ROOT

STARTS_ANSIBLE = re.compile(r"ansible-playbook|borg_role")
PARTS = {
    "plugins": sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/unit/plugins").iterdir()
        if path.is_dir() and path.name not in ("module_utils", "__pycache__")  # the engine knows nothing of Ansible
    ),
    "report": sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/integration/report").glob("test_*.py")
        if path.name != "test_report_mail.py"  # What a mail server answers is the same with any core.
    ),
    "session": ["tests/integration/session/test_from_ansible.py"],
    "provisioning": sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/integration/provisioning").glob("test_*.py")
        if STARTS_ANSIBLE.search(path.read_text())
    ),
    "quality": [
        "tests/quality/test_sanity.py",
        "tests/quality/test_build.py",
        "tests/quality/test_lint.py::test_ansible_lint",
    ],
}


@pytest.mark.skipif(not NEWEST.exists(), reason=MISSING)
@pytest.mark.parametrize("part", PARTS)
def test_with_the_newest_core(part: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COVERAGE_"))}
    environment["PATH"] = f"{NEWEST / 'bin'}{os.pathsep}{environment['PATH']}"
    options = ["-p", "no:stopwatch", "-o", "cache_dir=.cache/pytest-newest", "--quiet"]
    done = subprocess.run(
        [NEWEST / "bin/pytest", *options, *PARTS[part]],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
