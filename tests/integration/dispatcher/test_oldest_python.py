# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever runs on a client runs on Python 3.9: the tests of those parts, by a real one."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import ansible.module_utils
import pytest
from tool import CACHE, ROOT

PACKAGES = ("pytest==8.4.2", "hypothesis==6.141.1", "PyYAML==6.0.3", "borgmatic==2.1.10")
# Files, and which of their tests need neither Borg nor the engine.
TESTS = {
    "tests/integration/dispatcher/test_dispatch.py": "",
    "tests/integration/dispatcher/test_dispatch_process.py": "bad_request or clean_environment or on_a_signal or open_",
    "tests/integration/dispatcher/test_hook_parts.py": "",
    "tests/integration/dispatcher/test_owner_hooks.py": "order_of_their_names or cut_off or refused_by_name",
    "tests/integration/provisioning/test_strict_borgmatic.py": "",
    "tests/unit/plugins/module_utils/_provision/test_file_tree.py": "",
    "tests/unit/plugins/modules/test_file_tree.py": "",
    "tests/unit/roles/backup_client/paranoid_dispatcher/test_drop_ins.py": "",
    "tests/unit/roles/backup_client/paranoid_dispatcher/test_nonces.py": "",
    "tests/unit/roles/backup_client/test_restore_request.py": "not told_how_to_ask",
    "tests/unit/roles/backup_client/paranoid_rebuild/test_rebuild.py": "",
    "tests/unit/roles/backup_client/paranoid_system/test_description.py": "",
}


def find_python() -> str | None:
    """Return a Python 3.9 on PATH, or one that pyenv has built."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for name in (shutil.which("python3.9"), *map(str, sorted(versions.glob("3.9.*/bin/python3.9")))):
        # pyenv's shims are there for versions that are not chosen, and then only complain.
        if name and subprocess.run([name, "-c", ""], capture_output=True, check=False).returncode == 0:
            return name
    return None


PYTHON = find_python()
needs_python = pytest.mark.skipif(PYTHON is None, reason="NOT TESTED: no Python 3.9 on PATH or among pyenv's versions")


@pytest.fixture(scope="module")
def python() -> str:
    """A Python 3.9 with pytest, in a virtual environment that is kept in the cache."""
    key = hashlib.sha256(f"{PYTHON} {PACKAGES}".encode()).hexdigest()[:16]
    venv = CACHE / f"venv-3.9-{key}"
    if not (venv / "complete").exists():
        subprocess.run([str(PYTHON), "-m", "venv", "--clear", venv], check=True)
        pip = [str(venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"NOT TESTED: pip cannot install {', '.join(PACKAGES)}: {done.stderr.splitlines()[-1:]}")
        (venv / "complete").touch()
    return str(venv / "bin/python")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a client has: of Ansible only what comes with a module."""
    (tmp_path / "ansible").mkdir()
    (tmp_path / "ansible/__init__.py").write_text("__version__ = '2.19'\n")
    (tmp_path / "ansible/module_utils").symlink_to(Path(next(iter(ansible.module_utils.__path__))))
    path = [tmp_path, ROOT / ".cache/collections", ROOT / "tests/support", ROOT / "roles/backup_client/files/lib"]
    return {**os.environ, "PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}


@needs_python
@pytest.mark.parametrize("file", TESTS, ids=lambda file: Path(file).stem)
def test_the_clients_parts_pass_their_tests(python: str, environment: dict[str, str], file: str) -> None:
    alone = ["-c", "/dev/null", "--rootdir", str(ROOT), "--noconftest", "--import-mode=importlib", "-p", "dispatched"]
    argv = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *alone, "-k", TESTS[file], str(ROOT / file)]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " passed" in done.stdout and "skipped" not in done.stdout, done.stdout + done.stderr


@needs_python
def test_every_file_of_a_client_can_be_imported(environment: dict[str, str]) -> None:
    """Without anything but what Python brings along; two of them are programs of Borg's and borgmatic's Python."""
    files = (ROOT / "roles/backup_client/files/lib/paranoid_dispatcher").glob("[!_]*.py")
    names = [f"paranoid_dispatcher.{path.stem}" for path in files if path.stem not in ("keyholder_borg", "read_yaml")]
    plugins = "ansible_collections.paranoid.backup.plugins"
    names += [
        f"{plugins}.module_utils._provision.{path.stem}"
        for path in (ROOT / "plugins/module_utils/_provision").glob("*.py")
    ]
    names += [f"{plugins}.modules.file_tree"]
    assert len(names) > 10
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    argv = [str(PYTHON), "-c", program, *names]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
