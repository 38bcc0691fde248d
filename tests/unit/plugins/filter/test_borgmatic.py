# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""borgmatic.yaml: what a user may set beside the role's options, and text that is read as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import borgmatic.config
import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.filter import borgmatic as filters
from borgmatic.config.environment import resolve_env_variables
from borgmatic.config.load import load_configuration
from hypothesis import example, given
from hypothesis import strategies as st

REFUSED = filters.FilterModule().filters()["refused_options"]
JSON_IN_YAML = filters.FilterModule().filters()["json_in_yaml"]


def test_every_option_of_borgmatic_is_judged() -> None:
    """A newer borgmatic with an option that nobody has thought about fails here."""
    schema = yaml.safe_load((Path(borgmatic.config.__path__[0]) / "schema.yaml").read_text())["properties"]
    groups = [set(filters._ALWAYS), set(filters._UNLESS), set(filters._ALLOWED)]
    assert sorted(option for group in groups for option in group) == sorted(schema)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"files_cache": "size"}, "save what it was"),
        ({"repositories": [{"path": "/hush"}]}, "out of the server's tunnel"),
        ({"local_path": "/hush"}, "out of the server's tunnel"),
        ({"ssh_command": "ssh hush"}, "out of the server's tunnel"),
        ({"encryption_passphrase": "hush"}, "passphrase"),
        ({"borg_base_directory": "/hush"}, "moves what Borg"),
        ({"progress": True}, "output by which the dispatcher knows"),
        ({"list_details": True}, "output by which the dispatcher knows"),
        ({"statistics": "hush"}, "output by which the dispatcher knows"),
        ({"source_directories_must_exist": False}, "a source that is not there"),
        ({"source_directories_must_exist": 1}, "a source that is not there"),
        ({"retries": 3}, "second archive"),
        ({"before_backup": ["hush"]}, "use backup_client_commands"),
        ({"on_error": ["hush"]}, "use backup_client_commands"),
        ({"skip_actions": []}, "the role sets it"),
        ({"one_file_system": True}, "mounted below a source"),
        ({"archive_name_format": "hush"}, "the role sets it"),
        ({"source_directories": ["/hush"]}, "use backup_client_sources, or backup_client_sources_<anything>"),
        ({"mysql_databases": [{"password": "hush"}]}, "use backup_client_mysql_databases"),
        ({"keep_daily": 7}, "backup_client_retention"),
        ({"location": {"repositories": ["/hush"]}}, "location is no option of borgmatic"),
        ({"remote_rate_limit": 7}, "upload_rate_limit is"),
        ({7: "hush"}, "7 is no option of borgmatic"),
    ],
)
def test_what_would_break_the_backup_is_refused_with_the_way_out(extra: dict[Any, Any], words: str) -> None:
    (sentence,) = REFUSED(extra)
    assert words in sentence and sentence.startswith(str(next(iter(extra)))) and "hush" not in sentence


def test_the_rest_is_allowed_and_so_is_a_default() -> None:
    assert REFUSED({"btrfs": None, "compression": "lz4", "healthchecks": {"ping_url": "https://hush"}}) == []
    assert REFUSED({"progress": False, "statistics": "none", "retries": 0, "source_directories_must_exist": True}) == []
    assert len(REFUSED({"progress": True, "retries": 1, "btrfs": None, "zfs": None})) == 3


WORDS = [
    *("1e5", "7e10", "12e4", "12345e67", "4E2", "1e+5", "0o17", "0x1F", "017", "1_000", "0b11", "1.5", ".inf", ".nan"),
    *("yes", "no", "on", "off", "true", "null", "~", "y", "", " ", "2026-11-25", "12:30:45", "<<", "=", "- a", "? a"),
    *("a: b", "# a", "!vault", "&a", "*a", "%a", "@a", "`a", "{a}", "[a", "|", ">", "'", '"', "\\", "\\ud83d\\ude00"),
    *("tab\t", "line\nfeed", "cr\r\n", "\x00", "\x1b[0m", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\ufffe", "é"),
    *("😀", "\\😀", "\U0010ffff", "\ue000"),
]


def test_any_text_is_read_as_it_was_written(tmp_path: Path) -> None:
    """By JSON, by YAML 1.1 and by borgmatic's own parser, as keys and as values."""
    value = {"list": WORDS, "keys": {word: [word] for word in WORDS}, "number": 5, "truth": False, "none": None}
    text = JSON_IN_YAML(json.dumps(value, indent=2))
    (tmp_path / "borgmatic.yaml").write_text(text)
    assert json.loads(text) == value == yaml.safe_load(text)
    assert load_configuration(str(tmp_path / "borgmatic.yaml"), set()) == value


VARIABLES = filters.FilterModule().filters()["keep_variables"]
WRITTEN = [
    "for d in a b; do echo ${d} $d; done",
    "${HOME:-a\\${b}}",
    "pa$$${x}s{w}\\",
    "\\${quoted}",
    "${a:-",
    '"}${b-"c"}',
    "é${ü}",
]


@given(st.lists(st.text(alphabet='${}ab:-\\"\n', max_size=12)))
@example(WRITTEN)
def test_borgmatic_replaces_no_variable(written: list[str]) -> None:
    loaded = json.loads(VARIABLES(json.dumps({"run": written})))
    assert resolve_env_variables(loaded) == {"run": written}


def test_borgmatic_would_replace_variables() -> None:
    with pytest.raises(ValueError, match="Cannot find variable d"):
        resolve_env_variables(json.loads(json.dumps(WRITTEN)))
