# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to know which archives are there, and with which session each object came.

Run: ``python tests/bench/ownership.py [objects, default 2000000] [archives, default 1000]``. Prints milliseconds of CPU
for what is done after each session, in each trim and after a compaction, and how many bytes its note takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/collections"), str(ROOT / "tests/support")]

from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import Ownership  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Expectation, look_up  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index  # noqa: E402
from borg.hashindex import NSIndex  # noqa: E402
from processor_time import best  # noqa: E402

_SIZE = 100  # bytes from one object to the next in its segment
_LOST = 2000  # objects that a trim deletes
_LIST_SIZE = 100 * 1000  # bytes of a list of a thousand archives


def main() -> None:
    """Measure and print."""
    objects, archives = (int(word) for word in (*sys.argv[1:], "2000000", "1000")[:2])
    each = objects // archives
    ids = [hashlib.blake2b(b"%d" % number, digest_size=32).digest() for number in range(objects)]
    places = [(2 * (number // each), 8 + number % each * _SIZE) for number in range(objects)]
    owners = Ownership(tuple(2 * session + 1 for session in range(archives)))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as directory:
        write_index(Path(directory), ids, places)
        expected = Expectation(tuple(one.hex() for one in ids[::each]))
        with newest_index(directory) as index:
            assert index is not None and index.objects == objects
            present = best(lambda: look_up(index, expected, 0))
            listed = best(lambda: write_list(Path(directory)))
            kept = Kept(expected.staying, owners.intervals(owners.transactions[: archives // 2]))
            trim = best(lambda: kept.count_lost(index, ids[-_LOST:]))
    moved = (((2 * archives + at // 50_000, 8 + at % 50_000 * _SIZE), place) for at, place in enumerate(places))
    started = time.process_time()
    notes = owners.after_compaction(2 * archives - 1, 3 * archives, moved, range(3 * archives))
    compaction = time.process_time() - started
    note = len(json.dumps([asdict(one) for one in notes]))
    session = present + listed
    print(f"each session: {archives} looked up {present * 1000:6.1f} ms, a list written {listed * 1000:.1f} ms")
    print(f"             of {objects} objects; budget 50 ms   ratio {session / 0.05:.2f}")
    print(f"each trim: {_LOST} deleted objects held against what stays {trim * 1000:6.1f} ms")
    print(f"a compaction that moves everything: {compaction:.2f} s, note {note} bytes, {note / objects:.3f} an object")
    print(f"             budget 4 bytes an object   ratio {note / objects / 4:.3f}")


def write_index(directory: Path, ids: list[bytes], places: list[tuple[int, int]]) -> None:
    """Write an index as Borg does."""
    index: Any = NSIndex(capacity=len(ids))
    for one, place in zip(ids, places, strict=True):
        index[one] = place
    index.write(str(directory / f"index.{places[-1][0] + 1}"))


def write_list(directory: Path) -> None:
    """Write a list of that size, synced."""
    with (directory / "list").open("wb") as handle:
        handle.write(bytes(_LIST_SIZE))
        handle.flush()
        os.fsync(handle.fileno())


if __name__ == "__main__":
    main()
