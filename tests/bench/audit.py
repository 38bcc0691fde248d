# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit costs: a routine session on a repository and on one ten times larger, and a full audit.

Run: ``python tests/bench/audit.py [objects of the full audit, default 2000000]``. Prints milliseconds and ratios.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/collections"), str(ROOT / "tests/support")]

from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit  # noqa: E402
from fake_repository import FakeRepository, key  # noqa: E402

SESSION_OBJECTS = 400
SESSION_BYTES = 22 * 1024 * 1024


def main() -> None:
    """Measure and print."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as directory:
        small = routine(Path(directory) / "small", 50, 100_000)
        large = routine(Path(directory) / "large", 500, 1_000_000)
        print(f"routine audit, 400 objects, 22 MB   {small * 1000:8.1f} ms   budget 50 ms   ratio {small / 0.05:.2f}")
        print(f"the same, repository ten times      {large * 1000:8.1f} ms   ratio {large / small:.2f}")
        repository = FakeRepository(Path(directory) / "full")
        for part in range(10):
            repository.session((key(part * objects // 10 + number), b"") for number in range(objects // 10))
        budget = 2 * objects / 2_000_000
        headers = best(1, lambda: full_audit(str(repository.path), checksums=False))
        whole = best(1, lambda: full_audit(str(repository.path)))
        print(
            f"full audit of {objects} objects, headers {headers:6.2f} s   with checksums {whole:.2f} s   "
            f"budget {budget:.1f} s   ratio {headers / budget:.2f} and {whole / budget:.2f}"
        )


def routine(path: Path, sessions: int, objects: int) -> float:
    """Return seconds for the audit of one more session on a repository of this size."""
    repository = FakeRepository(path)
    each = objects // sessions
    write_index = repository.write_index
    repository.write_index = lambda: None  # type: ignore[method-assign]
    for session in range(sessions):
        repository.session((key(session * each + number), b"x" * 20) for number in range(each))
    repository.write_index = write_index  # type: ignore[method-assign]
    repository.session()
    baseline = audit(str(path), None, "append")[1]
    data = os.urandom(SESSION_BYTES // SESSION_OBJECTS)
    repository.session((key(objects + number), data) for number in range(SESSION_OBJECTS))

    def measured() -> None:
        verdict, _ = audit(str(path), baseline, "append")
        if verdict.verdict != "clean":
            raise SystemExit(f"not clean: {verdict.findings}")

    return best(5, measured)


def best(times: int, work: Callable[[], object]) -> float:
    """Return the least CPU time of some measurements, in seconds: the machine may have other things to do."""
    results = []
    for _ in range(times):
        started = time.process_time()
        work()
        results.append(time.process_time() - started)
    return min(results)


if __name__ == "__main__":
    main()
