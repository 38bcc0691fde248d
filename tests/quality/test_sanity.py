# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, on a copy of the checkout where ansible-test wants a collection to be."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tool import ROOT, run_tool, tracked

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HOME = Path(sys.prefix) / "sanity"  # ansible-test makes its own venvs there; they are kept with this one.
COLLECTION = ROOT / f".cache/sanity-{PYTHON}/ansible_collections/paranoid/backup"

# What a release of the collection holds (galaxy.yml), and the settings of ansible-test.
SHIPPED = ("galaxy.yml", "README.md", "COPYING", "meta", "plugins", "roles", "playbooks", "docs", "changelogs")
SETTINGS = ("tests/config.yml", "tests/sanity")

# ansible-test fetches this script to get pip into its own venvs; ensurepip has the same without a network.
GET_PIP = """import ensurepip
ensurepip.bootstrap(default_pip=True)
"""


@pytest.fixture
def mirror() -> Path:
    """The collection in a physical ansible_collections/NAMESPACE/NAME, which a link is not."""
    shutil.rmtree(COLLECTION, ignore_errors=True)
    for name in tracked(*SHIPPED, *SETTINGS):
        target = COLLECTION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    for command in (["init", "--quiet"], ["add", "--all"]):  # else the checkout's own .gitignore hides all of it
        run_tool("git", *command, cwd=COLLECTION)
    cache = HOME / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("24_2", "25_2"):
        (cache / f"get_pip_{version}.py").write_text(GET_PIP)
    return COLLECTION


def test_sanity(mirror: Path) -> None:
    said = run_tool("ansible-test", "sanity", "--color", "no", "--python", PYTHON, cwd=mirror, HOME=str(HOME))
    assert 'sanity test "validate-modules"' in said
    assert "skipped" not in said.replace('"pslint" skipped', "")
