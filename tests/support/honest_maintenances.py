# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one honest client that is maintained in every way there is, each followed by the audit.

Run: ``python honest_maintenances.py DIRECTORY SEED ROUNDS``. Prints one JSON line per session, as `honest` does.
"""

from __future__ import annotations

import errno
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import borg.archive
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from borg.crypto import key
from borg.repository import Repository
from honest import Life, begin_life, live, trim
from hostile import MANIFEST_ID
from paranoid_borg.main import Guard
from paranoid_dispatcher.keyholder_borg import KeyholderNonces
from restored import read_list

_PIECE = 16_384  # bytes
_FIXED = ("--chunker-params", f"fixed,{_PIECE}")
Work = Callable[[Life], list[int]]


@dataclass
class Earlier:
    """An earlier list of archives, as it was stored, and the archives on it."""

    data: bytes
    archives: list[str]


def of_the_oldest(life: Life) -> list[int]:
    return trim(life, life.archives[: life.bits.randrange(1, len(life.archives))])


def of_any(life: Life) -> list[int]:
    return trim(life, life.bits.sample(life.archives, life.bits.randrange(1, len(life.archives))))


def of_the_newest(life: Life) -> list[int]:
    return trim(life, life.archives[-1:])


def of_all_but_one(life: Life) -> list[int]:
    return trim(life, life.bits.sample(life.archives, len(life.archives) - 1))


def of_the_first(life: Life) -> list[int]:
    """It brought most of what the others need."""
    return trim(life, life.archives[:1])


def without_a_cache(life: Life) -> list[int]:
    life.client.forget()
    return of_any(life)


def by_a_keyholder(life: Life) -> list[int]:
    """Another host with the key: a cache of its own that has not seen the last sessions, and nonces of its own."""
    own, place = life.client.borg.home, life.client.borg.home / "keyholder"
    keys = own / ".config/borg/keys"
    if keys.is_dir():
        shutil.copytree(keys, place / ".config/borg/keys", dirs_exist_ok=True)
    return trim(life, life.bits.sample(life.archives, 1), twist=_become_keyholder, BORG_BASE_DIR=str(place))


def _become_keyholder() -> None:
    key.NonceManager = KeyholderNonces


def of_checkpoints(life: Life) -> list[int]:
    """What backups that were cut off left behind, which nobody named when they came."""
    found = [name for name in life.ids() if name not in life.came]
    return trim(life, found or life.archives[:1])


def cut_off(whom: str) -> Work:
    def run(life: Life) -> list[int]:
        return trim(life, life.bits.sample(life.archives, len(life.archives) // 2), kill=whom, within=0.5)

    return run


def a_file_broke_off(life: Life) -> list[int]:
    """A disk gives only the first pieces of a file: the archive is there, without it."""
    (life.tree / "broken").write_bytes(life.bits.randbytes(8 * _PIECE))
    code = life.create("tree", options=_FIXED, twist=_break_disk)
    if code == 1 or code >= 100:  # warnings
        life.archives.append(f"host-{life.made:04}")
        return [0]
    return [99]


def _break_disk() -> None:
    """Break it behind the guard with which a client's Borg runs: that takes back what was stored in vain."""
    Guard((), "").install()
    whole = borg.archive.backup_io_iter

    def broken(chunks: Iterator[Any]) -> Iterator[Any]:
        for number, chunk in enumerate(whole(chunks)):
            yield chunk
            if number == 5:
                raise borg.archive.BackupOSError("read", OSError(errno.EIO, "a broken disk"))

    borg.archive.backup_io_iter = broken


def the_file_is_whole(life: Life) -> list[int]:
    life.client.forget()
    return [life.create("tree", options=_FIXED)]


def list_came_back(earlier: Earlier) -> Work:
    """What `restore_list.yml` does: the list is stored again, Borg forgets, and no archive after it is known."""

    def run(life: Life) -> list[int]:
        assert life.baseline is not None
        with Repository(life.repository, exclusive=True) as repository:
            repository.put(MANIFEST_ID, earlier.data)
            repository.commit(compact=False)
        life.client.forget(".config/borg/security/*/manifest-timestamp")
        life.baseline = replace(life.baseline, manifest_floor=0)  # it may be shorter: a person wanted it
        life.archives = list(earlier.archives)
        return [0]

    return run


# The kind of maintenance: the sessions that come before it, and what it does.
MAINTENANCES: dict[str, tuple[tuple[str, ...], Work]] = {
    "of the oldest": (("backup", "backup"), of_the_oldest),
    "of any": (("backup", "big and small files"), of_any),
    "of the newest": (("backup", "unchanged or empty"), of_the_newest),
    "of the first": (("unchanged or empty", "backup"), of_the_first),
    "of all but one": (("backup", "checkpoints"), of_all_but_one),
    "of what another one needs whole": (("unchanged or empty", "unchanged or empty"), of_any),
    "of checkpoints": (("killed client", "killed gate", "backup"), of_checkpoints),
    "without a cache": (("backup", "backup"), without_a_cache),
    "by a keyholder": (("backup", "backup"), by_a_keyholder),
    "after a compaction": (("backup", "maintain", "compaction", "backup"), of_any),
    "after another compression": (("backup", "other compression"), of_the_oldest),
    "after a file that broke off": (("backup", "a file broke off", "the file is whole"), of_the_newest),
    "after a list came back": (("backup", "a list came back", "the file is whole", "backup"), of_any),
    "whose client was cut off": (("backup", "backup"), cut_off("client")),
    "whose gate was cut off": (("backup", "backup"), cut_off("gate")),
}


def main() -> None:
    """Live; each archive that is left at the end must be whole."""
    life = begin_life(Path(sys.argv[1]), int(sys.argv[2]))
    own = {"a file broke off": a_file_broke_off, "the file is whole": the_file_is_whole}
    rounds = [life.bits.sample([*MAINTENANCES], len(MAINTENANCES)) for _ in range(int(sys.argv[3]))]
    for kind in itertools.chain(*rounds):
        earlier = Earlier(b"", [])
        before, work = MAINTENANCES[kind]
        for session in ("backup", "backup", *before) if len(life.archives) < 2 else before:
            if session == "a list came back":
                live(life, session, list_came_back(earlier))
            else:
                earlier = Earlier(read_list(Path(life.repository)), list(life.archives))
                live(life, session, own.get(session))
        live(life, f"maintenance {kind}", work)
        if life.bits.random() < 0.5:
            live(life, "compaction")
    whole = [life.client.borg.local("extract", "--dry-run", f"::{name}").returncode for name in life.archives]
    print(json.dumps({"kind": "end", "whole": whole, "findings": full_audit(life.repository).findings}), flush=True)


if __name__ == "__main__":
    main()
