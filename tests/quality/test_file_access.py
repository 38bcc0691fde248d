# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root opens, lists and changes what a repository's user owns only through `_common/files.py`, which follows no link.

Whatever else of the server's engine touches the file system by a path stands here, with the reason why that is safe.
"""

from __future__ import annotations

import ast
import re

import pytest
from tool import ROOT, tracked

PREFIX = "plugins/module_utils/"

# What opens, lists, reads or changes a file by a path that it is given. `os.path.*` only looks, and is not here.
OS = re.compile(
    "access|chdir|chmod|chown|chroot|fwalk|getxattr|lchmod|lchown|link|listdir|lstat|makedirs|mkdir|mkfifo|mknod|open"
    "|readlink|remove|removedirs|removexattr|rename|renames|replace|rmdir|scandir|setxattr|stat|statvfs|symlink"
    "|truncate|unlink|utime|walk"
)
METHODS = re.compile("read_text|read_bytes|write_text|write_bytes|iterdir|glob|rglob|symlink_to|hardlink_to")
MODULES = ("shutil", "tempfile", "glob", "pathlib", "io", "sqlite3", "fileinput", "mmap", "linecache")

# Only these packages come near a repository: there each function has its row, elsewhere each file.
NEAR = ("_audit/", "_borg/", "_upkeep/")

OWN = "the server's state, run, log and configuration directories are root's"
BENEATH = "in a directory that directory_beneath opened, by its descriptor"
BESIDE = "the repository's own name stands in a directory of root's; renaming it, or looking at it, follows no link"
FRESH = "it appears under a name of root's choice in a directory of root's"

ALLOWED = {
    ("_audit/kept_lists.py", "forget_lists", "os.unlink"): OWN,
    ("_audit/kept_lists.py", "keep_list", "os.makedirs"): OWN,
    ("_audit/kept_lists.py", "keep_list", "os.unlink"): OWN,
    ("_audit/kept_lists.py", "kept_lists", "os.scandir"): OWN,
    ("_audit/kept_lists.py", "load_list", "open"): OWN,
    ("_audit/owners.py", "forget_index", "shutil.rmtree"): OWN,
    ("_audit/owners.py", "keep_index", "os.makedirs"): OWN,
    ("_audit/owners.py", "load_notes", "open"): OWN,
    ("_audit/stored.py", "load_baseline", "open"): OWN,
    ("_borg/command.py", "_run", "tempfile.TemporaryDirectory"): OWN + "; what Borg leaves goes by descriptors",
    ("_borg/command.py", "_run", "os.chown"): "a directory that was made just now in root's run directory",
    ("_borg/index.py", "newest_index", "os.listdir"): BENEATH,
    ("_borg/index.py", "save", "os.open"): OWN,
    ("_borg/repository.py", "_check_directory", "os.lstat"): BESIDE,
    ("_borg/repository.py", "end_swap", "os.rename"): BESIDE,
    ("_borg/repository.py", "index_size", "os.listdir"): BENEATH,
    ("_borg/repository.py", "index_size", "os.stat"): BENEATH,
    ("_borg/repository.py", "recorded_id", "open"): OWN,
    ("_borg/segments.py", "directories", "os.scandir"): BENEATH,
    ("_borg/segments.py", "files", "os.scandir"): BENEATH,
    ("_borg/stale_locks.py", "_free_exclusive", "os.listdir"): BENEATH,
    ("_borg/stale_locks.py", "_free_exclusive", "os.rmdir"): BENEATH,
    ("_borg/stale_locks.py", "_free_exclusive", "os.unlink"): BENEATH,
    ("_borg/stale_locks.py", "_is_ours", "os.listdir"): BENEATH,
    ("_borg/stale_locks.py", "free_locks", "os.unlink"): BENEATH,
    ("_upkeep/handover.py", "_give", "os.chown"): BENEATH,
    ("_upkeep/handover.py", "_walk", "os.fwalk"): BENEATH + "; of each directory it asks again whether it is no link",
    ("_upkeep/handover.py", "hand_over", "os.listdir"): BENEATH,
    ("_upkeep/handover.py", "hand_over", "os.stat"): BENEATH,
    ("_upkeep/rebuild.py", "_list_repositories", "os.listdir"): BENEATH,
    ("_upkeep/rebuild.py", "_restore_record", "os.makedirs"): OWN,
    ("_upkeep/rebuild.py", "_restore_state", "os.makedirs"): OWN,
    ("_upkeep/rebuilt_ledger.py", "_set_aside", "os.rename"): "in a directory of root's own, beside the repositories",
    ("_upkeep/rebuilt_ledger.py", "place_ledger", "os.makedirs"): OWN,
    ("_upkeep/rebuilt_ledger.py", "place_ledger", "os.replace"): OWN,
    ("_upkeep/rebuilt_ledger.py", "place_ledger", "os.unlink"): OWN,
    ("_upkeep/retiring.py", "_make_empty", "os.chown"): "a directory that root made just now, in one of root's",
    ("_upkeep/retiring.py", "_make_empty", "os.mkdir"): FRESH,
    ("_upkeep/retiring.py", "_make_empty", "shutil.rmtree"): FRESH + "; it goes by descriptors",
    ("_upkeep/retiring.py", "_set_state_aside", "os.listdir"): OWN,
    ("_upkeep/retiring.py", "_set_state_aside", "os.makedirs"): OWN,
    ("_upkeep/retiring.py", "_set_state_aside", "os.replace"): OWN,
    ("_upkeep/retiring.py", "_size", "os.fwalk"): "only root enters it; by descriptors, and it follows no link",
    ("_upkeep/retiring.py", "_size", "os.stat"): BENEATH,
    ("_upkeep/retiring.py", "destroy", "shutil.rmtree"): "only root enters it; it goes by descriptors",
    ("_upkeep/retiring.py", "retire", "os.makedirs"): FRESH,
    ("_upkeep/retiring.py", "retire", "os.rename"): BESIDE,
    ("_upkeep/repository_files.py", "_copy_file", "os.utime"): "an open file",
    ("_upkeep/repository_files.py", "_copy_file", "shutil.copyfileobj"): "two open files",
    ("_upkeep/repository_files.py", "_copy_tree", "os.mkdir"): BENEATH,
    ("_upkeep/repository_files.py", "_copy_tree", "os.scandir"): BENEATH,
    ("_upkeep/repository_files.py", "copy_repository", "os.mkdir"): FRESH,
    ("_upkeep/repository_files.py", "copy_repository", "shutil.rmtree"): FRESH + "; it goes by descriptors",
    ("_upkeep/repository_files.py", "cut", "os.listdir"): BENEATH,
    ("_upkeep/repository_files.py", "cut", "os.unlink"): BENEATH,
    ("_upkeep/repository_files.py", "keep_evidence", "os.link"): BENEATH,
    ("_upkeep/repository_files.py", "keep_evidence", "os.listdir"): BENEATH,
    ("_upkeep/repository_files.py", "keep_evidence", "os.lstat"): BENEATH,
    ("_upkeep/repository_files.py", "keep_evidence", "os.mkdir"): FRESH + ", or " + BENEATH,
    ("_upkeep/repository_files.py", "swap_in", "os.rename"): BESIDE,
    **{
        (
            "_nas/iocage.py",
            "",
            f"os.{call}",
        ): "below a stopped jail's root, step by step, by descriptors, following no link"
        for call in ("listdir", "mkdir", "open")
    },
    **{
        ("_nas/zfs.py", "", call): "where a dataset will be mounted, in a directory of root's; it only looks"
        for call in ("os.listdir", "os.scandir")
    },
    **{
        (file, "", call): OWN
        for file, names in {
            "_common/clock.py": "open",
            "_common/locks.py": "open os.makedirs os.open",
            "_common/sandbox.py": "os.makedirs os.open os.readlink",
            "_config/server.py": "open os.listdir",
            "_ledger/database.py": "os.open sqlite3.connect",
            "_ledger/tamper_check.py": "open os.open",
            "_watch/answer.py": "open os.listdir os.lstat os.statvfs",
            "_watch/witness.py": "open os.makedirs tempfile.TemporaryDirectory",
            "_outcome/crash_recovery.py": "os.unlink",
            "_outcome/escrow.py": "open os.listdir os.makedirs os.unlink",
            "_page/days.py": "os.open os.unlink sqlite3.connect",
            "_outcome/intent.py": "open os.unlink",
            "_escrow/collection.py": "open os.listdir os.makedirs os.unlink",
            "_escrow/proof.py": "open os.makedirs os.open tempfile.TemporaryDirectory",
            "_outcome/rebuilt.py": "open os.unlink",
            "_outcome/spare.py": "open os.listdir os.mkdir os.open os.stat os.unlink",
            "_session/directory.py": "open os.chmod os.chown os.listdir os.makedirs os.open os.rmdir os.stat os.unlink",
            "_session/engine.py": "os.makedirs",
            "_session/gates.py": "os.unlink",
            "_session/order.py": "open os.makedirs",
            "_session/progress.py": "os.unlink",
            "_session/sshd.py": "os.makedirs",
            "_session/log.py": "os.listdir os.makedirs os.open os.unlink os.lstat",
        }.items()
        for call in names.split()
    },
}


def calls(file: str) -> set[tuple[str, str, str]]:
    """File, function (near a repository) and name of every call that touches the file system by a path."""
    found = set()

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if isinstance(node, ast.Call) and (name := touches(node)):
            short = file.removeprefix(PREFIX)
            found.add((short, function if short.startswith(NEAR) else "", name))
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse((ROOT / file).read_text()), "")
    return found


def touches(call: ast.Call) -> str:
    """The name under which a call is in the table, empty for one that touches no path."""
    name = ast.unparse(call.func)
    module, _, function = name.rpartition(".")
    if name == "open" or (module == "os" and OS.fullmatch(function)) or module.partition(".")[0] in MODULES:
        return name
    return f".{function}" if METHODS.fullmatch(function) else ""


def engine() -> list[str]:
    """The files of the server's engine; `_provision` is for clients as well, and nobody else's directories."""
    files = [file for file in tracked(f"{PREFIX}*.py") if not file.startswith(f"{PREFIX}_provision/")]
    assert len(files) > 30, "this test looks in the wrong place"
    return files


def engine_calls() -> set[tuple[str, str, str]]:
    """All calls of the engine but the helper's own."""
    return {call for file in engine() if file != f"{PREFIX}_common/files.py" for call in calls(file)}


def test_every_access_by_a_path_has_its_reason() -> None:
    found = engine_calls()
    assert sorted(found - ALLOWED.keys()) == [], "use _common/files.py, or say in ALLOWED why this is safe"
    assert sorted(ALLOWED.keys() - found) == [], "these are gone: remove their rows"


def test_no_other_way_to_name_what_touches_files() -> None:
    """`from os import open` would not be seen by the names above."""
    for file in engine():
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in {"os", *MODULES}, f"{file}: import the module, not its names"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("open(path)", "open"),
        ("os.open(path, 0)", "os.open"),
        ("os.scandir(path)", "os.scandir"),
        ("shutil.copy2(path, other)", "shutil.copy2"),
        ("pathlib.Path(path).read_text()", ".read_text"),
        ("place.read_text()", ".read_text"),
        ("os.path.join(path, name)", ""),
        ("open_beneath(path, name)", ""),
    ],
)
def test_what_counts_as_access(code: str, name: str) -> None:
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    assert touches(call) == name or name in touches(call)
