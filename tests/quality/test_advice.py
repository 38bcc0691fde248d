# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a line tells a person to set, start or remove is there: variables, playbooks, modules, tags, options."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tool import ROOT, tracked

GROUPS = {"backup_builders", "backup_clients", "backup_nas", "backup_servers"}
# Examples in documents, and the variable of somebody else that one of them tells how to allow.
ADDED = r"commands|escrow_recipients|excludes|rebuild_leave_out|\w+_databases|sources"
ADDING = rf"backup_client_({ADDED})_[a-z0-9]+|backup_client_ip|\w+_"
ROLES = {name.split("/")[1] for name in tracked("roles/*/meta/main.yml")}
PLAYBOOKS = {Path(name).stem: (ROOT / name).read_text() for name in tracked("playbooks/*.yml")}
PLUGINS = {
    Path(name).stem
    for name in tracked(
        "plugins/modules/*.py", "plugins/filter/*", "plugins/callback/*.py", "plugins/doc_fragments/*.py"
    )
}
OTHERS = {"notify.yml", "owners.yml", "galaxy.yml", "main.yml", "argument_specs.yml", "hosts.yml"}
OTHERS |= {"execution-environment.yml", "environment.yml", "setup.yml"}  # for AWX


def strings(name: str) -> str:
    """Return all strings of a Python file: its words for people, and its documentation."""
    nodes = ast.walk(ast.parse((ROOT / name).read_text()))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def messages(name: str) -> str:
    """Return the messages in a file of tasks, those of its rules (``say``) and of parts of a message as well."""
    spoken = r"(?:msg|say|__backup_client_(?:lost|keyless|matchless)): .*(?:\n {6,}(?![-#] |\w+: ).*)*"
    return "\n".join(re.findall(spoken, (ROOT / name).read_text()))


TEXTS = {
    **{name: (ROOT / name).read_text() for name in ("README.md", *tracked("docs/*.md", "roles/*/README.md"))},
    **{name: strings(name) for name in tracked("plugins/*.py", "roles/*.py")},
    **{name: messages(name) for name in tracked("roles/*/tasks/*.yml", "playbooks/*.yml")},
}


def specified() -> set[str]:
    """Return the variables of all roles."""
    found: set[str] = set()
    for name in tracked("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load((ROOT / name).read_text())["argument_specs"].values():
            found |= set(entry.get("options", {}))
    return found


VARIABLES = specified() | GROUPS | ROLES | set(re.findall(r"\bbackup_\w+", "\n".join(PLAYBOOKS.values())))


def told(pattern: str) -> dict[Any, set[str]]:
    """Return what PATTERN finds in the words for people, and where: words, or tuples of them."""
    found: dict[Any, set[str]] = {}
    for name, text in TEXTS.items():
        for word in re.findall(pattern, text):
            found.setdefault(word, set()).add(name)
    return found


def test_variables_exist() -> None:
    named = told(r"(?<![\w.])backup_[a-z]\w*")
    assert len(named) > 60
    assert {
        word: where for word, where in named.items() if word not in VARIABLES and not re.fullmatch(ADDING, word)
    } == {}


def test_playbooks_exist() -> None:
    named = told(r"(?<![\w/])(?:playbooks/)?([\w-]+\.yml)\b")
    assert len(named) > 12
    assert {word: where for word, where in named.items() if word not in OTHERS and word[:-4] not in PLAYBOOKS} == {}


def test_what_is_called_by_the_name_of_the_collection_exists() -> None:
    known = ROLES | set(PLAYBOOKS) | PLUGINS
    assert {
        word: where
        for word, where in told(r"(?<!ansible_collections\.)paranoid\.backup\.(\w+)").items()
        if word not in known
    } == {}


def test_a_playbook_knows_the_variables_and_tags_that_are_told_with_it() -> None:
    """Up to the end of the clause: a role's own variable is told with site.yml, which knows all of them."""
    pairs = set(told(r"(?:paranoid\.backup\.|\b)(\w+)(?:\.yml)?[^.;|]{0,90}?-e '?(backup_\w+)")) | set(
        told(r"(?:paranoid\.backup\.|\b)(\w+)(?:\.yml)?[^.;|]{0,60}?--tags (\w+)")
    )
    checked = [(playbook, word) for playbook, word in pairs if playbook in PLAYBOOKS]
    assert len(checked) > 4
    assert [pair for pair in checked if pair[1] not in PLAYBOOKS[pair[0]] and pair[0] != "site"] == []


def test_no_role_tells_to_run_what_runs_it() -> None:
    """But for hosts that a limit may have left out."""
    circles = {name: re.findall(r"[^\n]*site\.yml[^\n]*", messages(name)) for name in tracked("roles/*/tasks/*.yml")}
    assert sum(map(len, circles.values())) > 1
    assert [
        line for lines in circles.values() for line in lines if not re.search("--limit|for the server, too", line)
    ] == []


def test_options_of_a_module_that_is_called_by_hand_exist() -> None:
    calls = told(r"-m paranoid\.backup\.(\w+)\s+-a\s+[\"']?([\w= ]+)")
    assert len(calls) > 1
    for module, arguments in calls:
        document = re.search(
            r'DOCUMENTATION = r"""(.*?)"""', (ROOT / f"plugins/modules/{module}.py").read_text(), re.DOTALL
        )
        assert document
        options = yaml.safe_load(document[1])["options"]
        assert set(re.findall(r"(\w+)=", arguments)) <= set(options)


@pytest.mark.parametrize(
    ("program", "source"),
    [
        ("paranoid-backup-restore", "roles/backup_client/files/lib/paranoid_restore/main.py"),
        ("paranoid-backup", "roles/backup_runner/files/lib/paranoid_runner/commands.py"),
    ],
)
def test_options_of_our_programs_exist(program: str, source: str) -> None:
    own = (ROOT / source).read_text()
    options = told(rf"{program} (?:escrow \w+ )?(--[a-z-]+)")
    verbs = set(told(rf"{program} escrow ([a-z]+)")) if program == "paranoid-backup" else set()
    assert options or verbs
    assert [word for word in {*options, *verbs} if f'"{word}"' not in own] == []


def test_a_client_that_goes_leaves_no_file_of_ours() -> None:
    """The steps in docs/clients.md name each place that the role writes to, or one above it."""
    text = (ROOT / "docs/clients.md").read_text().split("\n## Letting a client go\n")[1]
    written = "\n".join((ROOT / name).read_text() for name in tracked("roles/backup_client/*.yml"))
    places = set(re.findall(r"path: (/(?:etc|usr)/[\w./-]+)", written)) | set(
        re.findall(r'"(/[\w./-]*paranoid-backup[\w./-]*)"', written)
    )
    assert len(places) > 8
    removed = re.findall(r"/[\w./-]*[\w-]", text)
    assert [
        place for place in places if not any(place == gone or place.startswith(f"{gone}/") for gone in removed)
    ] == []
