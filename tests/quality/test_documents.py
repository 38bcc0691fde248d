# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents say of the tree is so: files exist, packages have their line, every failure has its cure."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig, ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.plugin_utils._run import reporter
from tool import ROOT, run_tool, tracked

DOCUMENTS = [name for name in tracked("*.md") if not name.startswith("tests/fixtures/")]
PACKAGES = runpy.run_path(str(ROOT / "tests/quality/test_imports.py"))
MODULES, CONTROLLER = PACKAGES["MODULES"], PACKAGES["CONTROLLER"]
ENGINE, REPORT = PACKAGES["ENGINE"], PACKAGES["REPORT"]
TOP = {name.partition("/")[0] for name in tracked() if "/" in name} - {"meta"}  # roles have one, too


def cells(document: str, heading: str) -> list[str]:
    """Return the first cells of the tables below a heading, up to the next heading."""
    text = (ROOT / document).read_text()
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|.*\|$", section, re.MULTILINE)
    return [row.strip("`") for row in rows]


def test_every_failure_code_has_its_row() -> None:
    rows = cells("docs/troubleshooting.md", "Codes of failures")
    assert rows == ["code", *CODES]


def test_every_exit_code_of_the_report_has_its_row() -> None:
    rows = cells("docs/troubleshooting.md", "The run itself")
    assert {"0", str(reporter.EXIT_FAILURE), str(reporter.EXIT_NOT_REPORTED)} <= set(rows)


def test_every_package_has_its_line_in_the_map() -> None:
    rows = [row for row in cells("docs/architecture.md", "The map") if row.startswith(("_", "roles/"))]
    alone = {name for name in REPORT if (ROOT / CONTROLLER / f"{name}.py").exists()}
    controller = [f"{package}.py" if package in alone else package for package in REPORT]
    programs = sorted({name.rsplit("/", 1)[0] for name in tracked("roles/*/files/lib/*/*.py")}, reverse=True)
    assert rows == [*ENGINE, "_provision", "_nas", *controller, *programs]
    folders = {name.split("/")[2] for name in tracked(f"{MODULES}/*", f"{CONTROLLER}/*")}
    assert folders == {*ENGINE, "_provision", "_nas", *controller}


def test_the_fields_of_every_record_and_result_are_named() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    of_server, _, rest = text.partition("`server.json`: ")[2].partition("`clients/<client>.json`: ")
    of_client, _, rest = rest.partition("\nOn a client:")
    own = re.findall(
        r"^    '(\w+)':", (ROOT / "roles/backup_client/templates/client.json.j2").read_text(), re.MULTILINE
    )
    (row,) = re.findall(r"^\| `/etc/paranoid-backup/client\.json` .*$", rest, re.MULTILINE)
    of_result = rest.partition("## Result of a session")[2].partition("\n## ")[0]
    result = Outcome("web1", "info", "", "", Conclusion("ok"), "", "", 0.0).to_dict()
    for said, names in (
        (of_server, [field.name for field in fields(ServerConfig)]),
        (of_client, [field.name for field in fields(ClientConfig)]),
        (row, own),
        (of_result, list(result)),
    ):
        assert len(names) > 10 and [name for name in names if f"`{name}`" not in said] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    here = (ROOT / document).parent
    links = {link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link}
    assert [link for link in links if link and not (here / link).exists()] == []
    named = {word.split("::")[0] for word in re.findall(r"`([\w.{}/*-]+/[\w.*-]+\.\w+)(?:::[^`]*)?`", text)}
    ours = {name for name in named if name.partition("/")[0] in TOP}
    assert [name for name in ours if not list(ROOT.glob(name))] == []
    short = {name for name in named if name.startswith("_")}  # as the map says it: below one of both
    assert [
        name for name in short if not (ROOT / MODULES / name).exists() and not (ROOT / CONTROLLER / name).exists()
    ] == []


def test_playbooks_that_are_named_exist() -> None:
    names = {name.partition("/")[2] for name in tracked("playbooks/*.yml")}
    for document in ("README.md", "docs/troubleshooting.md", "docs/retention.md"):
        text = (ROOT / document).read_text()
        called = {f"{name}.yml" for name in re.findall(r"paranoid\.backup\.(\w+)[ \n]+(?:--|-e)", text)}
        assert called <= names
    text = (ROOT / "docs/troubleshooting.md").read_text()
    assert set(re.findall(r"`(\w+\.yml)[ `]", text)) <= names


def test_the_readme_installs_a_collection_that_works(tmp_path: Path) -> None:
    """As it stands there, in the checkout and with Ansible alone; the playbooks are then found from elsewhere."""
    (line,) = re.findall(r"^ansible-galaxy collection install .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert line.endswith(" /path/to/checkout")
    elsewhere = {"HOME": str(tmp_path), "ANSIBLE_CONFIG": "", "ANSIBLE_COLLECTIONS_PATH": f"{tmp_path}/collections"}
    run_tool(*line.replace("/path/to/checkout", str(ROOT)).split(), cwd=tmp_path, **elsewhere)
    inventory = (ROOT / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert inventory in (ROOT / "inventories/example/hosts.yml").read_text()
    (tmp_path / "inventory").write_text(inventory)
    for name in ("wheelhouse", "site", "backup"):
        run_tool(
            "ansible-playbook",
            "-i",
            "inventory",
            "--syntax-check",
            f"paranoid.backup.{name}",
            cwd=tmp_path,
            **elsewhere,
        )
