# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point one way: from what Ansible, sshd or the engine starts down to plain Python."""

from __future__ import annotations

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import PurePath

from tool import ROOT, tracked

DISPATCHER = "roles/backup_client/files/lib/paranoid_dispatcher"
KEYHOLDER_BORG = f"{DISPATCHER}/keyholder_borg"
READ_YAML = f"{DISPATCHER}/read_yaml"
CLIENT_BORG = "roles/backup_client/files/lib/paranoid_borg"
GATE = "roles/backup_server/files/lib/paranoid_gate"
NAS = "roles/backup_nas/files/lib/paranoid_nas"
RUNNER = "roles/backup_runner/files/lib/paranoid_runner"
RESTORE = "roles/backup_client/files/lib/paranoid_restore"
SYSTEM = "roles/backup_client/files/lib/paranoid_system"
REBUILD = "roles/backup_client/files/lib/paranoid_rebuild"

OURS = {
    "ansible_collections",
    "paranoid_borg",
    "paranoid_dispatcher",
    "paranoid_gate",
    "paranoid_nas",
    "paranoid_rebuild",
    "paranoid_restore",
    "paranoid_runner",
    "paranoid_system",
}

MODULES, CONTROLLER = "plugins/module_utils", "plugins/plugin_utils"

# The packages, lowest first: each may import those above its line, and nothing else of ours.
ENGINE = (
    "_common",
    "_ledger",
    "_config",
    "_watch",
    "_borg",
    "_audit",
    "_retention",
    "_outcome",
    "_session",
    "_upkeep",
    "_escrow",
    "_page",
)
REPORT = ("_targets", "_settings", "_record", "_report", "_mail", "_run")
OF_OTHERS = {"_targets": {"yaml"}, "_report": {"jinja2"}, "_mail": {"apprise"}, "_run": {"ansible"}}


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """For each folder, which folders of ours it may import from, and what beside the standard library."""
    below: set[str] = set()
    table: dict[str, tuple[set[str], set[str]]] = {}
    for package in ENGINE:
        below = below | {f"{MODULES}/{package}"}
        table[f"{MODULES}/{package}"] = (below, set())
    engine = below
    for package in REPORT:
        below = below | {f"{CONTROLLER}/{package}"}
        table[f"{CONTROLLER}/{package}"] = (below, OF_OTHERS.get(package, set()))
    return table | {
        f"{MODULES}/_provision": ({f"{MODULES}/_provision", f"{MODULES}/_common"}, set()),  # it also runs on clients
        f"{MODULES}/_nas": ({f"{MODULES}/_nas", f"{MODULES}/_common"}, set()),  # it runs on the NAS alone
        "plugins/modules": (engine | {f"{MODULES}/_provision", f"{MODULES}/_nas"}, {"ansible"}),
        "plugins/action": (engine | {f"{CONTROLLER}/_run"}, {"ansible"}),
        "plugins/filter": (below, {"ansible"}),
        "plugins/callback": (below - engine, {"ansible", "yaml"}),
        "plugins/doc_fragments": (set(), set()),
        SYSTEM: ({SYSTEM}, set()),
        DISPATCHER: ({DISPATCHER, SYSTEM}, set()),
        REBUILD: ({REBUILD, SYSTEM}, set()),
        READ_YAML: (set(), {"ruamel"}),  # a program of its own, which borgmatic's Python runs
        RESTORE: ({RESTORE, DISPATCHER}, {"borg"}),
        KEYHOLDER_BORG: (set(), {"borg"}),  # a program of its own, which Borg's Python runs
        CLIENT_BORG: ({CLIENT_BORG}, {"borg"}),
        GATE: ({GATE}, {"borg", "msgpack"}),
        f"{RUNNER}/schedule": ({f"{RUNNER}/schedule"}, set()),
        f"{RUNNER}/watch": ({f"{RUNNER}/watch", f"{RUNNER}/schedule", RUNNER}, set()),  # and see below
        RUNNER: ({RUNNER, f"{RUNNER}/schedule"}, {"ansible", "ansible_runner", "rich", "segno", "shamir_mnemonic"}),
        "roles/backup_runner/files/lib": ({RUNNER}, set()),
        "roles/backup_client/files": ({DISPATCHER}, {"borgmatic", "borgmatic_databases", "borgmatic_hooks"}),
        "roles/backup_server/files/lib": ({GATE, f"{MODULES}/_watch"}, set()),
        NAS: ({NAS}, set()),
        "roles/backup_nas/files/lib": ({NAS}, set()),
        "roles/backup_borg/files": (set(), set()),
        "roles/backup_wheelhouse/files": (set(), set()),
    }


MAY_IMPORT = rows()


def dotted(file: str) -> str:
    """The name under which others import a file."""
    path = PurePath(file).with_suffix("")
    if path.parts[0] == "plugins":
        return ".".join(("ansible_collections.paranoid.backup", *path.parts))
    own = path.parts[path.parts.index("lib") + 1 :] if "lib" in path.parts else path.parts
    return ".".join(own if len(own) > 1 else path.parts)  # nobody imports an entry


@cache
def files() -> dict[str, str]:
    """The files that are shipped, by the name under which others import them."""
    return {dotted(file): file for file in tracked("plugins/*.py", "roles/*.py")}


def imports(file: str) -> tuple[set[str], set[str]]:
    """What a file imports: files of ours, and the packages of others."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file}: a relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = {files()[name] for name in names if name in files()}
    packages = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    return own, packages - OURS


def folder(file: str) -> str:
    """The folder of a file; `_settings.py` counts as a package of one file, and so does what another Python runs."""
    alone, parent = PurePath(file).with_suffix(""), PurePath(file).parent
    return str(alone if str(parent) == CONTROLLER or str(alone) in (KEYHOLDER_BORG, READ_YAML) else parent)


def test_every_folder_has_its_place() -> None:
    assert set(map(folder, files().values())) == set(MAY_IMPORT)


def test_nothing_imports_from_above() -> None:
    wrong = []
    for file in files().values():
        own, packages = imports(file)
        ours, others = MAY_IMPORT[folder(file)]
        wrong += [f"{file} imports {one}" for one in sorted(own) if folder(one) not in ours]
        wrong += [f"{file} imports {one}" for one in sorted(packages - others)]
    assert wrong == []


def test_the_watch_shares_nothing_with_a_run() -> None:
    """Whatever breaks runs must not break what notices that; the rules of schedules are pure."""
    reached: set[str] = set()
    following = [file for file in files().values() if folder(file) == f"{RUNNER}/watch"]
    while following:
        file = following.pop()
        reached.add(file)
        following += imports(file)[0] - reached
    beside = {file for file in reached if not file.startswith((f"{RUNNER}/watch/", f"{RUNNER}/schedule/"))}
    assert len(reached) > 10 and beside == {f"{RUNNER}/errors.py", f"{RUNNER}/files.py"}


def test_no_import_leads_back() -> None:
    graph = {file: imports(file)[0] for file in files().values()}
    assert sum(map(len, graph.values())) > 100, "this test looks in the wrong place"
    TopologicalSorter(graph).prepare()
