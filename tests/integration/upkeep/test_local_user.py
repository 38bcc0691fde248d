# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unprivileged user of a client against the backup of its host: what the server is told, and what is saved."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest
from client_borg import USER, temporary_host
from fuse import DEVICE, mounting
from keeper import Keeper
from session_world import came_to

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be another user"),
    pytest.mark.skipif(not DEVICE.exists(), reason="NOT TESTED: the kernel has no FUSE"),
]
EVIL = r"""
echo data > precious
touch .nobackup
mkdir mount
mkfifo pipe CACHEDIR.TAG '[x]' "$(printf 'a\nb')" "$(printf 'gr\374n')"
ln -s /dev/zero '[zero]'
"""


def test_the_rest_is_saved_beside_a_dump_and_the_server_is_told(keeper: Keeper) -> None:
    own = keeper.world.own
    sqlite3.connect(own / "app.db").close()
    config = json.loads((own / "borgmatic.yaml").read_text())
    config |= {"sqlite_databases": [{"name": "app", "path": str(own / "app.db")}], "exclude_caches": True}
    config |= {"unsafe_skip_path_validation_before_create": True, "exclude_if_present": [".nobackup"]}
    with temporary_host() as host:
        host.as_user(EVIL)
        (host.home / "by-root").mkdir()
        (host.home / "by-root/.nobackup").touch()
        config["source_directories"].append(str(host.home))
        (own / "borgmatic.yaml").write_text(json.dumps(config))
        with mounting(host.home / "mount", USER, "allow_other"):
            outcome = keeper.world.session("backup")
        assert came_to(outcome)[:2] == ("failed", "incomplete"), outcome.log_tail
        assert outcome.conclusion.reason == f"web1's archive is incomplete: 1 could not be read: {host.home}/mount"
        told = {kind: (one["count"], one["paths"]) for kind, one in (outcome.remarks or {}).items()}
        assert told == {
            "excluded_by_tag": (1, [f"{host.home}/by-root"]),
            "unreadable": (1, [f"{host.home}/mount"]),
        }
        (made,) = [name for key, name in keeper.listed().items() if key not in keeper.contents]
        names = keeper.borg("list", "--short", f"::{made}").stdout.decode()
        assert {f"{host.home}/precious".lstrip("/"), "borgmatic/sqlite_databases/localhost/app"} <= {
            *names.splitlines()
        }
