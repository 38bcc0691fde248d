# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore takes: ``paranoid-backup-restore`` against ``borg extract`` through the same gate, in turns.

Run: ``python tests/bench/restore.py [--files 50000] [--mib 2048] [--rtt 0,50,200] [--turns 2] [--only NAME]``, with
Borg's own python. Prints the least wall and CPU seconds (of all processes on both sides) of each, and their ratios.
``--waits`` prints instead where the time goes: CPU seconds of the client and of the gate (with the relay), the seconds
in which the client could only wait for the gate, and of them those that were as long as the round trip: what more
requests at once can win is those alone.
The line is a relay that brings each byte half a round trip later.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from real import BORG, LIBRARY, Borg
from tool import ROOT

DELAYED = ROOT / "tests/support/delayed.py"
TRACED = ROOT / "tests/support/traced_restore.py"
RESTORE = (
    "import sys, pathlib; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
    "from paranoid_restore.main import main; sys.exit(main(sys.argv[3:], pathlib.Path(sys.argv[2])))"
)
CLIENT = ROOT / "roles/backup_client/files/lib"


@dataclass(frozen=True)
class Case:
    """What is restored: a path below the tree, and through how many connections."""

    name: str
    path: str
    connections: tuple[int, ...]


@dataclass(frozen=True)
class Bench:
    """A host with one archive ``a`` of ``tree``."""

    place: Path
    borg: Borg
    tree: Path

    @property
    def report(self) -> Path:
        """What the gate reports."""
        return self.place / "report"

    def set_line(self, rtt: int) -> None:
        """Let the relay lead through a line of this round trip (ms)."""
        gate = [
            sys.executable,
            "-I",
            str(LIBRARY),
            "gate",
            "--policy",
            "read",
            "--repository",
            str(self.borg.repository),
        ]
        line = [] if rtt == 0 else [sys.executable, "-I", str(DELAYED), str(rtt)]
        relay = self.place / "relay"
        relay.write_text(f"#!/bin/sh\nexec {shlex.join([*line, *gate])} --report-fd 3 3>>{self.report}\n")
        relay.chmod(0o755)

    def provision(self) -> None:
        """Write what the commands on a client need."""
        base = self.place / "home"
        (self.place / "passphrase").write_text("secret")
        (base / "open").write_text("nowhere")
        record = dict.fromkeys(("runtime_dir", "borg", "borgmatic", "config"), "/nowhere")
        record |= {"base_dir": str(base), "relay": str(self.place / "relay")}
        record |= {
            "passphrase_file": str(self.place / "passphrase"),
            "repository": f"ssh://server{self.borg.repository}",
        }
        (self.place / "client.json").write_text(json.dumps(record))

    def environment(self) -> dict[str, str]:
        """Return plain Borg's environment: the same home and line."""
        return {
            "PATH": os.environ["PATH"],
            "BORG_BASE_DIR": str(self.place / "home"),
            "BORG_RSH": str(self.place / "relay"),
            "BORG_REPO": f"ssh://server{self.borg.repository}",
            "BORG_PASSCOMMAND": f"cat {self.place / 'passphrase'}",
        }

    def extract(self, path: str, target: Path) -> tuple[float, float, str]:
        """Restore by plain Borg."""
        return timed([str(BORG), "extract", "::a", path], self.environment(), target)

    def restore(self, path: str, target: Path, connections: int) -> tuple[float, float, str]:
        """Restore by ours."""
        argv = [sys.executable, "-I", "-c", RESTORE, str(CLIENT), str(self.place / "client.json")]
        words = ["--to", str(target), "--connections", str(connections), path]
        return timed([*argv, *words], {"PATH": os.environ["PATH"]}, target)


def timed(argv: list[str], environment: dict[str, str], cwd: Path) -> tuple[float, float, str]:
    """Return wall and CPU seconds, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{argv}: {done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def make_bench(place: Path, files: int, mib: int) -> Bench:
    """Make the tree, the repository and the archive."""
    borg, tree = Borg.make(place), place / "tree"
    for name in ("one", "some", "big", "small"):
        (tree / name).mkdir(parents=True)
    (tree / "one/file").write_bytes(os.urandom(4000))
    for kind, count, size in (("some", files // 5, 8000), ("small", files, 4000)):
        for number in range(count):
            directory = tree / kind / str(number // 500)
            directory.mkdir(exist_ok=True)
            (directory / str(number)).write_bytes(os.urandom(size))
    for number in range(16):
        (tree / f"big/{number}").write_bytes(os.urandom(mib * 65536))
    environment = borg.environment("create") | {"BORG_REPO": f"ssh://server{borg.repository}"}
    subprocess.run([str(BORG), "init", "-e", "repokey"], env=environment, check=True, capture_output=True)
    environment |= borg.environment("append") | {"BORG_REPO": f"ssh://server{borg.repository}"}
    subprocess.run([str(BORG), "create", "-C", "lz4", "::a", "."], env=environment, cwd=tree, check=True)
    bench = Bench(place, borg, tree)
    bench.provision()
    return bench


def main() -> None:
    """Measure and print."""
    add = (parser := argparse.ArgumentParser()).add_argument
    add("--files", type=int, default=50_000)
    add("--mib", type=int, default=2048)
    add("--rtt", default="0,50,200")
    add("--turns", type=int, default=2)
    add("--only", default="")
    add("--waits", action="store_true")
    options = parser.parse_args()
    cases = [
        Case("one file", "one", (1,)),
        Case(f"{options.files // 5} files", "some", (1, 2)),
        Case(f"{options.mib} MiB", "big", (1, 2)),
        Case(f"{options.files} small files", "small", (1, 2)),
    ]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as directory:
        bench = make_bench(Path(directory), options.files, options.mib)
        for rtt in map(int, options.rtt.split(",")):
            bench.set_line(rtt)
            for case in cases:
                if options.only in case.name:
                    (trace if options.waits else measure)(bench, case, rtt, options.turns)
        measure_delta(bench)


def trace(bench: Bench, case: Case, rtt: int, turns: int) -> None:
    """Print where the time goes in one case, with one connection."""
    target, told = bench.place / "target", bench.place / "trace"
    ours = [str(CLIENT), str(bench.place / "client.json"), "--to", str(target), "--connections", "1", case.path]
    for _turn in range(turns):
        for who, words in (("borg extract", ["borg", "extract", "::a", case.path]), ("ours", ours)):
            target.mkdir()
            timed([sys.executable, str(TRACED), str(told), *words], bench.environment(), target)
            shutil.rmtree(target)
            found = json.loads(told.read_text())
            trips = [wait for wait in found["waits"] if rtt and wait >= 0.9 * rtt / 1000]
            print(
                f"{case.name:20} {rtt:4} ms  {who:12} wall {found['wall']:6.2f} s"
                f"  CPU {found['own']:6.2f} + gate {found['others']:6.2f} s"
                f"  waiting {sum(found['waits']):6.2f} s, of it {sum(trips):6.2f} s in {len(trips)} round trips"
                f"  {found['requests']} requests, {found['received'] / 2**20:.0f} MiB",
                flush=True,
            )


def measure(bench: Bench, case: Case, rtt: int, turns: int) -> None:
    """Measure one case, and print it."""
    least: dict[int, tuple[float, float]] = {}
    for _turn in range(turns):
        for connections in (0, *case.connections):
            target = bench.place / "target"
            target.mkdir()
            restore = (
                bench.extract(case.path, target) if connections == 0 else bench.restore(case.path, target, connections)
            )
            shutil.rmtree(target)
            known = least.get(connections, (1e9, 1e9))
            least[connections] = (min(known[0], restore[0]), min(known[1], restore[1]))
    for connections, (wall, cpu) in least.items():
        who = "borg extract" if connections == 0 else f"ours, {connections} connection{'s'[: connections - 1]}"
        ratio = "" if connections == 0 else f"   {wall / least[0][0]:6.3f} wall {cpu / least[0][1]:6.3f} CPU of Borg's"
        print(f"{case.name:20} {rtt:4} ms  {who:20} wall {wall:7.2f} s  CPU {cpu:7.2f} s{ratio}", flush=True)


def measure_delta(bench: Bench) -> None:
    """Print which part of the bytes an unchanged tree fetches through the gate, by the gate's own report."""
    bench.set_line(0)
    target = bench.place / "target"
    target.mkdir()
    sent = []
    for _turn in range(2):
        bench.report.write_text("")
        bench.restore("big", target, 1)
        sent.append(sum(map(int, re.findall(r'"sent": ?(\d+)', bench.report.read_text()))))
    print(f"delta of an unchanged tree: {sent[1]} of {sent[0]} bytes, {sent[1] / sent[0]:.4f}; budget 0.02")


if __name__ == "__main__":
    main()
