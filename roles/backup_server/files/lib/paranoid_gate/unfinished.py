# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `create` that was cut off left behind, and what must not be taken for that."""

from __future__ import annotations

import configparser
import os
import re
import shutil

from borg.helpers import Error
from borg.repository import Repository

from paranoid_gate.errors import EndOfConnection

# What Borg may have written before its first commit.
_SEGMENTS = 8  # at most; `borg init` needs three
_NAMES = re.compile(r"(README|data|(config|nonce|lock|hints|index|integrity)([.-].{1,64})?)\Z")


def clear_unfinished(path: str) -> None:
    """Remove what a `create` that was cut off left behind, so that the next one can make the repository.

    Whatever may be more than that stays: with a commit it is a repository, without one a person has to look.
    """
    try:
        names = sorted(os.listdir(path))
        segments = sum(len(files) for _path, _folders, files in os.walk(os.path.join(path, "data")))
    except OSError:
        return  # whoever opens the repository says why
    if "config" in names and _is_committed(path):
        return
    if segments > (_SEGMENTS if "config" in names else 0):
        raise EndOfConnection("error", f"a damaged repository lies in {path}: restore it, or move it away")
    strange = [name for name in names if not _NAMES.match(name)]
    if strange:
        raise EndOfConnection("error", f"no repository can be made beside {strange[0]!r}: move it out of {path}")
    discard(path)


def discard(path: str) -> None:
    """Remove a repository that was begun and never committed; the directory itself stays."""
    for name in os.listdir(path):
        entry = os.path.join(path, name)
        if os.path.isdir(entry) and not os.path.islink(entry):
            shutil.rmtree(entry)
        else:
            os.unlink(entry)


def _is_committed(path: str) -> bool:
    """Return whether anything was ever committed there; raise EndOfConnection if Borg cannot say."""
    repository = Repository(path, lock=False)
    try:
        repository.open(path, exclusive=False, lock=False)
        return repository.io.get_segments_transaction_id() is not None
    except (Error, OSError, ValueError, configparser.Error) as error:
        text = (error.get_message() if isinstance(error, Error) else str(error)).partition("\n")[0]
        raise EndOfConnection("error", f"the repository in {path} cannot be opened: {text}") from None
