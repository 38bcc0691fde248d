# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project's carers look for: licences, changelog, hooks and the history's bookkeeping are as they should be."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess

import yaml
from tool import ROOT, run_tool, tracked


def test_every_file_has_its_licence() -> None:
    run_tool("reuse", "lint", "--lines")
    text = (ROOT / "COPYING").read_bytes()
    assert (ROOT / "LICENSES/GPL-3.0-or-later.txt").read_bytes() == text, "COPYING is what galaxy and GitHub show"


def test_changelog_fragments() -> None:
    run_tool("antsibull-changelog", "lint")


def test_hooks_run_what_ci_runs() -> None:
    """Every hook is a part of the quality tests, and those can be found."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for repository in config["repos"]:
        assert repository["repo"] == "local", "nothing is fetched from elsewhere"
        for hook in repository["hooks"]:
            program, *words = shlex.split(hook["entry"])
            assert program == ".cache/venv/bin/pytest"
            assert [word for word in words if word.startswith("tests/quality/")], hook["id"]
            run_tool("pytest", "--collect-only", *words)


def test_ignored_revisions_are_commits_of_this_history() -> None:
    listed = (ROOT / ".git-blame-ignore-revs").read_text()
    for revision in re.findall(r"^[^#\s].*$", listed, re.MULTILINE):
        assert re.fullmatch(r"[0-9a-f]{40}", revision)
        shallow = subprocess.run(
            ["git", "rev-parse", "--is-shallow-repository"], cwd=ROOT, capture_output=True, text=True
        )
        if shallow.stdout.strip() == "false":
            run_tool("git", "merge-base", "--is-ancestor", revision, "HEAD")


def test_galaxy_names_no_address_that_does_not_exist() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    addresses = {key: value for key, value in galaxy.items() if "://" in str(value)}
    assert not [value for value in addresses.values() if "example." in value], addresses


def test_slips_are_made_in_all_that_is_shipped() -> None:
    """A new package needs a row: which tests notice its slips."""
    mutants = runpy.run_path(str(ROOT / "tests/mutants/run.py"))
    rows, left_out = mutants["TESTS"], mutants["LEFT_OUT"]
    shipped = tracked("plugins/*.py", "roles/*.py")
    assert [path for path in shipped if not path.startswith((*rows, *left_out))] == []
    assert [prefix for prefix in (*rows, *left_out) if not any(path.startswith(prefix) for path in shipped)] == []
    assert [test for tests in rows.values() for test in tests if not (ROOT / test).exists()] == []
    known = {line.split(" ")[0] for line in mutants["load_equivalent"]()}
    assert sorted(path for path in known if not (ROOT / path).is_file()) == []
