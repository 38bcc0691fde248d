# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own Borg ends in time, and is understood however much it says."""

from __future__ import annotations

import json
import os
import pwd
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg import command
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg, store_list
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import limits_for_borg, spawn
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


ID = "0123456789abcdef" * 4


def test_borg_gets_nothing_of_ours_and_sees_its_own_repository_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these is what a hostile repository, or a file of its user's, could otherwise use."""
    one = site(tmp_path, "env >&2; echo $0 >&2")
    (tmp_path / "repo/index.1").write_bytes(bytes(1000))
    seen: list[tuple[Any, ...]] = []

    async def watched(argv: list[str], *rest: Any, **streams: Any) -> Any:
        seen.append((argv, *rest))
        return await spawn(argv, *rest, **streams)

    monkeypatch.setattr(command, "spawn", watched)
    run_borg(one, "compact")
    ((argv, user, env, limits, repository),) = seen
    assert argv[1:] == ["-I", "-m", "borg", "compact", f"{tmp_path}/repo"]
    assert (user.pw_uid, repository) == (os.geteuid(), f"{tmp_path}/repo")
    assert limits == limits_for_borg(1000)
    assert env.pop("BORG_BASE_DIR").startswith(f"{tmp_path}/upkeep-")
    assert env == {"BORG_HOST_ID": "x", "BORG_EXIT_CODES": "legacy", "BORG_SHOW_SYSINFO": "no"}
    assert not list(tmp_path.glob("upkeep-*"))


def test_a_list_is_stored_in_the_repository_that_was_recorded_and_in_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = site(tmp_path, "true")
    one.server.__dict__["lib_dir"] = "/lib"
    one.__dict__["state_file"] = lambda name: str(tmp_path / name)
    (tmp_path / "repo/config").write_text(f"[repository]\nid = {ID}\n")
    with pytest.raises(SessionError) as caught:
        store_list(one, b"list")
    assert caught.value.code == "not_provisioned"
    (tmp_path / "repository.json").write_text(json.dumps({"schema": 1, "id": ID}))
    seen: list[Any] = []

    async def noted(_site: Site, _what: str, words: tuple[str, ...], data: bytes) -> tuple[int, str]:
        seen.append((words, data))
        return 0, ""

    monkeypatch.setattr(command, "_run", noted)
    assert store_list(one, b"list") == (0, "")
    assert seen == [(("/lib", "restore-list", "--repository", f"{tmp_path}/repo", "--repository-id", ID), b"list")]
