# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS keeps snapshots in: ZFS, or btrfs where there is no ZFS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional, Protocol

from paranoid_nas.policy import Snapshot

SNAPSHOT = "snapshot"  # the directory beside a repository where one is shown


class NasError(Exception):
    """Something could not be done: one line for a person."""


class SilentError(NasError):
    """It gave no answer in time: a disk, or another machine, hangs, and the next question would wait as long."""


@contextmanager
def going_on(wrong: list[str]) -> Iterator[None]:
    """Note what could not be done, and go on with what comes after it."""
    try:
        yield
    except NasError as error:
        wrong.append(str(error))


class Storage(Protocol):
    """Datasets and their snapshots. Each method raises NasError if it cannot be done, or cannot be told."""

    def datasets(self, root: str) -> list[str]:
        """Return the names of a dataset and all below it."""

    def snapshots(self, root: str) -> list[Snapshot]:
        """Return the snapshots of a dataset and of all below it."""

    def born(self, dataset: str) -> Optional[int]:
        """Return when a dataset was made, in seconds since 1970; None if that is not known."""

    def take(self, root: str, name: str) -> None:
        """Take a snapshot of a dataset and of all below it."""

    def hold(self, snapshot: str) -> None:
        """Hold a snapshot, where that can be; one that is held already stays so."""

    def destroy(self, snapshot: str) -> None:
        """Let a snapshot go, and nothing with it."""

    def show(self, root: str, client: str, name: str) -> str:
        """Show a client's snapshot as a read-only directory beside its repository; return the directory."""

    def hide(self, root: str, client: str) -> None:
        """Take away what ``show`` made, and nothing else."""
