# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must remain after an attack: both earlier archives, byte for byte, also after a compaction."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from real import Borg


def disk_use(repository: Path) -> int:
    """Return the bytes that all files take on the disk, in whole blocks."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in repository.rglob("*") if path.is_file())


def baseline_of(borg: Borg) -> Baseline:
    """Return the baseline of the repository as it is now."""
    baseline = audit(str(borg.repository), None, "append")[1]
    assert baseline is not None
    return baseline


def roll_back(borg: Borg, baseline: Baseline) -> None:
    """Roll back as an operator does with a frozen repository; the highest nonce stays."""
    for pattern in ("hints.*", "index.*", "integrity.*"):
        for path in borg.repository.glob(pattern):
            path.unlink()
    for path in (borg.repository / "data").glob("*/*"):
        if int(path.name) > baseline.transaction:
            path.unlink()
    for path in borg.home.rglob("manifest-timestamp"):
        path.unlink()
    assert borg.local("delete", "--cache-only").returncode == 0


def assert_history(borg: Borg) -> None:
    """Restore both archives and compare each byte with what was backed up."""
    for archive in ("one", "two"):
        place = borg.home / "restored"
        place.mkdir()
        done = borg.local("extract", f"::{archive}", cwd=place)
        assert done.returncode == 0, done.stderr
        names = [path.name for path in (place / "tree").iterdir()]
        assert len(names) == {"one": 41, "two": 42}[archive]
        assert filecmp.cmpfiles(place / "tree", borg.home / "tree", names, shallow=False)[0] == names
        shutil.rmtree(place)


def assert_history_stays(borg: Borg) -> None:
    """Restore now, and again after a compaction that frees all it can; then let the client back up once more."""
    assert_history(borg)
    assert borg.local("compact", "--threshold", "0").returncode == 0
    assert_history(borg)
    done = borg.run("append", "create", "::after", "tree")
    assert done.returncode == 0, done.stderr
