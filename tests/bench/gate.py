# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate costs: a first backup through it, and through stock ``borg serve``, in turns.

Run: ``python tests/bench/gate.py [MiB, default 1024] [turns, default 3]``, with Borg's own python. Prints the least
wall and CPU seconds (client and server together) of each, and their ratios.
"""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from real import BORG, Borg


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as directory:
        tree = Path(directory) / "tree"
        tree.mkdir()
        for number in range(16):
            (tree / str(number)).write_bytes(os.urandom(size * 65536))
        least = {"stock": (1e9, 1e9), "gate": (1e9, 1e9)}
        for turn in range(turns):
            for kind in least:
                measured = backup(Path(directory) / f"{kind}{turn}", tree, kind)
                least[kind] = (min(least[kind][0], measured[0]), min(least[kind][1], measured[1]))
                subprocess.run(["rm", "-r", Path(directory) / f"{kind}{turn}"], check=True)
    for kind, (wall, cpu) in least.items():
        print(f"{kind:6} {size} MiB   wall {wall:6.2f} s   CPU {cpu:6.2f} s")
    wall, cpu = (least["gate"][field] / least["stock"][field] for field in (0, 1))
    print(f"ratio  gate to stock    {wall:6.3f}         {cpu:6.3f}   budget 1.03")


def backup(place: Path, tree: Path, kind: str) -> tuple[float, float]:
    """Return wall and CPU seconds of one first backup."""
    borg = Borg.make(place)
    place_of = {"BORG_REPO": f"ssh://server{borg.repository}"}
    init = [str(BORG), "init", "-e", "repokey"]
    subprocess.run(init, env=borg.environment("create") | place_of, check=True, capture_output=True)
    environment = borg.environment("append") | place_of
    if kind == "stock":
        serve = shlex.join([str(BORG), "serve", "--append-only", "--restrict-to-repository", str(borg.repository)])
        environment["BORG_RSH"] = shlex.join(["sh", "-c", f"exec {serve}", "rsh"])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run([str(BORG), "create", "-C", "none", "::a", str(tree)], env=environment, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
