# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storage this NAS has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from paranoid_nas.asking import PATIENCE
from paranoid_nas.btrfs import Btrfs
from paranoid_nas.storage import Storage
from paranoid_nas.zfs import Zfs


def is_btrfs(config: Mapping[str, Any]) -> bool:
    """Tell whether the snapshots are of btrfs; copies, and older configurations, are of ZFS."""
    return config.get("storage") == "btrfs"


def storage_of(config: Mapping[str, Any], until: Optional[float] = None) -> Storage:
    """Return what holds the snapshots here; ``until`` is when it must have answered (``time.monotonic``)."""
    return Btrfs(config["dataset"], until) if is_btrfs(config) else zfs_of(config, until=until)


def zfs_of(config: Mapping[str, Any], prefix: Sequence[str] = (), until: Optional[float] = None) -> Zfs:
    """Return ZFS of this machine, or where ``prefix`` leads; older configurations do not say how long it may hang."""
    minutes = config.get("patience_minutes")
    return Zfs(prefix, until, PATIENCE if minutes is None else float(minutes) * 60)
