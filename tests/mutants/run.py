# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make slips in copies of the checkout, run the tests that belong to the file, and name the slips that none noticed."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from slips import Slip, find_slips

ROOT = Path(__file__).resolve().parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
LEAST_SECONDS = 30.0

_ENGINE, _GATE = "plugins/module_utils", "roles/backup_server/files/lib/paranoid_gate"
_CLIENT, _RUNNER = "roles/backup_client/files/lib", "roles/backup_runner/files/lib/paranoid_runner"
_PLUGINS, _ROLES = "tests/unit/plugins", "tests/unit/roles"
_UNIT, _REPORT = f"{_PLUGINS}/module_utils", f"{_PLUGINS}/plugin_utils"
_GATE_TESTS, _PROVISIONING = "tests/integration/gate", "tests/integration/provisioning"
_CLIENT_FILES = "roles/backup_client/files"
# Which tests belong to which files, the quickest first; the first row that fits counts.
TESTS = {
    f"{_ENGINE}/_audit": [f"{_UNIT}/_audit", f"{_UNIT}/_upkeep"],
    f"{_ENGINE}/_borg": [f"{_UNIT}/_borg", f"{_UNIT}/_audit", f"{_UNIT}/_upkeep"],
    f"{_ENGINE}/_common": [f"{_UNIT}/_common", f"{_UNIT}/_session", f"{_UNIT}/_ledger"],
    f"{_ENGINE}/_config": [f"{_UNIT}/_config", f"{_UNIT}/_upkeep", f"{_UNIT}/_page"],
    f"{_ENGINE}/_escrow": [f"{_UNIT}/_escrow"],
    f"{_ENGINE}/_ledger": [f"{_UNIT}/_ledger", f"{_UNIT}/_retention", f"{_PLUGINS}/modules/test_ledger_info.py"],
    f"{_ENGINE}/_nas": [
        f"{_UNIT}/_nas",
        *(f"{_PLUGINS}/modules/test_{one}.py" for one in ("iocage", "nas", "truenas", "truenas_run")),
    ],
    f"{_ENGINE}/_outcome": [f"{_UNIT}/_outcome", f"{_UNIT}/_session", "tests/integration/upkeep/test_cut_off.py"],
    f"{_ENGINE}/_page": [f"{_UNIT}/_page", f"{_PLUGINS}/modules/test_page.py"],
    f"{_ENGINE}/_provision": [f"{_UNIT}/_provision", f"{_PLUGINS}/modules/test_file_tree.py"],
    f"{_ENGINE}/_retention": [f"{_UNIT}/_retention"],
    f"{_ENGINE}/_session": [f"{_UNIT}/_session", f"{_UNIT}/_retention", "tests/integration/session/test_verbs.py"],
    f"{_ENGINE}/_upkeep": [f"{_UNIT}/_upkeep", "tests/integration/upkeep/test_history.py"],
    f"{_ENGINE}/_watch": [f"{_UNIT}/_watch", f"{_ROLES}/backup_runner/watch"],
    _GATE: [f"{_ROLES}/backup_server", f"{_GATE_TESTS}/test_gate.py", f"{_GATE_TESTS}/test_unfinished.py"],
    "plugins/modules/iocage.py": [f"{_PLUGINS}/modules/test_iocage.py"],
    "plugins/modules/truenas.py": [f"{_PLUGINS}/modules/test_truenas.py", f"{_PLUGINS}/modules/test_truenas_run.py"],
    f"{_CLIENT}/paranoid_borg": [f"{_ROLES}/backup_client/paranoid_borg", "tests/integration/client_borg"],
    f"{_CLIENT}/paranoid_dispatcher": [f"{_ROLES}/backup_client/paranoid_dispatcher", "tests/integration/dispatcher"],
    f"{_CLIENT}/paranoid_rebuild": [f"{_ROLES}/backup_client/paranoid_rebuild"],
    f"{_CLIENT}/paranoid_restore": [
        f"{_ROLES}/backup_client/test_restore_{one}.py"
        for one in ("planning", "selection", "undo", "working", "request", "start")
    ],
    f"{_CLIENT}/paranoid_system": [f"{_ROLES}/backup_client/paranoid_system"],
    f"{_CLIENT_FILES}/borgmatic_hooks.py": [f"{_PROVISIONING}/test_borgmatic_hooks.py"],
    f"{_CLIENT_FILES}/strict_borgmatic.py": [f"{_PROVISIONING}/test_strict_borgmatic.py"],
    f"{_CLIENT_FILES}/check_borgmatic.py": [f"{_PROVISIONING}/test_configuration.py"],
    f"{_CLIENT_FILES}/check_sources.py": [f"{_PROVISIONING}/test_sources.py"],
    "roles/backup_borg/files": [f"{_PROVISIONING}/test_install_binary.py"],
    f"{_RUNNER}/schedule": [f"{_ROLES}/backup_runner/schedule"],
    f"{_RUNNER}/watch": [f"{_ROLES}/backup_runner/watch"],
    _RUNNER: [f"{_ROLES}/backup_runner"],
    "roles/backup_nas/files/lib/paranoid_nas": [f"{_ROLES}/backup_nas"],
    "plugins/plugin_utils/_mail": [f"{_REPORT}/_mail"],
    "plugins/plugin_utils/_settings.py": [f"{_REPORT}/test__settings.py"],
    "plugins/plugin_utils/_targets.py": [f"{_REPORT}/test__targets.py"],
    "plugins/plugin_utils": [_REPORT],
    "plugins/action": [f"{_PLUGINS}/action"],
    "plugins/callback": [f"{_REPORT}/_run", "tests/integration/report/test_report_begin.py"],
    "plugins/filter": [f"{_PLUGINS}/filter"],
    "plugins/modules": [f"{_PLUGINS}/modules"],
}
# Words for a manual, entries of a few lines, and what only hosts of the lab or real databases could notice.
LEFT_OUT = (
    *(f"roles/backup_{role}/files/lib/__main__.py" for role in ("nas", "runner", "server")),
    "plugins/doc_fragments/",
    "roles/backup_wheelhouse/files/make_standalone.py",
    f"{_CLIENT_FILES}/borgmatic_databases.py",
    f"{_CLIENT_FILES}/make_passphrase.py",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A slip in a file."""

    path: str
    slip: Slip

    @property
    def key(self) -> str:
        """Its line in the list of equivalent ones, without the reason."""
        return f"{self.path} {self.slip.key}"

    def __str__(self) -> str:
        return f"{self.path}:{self.slip.line} {self.slip.key}"


def tests_of(path: str) -> list[str]:
    """Return the tests that belong to a file; raises KeyError for a file that nothing is said of."""
    for prefix, tests in TESTS.items():
        if path.startswith(prefix):
            return tests
    raise KeyError(f"no tests are named for {path} in {__file__}")


def all_files() -> list[str]:
    """Return the files that slips are made in: all that is shipped."""
    return [path for path in _list_known("plugins/*.py", "roles/*.py") if not path.startswith(LEFT_OUT)]


def load_equivalent() -> set[str]:
    """Return the slips that change nothing; each line gives its reason after a bar."""
    lines = EQUIVALENT.read_text().splitlines()
    return {line.split(" | ")[0] for line in lines if line and not line.startswith("#")}


def copy_checkout(target: Path) -> Path:
    """Copy what git knows, linked so that its tests find it instead of the checkout."""
    for name in _list_known():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    (target / ".cache/collections/ansible_collections/paranoid").mkdir(parents=True)
    (target / ".cache/collections/ansible_collections/paranoid/backup").symlink_to(target)
    (target / ".cache/venv").symlink_to((ROOT / ".cache/venv").resolve())
    return target


def _list_known(*patterns: str) -> list[str]:
    """Return the files that git knows, all of them or those that fit."""
    command = ["git", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return list(filter(None, listed.split("\0")))


def complaint(copy: Path, tests: list[str], seconds: float) -> str:
    """Return what the tests say in a copy when they fail; what hangs has noticed, too."""
    argv = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:stopwatch", *tests]
    try:
        done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return "it hangs"
    return done.stdout + done.stderr if done.returncode else ""


def survives(mutant: Mutant, copy: Path, seconds: float) -> bool:
    """Tell whether no test notices the slip."""
    place = copy / mutant.path
    original = place.read_text()
    place.write_text(mutant.slip.source)
    try:
        return not complaint(copy, tests_of(mutant.path), seconds)
    finally:
        place.write_text(original)


def limits(paths: Iterable[str], copy: Path) -> dict[tuple[str, ...], float]:
    """Return how long each set of tests may take, from how long it takes without a slip."""
    found: dict[tuple[str, ...], float] = {}
    for tests in {tuple(tests_of(path)) for path in paths}:
        begin = time.monotonic()
        if said := complaint(copy, list(tests), 3600):
            sys.exit(f"without any slip these fail: {' '.join(tests)}\n{said[-3000:]}")
        found[tests] = LEAST_SECONDS + 5 * (time.monotonic() - begin)
    return found


def examine(mutants: list[Mutant], jobs: int) -> list[Mutant]:
    """Return those that survive, telling of each one when it is done."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        Path(place).chmod(0o755)
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            copies.put(copy_checkout(Path(place) / str(number)))
        allowed = limits({mutant.path for mutant in mutants}, Path(place) / "0")

        def one(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                survived = survives(mutant, copy, allowed[tuple(tests_of(mutant.path))])
            finally:
                copies.put(copy)
            print("SURVIVED" if survived else "killed  ", mutant, flush=True)
            return survived

        with ThreadPoolExecutor(jobs) as pool:
            return [mutant for mutant, survived in zip(mutants, pool.map(one, mutants), strict=True) if survived]


def main() -> int:
    """Return 1 when a slip survived that is not known to change nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help="make slips in these alone")
    parser.add_argument("--sample", type=int, default=0, help="how many slips to make, instead of all")
    parser.add_argument("--seed", type=int, default=1, help="which ones those are")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    known = load_equivalent()
    files = arguments.files or all_files()
    mutants = [Mutant(path, slip) for path in files for slip in find_slips((ROOT / path).read_text())]
    mutants = [mutant for mutant in mutants if mutant.key not in known]
    if arguments.sample and arguments.sample < len(mutants):
        mutants = random.Random(arguments.seed).sample(mutants, arguments.sample)
    survivors = examine(mutants, arguments.jobs)
    print(f"\n{len(mutants)} slips, {len(survivors)} survived" + "".join(f"\n  {mutant}" for mutant in survivors))
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
