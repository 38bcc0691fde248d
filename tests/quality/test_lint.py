# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each linter, as one test."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest
from tool import CACHE, ROOT, run_tool, tracked

COLLECTIONS = ROOT / ".cache/collections"


def test_ruff_check() -> None:
    run_tool("ruff", "check", "--quiet", "--output-format=concise", ".")


def test_ruff_format() -> None:
    run_tool("ruff", "format", "--check", "--quiet", ".")


def test_functions_are_short() -> None:
    """Under 40 lines, so that one can be seen as a whole."""
    found = {name: ast.walk(ast.parse((ROOT / name).read_text())) for name in tracked("plugins/*.py", "roles/*.py")}
    lengths = {
        f"{name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, nodes in found.items()
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 1000, "this test looks in the wrong place"
    assert {name: length for name, length in lengths.items() if length >= 40} == {}


def test_mypy_plugins() -> None:
    run_mypy("plugins", "-p", "ansible_collections.paranoid.backup.plugins", path=str(COLLECTIONS))


def test_mypy_tests() -> None:
    shipped = [
        "roles/backup_client/files",
        *(f"roles/backup_{side}/files/lib" for side in ("client", "server", "runner")),
    ]
    path = [str(COLLECTIONS), "tests/support", *shipped]
    run_mypy("tests", *tracked("tests/*.py", "molecule/*.py"), path=":".join(path))


# The oldest that mypy knows; tests/integration/dispatcher/test_oldest_python.py has a real 3.9.
CLIENT_PYTHON = ("--python-version", "3.10")


def test_mypy_role_files() -> None:
    loose = tracked("roles/*/files/*.py")
    packages = sorted({Path(name).parent for name in loose if Path(name).parent.parent.name == "lib"})
    for name in loose:
        if "/files/lib/" not in name:
            beside = f"{Path(name).parent}:{Path(name).parent}/lib"
            run_mypy("files", *floor(name), name, path=beside)
    for package in packages:
        run_mypy("packages", *floor(str(package)), "-p", package.name, path=str(ROOT / package.parent))


@pytest.mark.parametrize(
    ("option", "name"), [("-m", "_common.files"), ("-m", "_common.programs"), ("-p", "_provision")]
)
def test_mypy_what_modules_take_to_clients(option: str, name: str) -> None:
    module = f"ansible_collections.paranoid.backup.plugins.module_utils.{name}"
    run_mypy("taken", *CLIENT_PYTHON, option, module, path=str(COLLECTIONS))


def run_mypy(what: str, *words: str, path: str) -> None:
    """Check types with a cache for WHAT: what mypy found by another path it does not look for again."""
    run_tool("mypy", "--cache-dir", str(CACHE / "mypy" / what), *words, MYPYPATH=path)


def floor(name: str) -> tuple[str, ...]:
    """Return mypy's options for the Python that a file must run on at least."""
    return CLIENT_PYTHON if name.startswith(("roles/backup_client/", "roles/backup_nas/")) else ()


def test_yamllint() -> None:
    run_tool("yamllint", "--strict", ".")


def test_ansible_lint() -> None:
    """With ansible-core alone the examples for AWX cannot be read: they use the collection awx.awx."""
    left_out = () if find_spec("ansible_collections.awx") else ("--exclude", "docs/examples/awx")
    run_tool("ansible-lint", "--offline", "--nocolor", "-q", *left_out, ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS))


def test_shellcheck() -> None:
    plain = [name for name in tracked() if not name.endswith(".j2")]
    shebangs = {name: (ROOT / name).read_bytes()[:20].splitlines()[:1] for name in plain}
    scripts = [name for name, first in shebangs.items() if first in ([b"#!/bin/sh"], [b"#!/bin/bash"])]
    assert scripts, "no shell script was found: this test looks in the wrong place"
    run_tool("shellcheck", *scripts)
