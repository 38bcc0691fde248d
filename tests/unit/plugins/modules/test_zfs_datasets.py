# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is never mounted over: files that somebody wrote where a dataset is made, moved to, or was not mounted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import MARK, DatasetError, Desired
from ansible_collections.paranoid.backup.plugins.module_utils._nas.zfs import Zfs
from ansible_collections.paranoid.backup.plugins.modules.zfs_datasets import plan

Properties = dict[str, tuple[str, str]]


def make_zfs(**datasets: Properties) -> Zfs:
    """A machine with a pool tank, and datasets in it: each property with its source."""
    there = {f"tank/{name}": about for name, about in datasets.items()}

    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        if argv[0] == "zpool":
            return 0, "NAME  PROPERTY  VALUE  SOURCE\ntank  health  ONLINE  -\n", ""
        if argv[1] == "list":
            return 0, "\n".join(["tank", *there]), ""
        rows = ((name, *row) for name in argv[5:] for row in there.get(name, {}).items())
        return 0, "".join(f"{name}\t{prop}\t{pair[0]}\t{pair[1]}\n" for name, prop, pair in rows), ""

    return Zfs(run)


def describe(place: Path | str, mounted: str) -> Properties:
    return {"mountpoint": (str(place), "local"), "mounted": (mounted, "-"), MARK: ("all", "local")}


@pytest.mark.parametrize("kind", ["made", "mounted", "moved"])
def test_files_are_hidden_by_no_dataset(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "srv"
    (place / "web1").mkdir(parents=True)
    wanted = Desired("tank/all", "all", {} if kind == "mounted" else {"mountpoint": str(place)})
    zfs = {
        "made": make_zfs(),
        "mounted": make_zfs(all=describe(place, "no")),
        "moved": make_zfs(all=describe("/other", "yes")),
    }[kind]
    (change,), _warnings = plan(zfs, [wanted])
    assert (change.create, change.mount) == (kind == "made", kind == "mounted"), "an empty directory is nothing"
    (place / "web1/repo").touch()
    with pytest.raises(DatasetError, match=f"{place} holds files that the dataset tank/all would hide"):
        plan(zfs, [wanted])


def test_where_nothing_can_lie_nothing_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "legacy").mkdir()
    (tmp_path / "legacy/file").touch()
    for above in (describe("legacy", "no"), {}):
        changes, _warnings = plan(make_zfs(all=above), [Desired("tank/all/web1", "client web1")])
        assert [one.create for one in changes] == [True]
    changes, _warnings = plan(make_zfs(all=describe("legacy", "no")), [Desired("tank/all", "all")])
    assert [one.mount for one in changes] == [True]
