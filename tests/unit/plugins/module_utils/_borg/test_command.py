# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own Borg ends in time, and is understood however much it says."""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site


def site(path: Path, script: str, seconds: float = 60) -> Site:
    """A site whose Borg is this script of the shell."""
    borg = path / "borg"
    borg.write_text(f"#!{sys.executable} -S\nimport os\nos.execv('/bin/sh', ['sh', '-c', {script!r}])\n")
    borg.chmod(0o755)
    (path / "repo").mkdir()
    me = pwd.getpwuid(os.geteuid()).pw_name
    server = SimpleNamespace(run_dir=str(path), host_id="x", python=str(borg), total_timeout=seconds)
    client = SimpleNamespace(repository=str(path / "repo"), repository_user=me)
    return cast(Site, SimpleNamespace(name="web1", server=server, client=client))


def test_borg_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(SessionError) as caught:
        run_borg(site(tmp_path, "sleep 60 & sleep 60", 0.5), "compact")
    assert time.monotonic() - began < 20
    assert caught.value.code == "total_timeout"
    assert caught.value.reason == (
        "borg compact of web1 was not done after 0.5 s: raise backup_server_total_timeout, run site.yml"
    )


def test_what_borg_says_last_counts_and_the_rest_is_not_kept(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the last line >&2; exit 7"
    assert run_borg(site(tmp_path, script), "check") == (7, "the last line")


def test_borg_has_limits(tmp_path: Path) -> None:
    (tmp_path / "size").touch()
    code, said = run_borg(site(tmp_path, "ulimit -v >&2"), "check")
    assert code == 0 and said.isdigit(), said
