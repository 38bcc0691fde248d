# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lost server is made again from lies beside the repositories, or the outcome of a session says why not."""

from __future__ import annotations

import json
import os
import stat
from contextlib import closing
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import (
    has_spare,
    list_spare,
    read_spare,
    save_spare,
)
from made_site import make_site


def after_session(site: Site) -> str:
    """Append an entry, as a session does, and save."""
    with closing(site):
        site.ledger.append(FreezeEntry(site.name, "why"))
        return save_spare(site)


def heads(place: Path) -> tuple[str, str]:
    found = []
    for path in (place / "state" / NAME, place / "srv/.server" / NAME):
        with Ledger.read(str(path)) as ledger:
            assert ledger.verify().ok
            found.append(str(ledger.head()))
    return found[0], found[1]


def test_it_holds_ledger_records_host_keys_and_baseline_for_root_alone(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    for name in ("repository.json", "baseline.json"):
        Path(site.state_file(name)).write_text(f'{{"{name}": 1}}')
    assert after_session(site) == ""
    root = str(tmp_path / "srv")
    assert list_spare(root) == ["web1"]
    assert json.loads(read_spare(root, "server.json") or b"")["state_dir"] == site.server.state_dir
    own = tmp_path / "srv/.server/clients/web1"
    assert json.loads((own / "client.json").read_text())["host"] == "192.0.2.7"
    assert (own / "known_hosts").read_text() == "web1 ssh-ed25519 AAAAweb1\n"
    assert (own / "baseline.json").read_text() == '{"baseline.json": 1}'
    ledger, copy = heads(tmp_path)
    assert ledger == copy
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "srv/.server").rglob("*") if path.is_file()}
    assert (modes, stat.S_IMODE(own.parent.parent.stat().st_mode)) == ({0o600}, 0o700)


def test_only_what_differs_is_written_and_what_is_gone_goes(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    notes = Path(site.state_file("compactions.json"))
    notes.write_text("{}")
    after_session(site)
    own = tmp_path / "srv/.server/clients/web1"
    before = {path.name: path.stat().st_ino for path in own.iterdir()}
    notes.unlink()
    Path(site.state_file("baseline.json")).write_text("{}")
    assert after_session(site) == ""
    after = {path.name: path.stat().st_ino for path in own.iterdir()}
    assert after.keys() == {"client.json", "known_hosts", "baseline.json"}
    assert {name: after[name] for name in ("client.json", "known_hosts")}.items() <= before.items()


def test_sessions_at_the_same_time_leave_nothing_out(tmp_path: Path) -> None:
    children = []
    for number in range(6):
        site = make_site(tmp_path, f"web{number}")
        children.append(os.fork())
        if children[-1] == 0:
            told = [after_session(site) for _round in range(5)]
            os._exit(0 if told == [""] * 5 else 1)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    ledger, copy = heads(tmp_path)
    assert ledger == copy and ledger.startswith("30:")


def test_without_the_dataset_nothing_is_written(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    os.rename(tmp_path / "srv", tmp_path / "unmounted")
    (tmp_path / "srv").mkdir()
    assert "mount the dataset" in after_session(site)
    assert list((tmp_path / "srv").iterdir()) == []
    demanding = make_site(tmp_path / "other", require_mount=True)
    assert "mount the dataset" in after_session(demanding)
    assert not (tmp_path / "other/srv/.server").exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "srv/.server").symlink_to(tmp_path / "elsewhere")
    assert "cannot be written" in after_session(site)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_wrong_is_told_with_its_age(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    after_session(site)
    copy = tmp_path / "srv/.server" / NAME
    copy.write_bytes(b"not a database" * 100)
    os.utime(copy, (1_700_000_000, 1_700_000_000))
    told = after_session(site)
    assert "is of 2023-11-14T22:13+00:00 and cannot be written" in told and "damaged" in told and "\n" not in told
    assert has_spare(str(tmp_path / "srv"), NAME) and not has_spare(str(tmp_path / "srv"), "other")
