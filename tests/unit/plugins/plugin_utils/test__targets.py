# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of people's own: who owns which hosts, which places are told, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils import _targets
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import (
    Target,
    TargetError,
    load_owners,
    load_targets,
)

SECRET = "s3cret"


def write(path: Path, content: Any, mode: int = 0o600) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return str(path)


def test_places_are_read_with_what_they_want(tmp_path: Path) -> None:
    entries = [
        {"name": "ops", "webhook": "https://hooks.example.org/x", "secret": SECRET},
        {"name": "chat", "apprise": "json://localhost", "when": "failure"},
    ]
    first, second = load_targets(write(tmp_path / "n.yml", entries))
    assert first == Target("ops", "webhook", "https://hooks.example.org/x", SECRET, False)
    assert second == Target("chat", "apprise", "json://localhost", "", True)
    assert load_targets(write(tmp_path / "n.yml", [])) == ()
    told = {"name": "n" * 61, "webhook": "http://[::1]:8080/x", "ca_file": "/etc/ca.pem", "when": "always"}
    assert load_targets(write(tmp_path / "n.yml", [told])) == (
        Target("n" * 60, "webhook", "http://[::1]:8080/x", "", False, "/etc/ca.pem"),
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]"])
def test_without_tls_a_notice_stays_on_this_machine(tmp_path: Path, host: str) -> None:
    (one,) = load_targets(write(tmp_path / "n.yml", [{"name": "x", "webhook": f"http://{host}/x"}]))
    assert one.url == f"http://{host}/x"


def test_so_many_places_and_none_more(tmp_path: Path) -> None:
    entries = [{"name": f"n{place}", "webhook": "https://e.example/x"} for place in range(21)]
    assert len(load_targets(write(tmp_path / "n.yml", entries[:20]))) == 20
    with pytest.raises(TargetError, match="at most 20 mappings"):
        load_targets(write(tmp_path / "n.yml", entries))


def test_a_place_of_apprise_needs_apprise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that notices only at its end that nobody can be told has told nobody."""
    monkeypatch.setattr(_targets, "find_spec", lambda _name: None)
    with pytest.raises(TargetError, match="entry 1 needs the Python library apprise"):
        load_targets(write(tmp_path / "n.yml", [{"name": "x", "apprise": "json://localhost"}]))


def test_owners_are_read_one_address_or_several(tmp_path: Path) -> None:
    told = {"web": " a@example.org ", "db01": ["b@example.org", "c@example.org"]}
    assert load_owners(write(tmp_path / "o.yml", told, 0o664), lambda entry: Address(addr_spec=entry)) == {
        "web": (Address(addr_spec="a@example.org"),),
        "db01": (Address(addr_spec="b@example.org"), Address(addr_spec="c@example.org")),
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (["a@example.org"], "is not a mapping of groups and hosts"),
        ("1: a@example.org", "is not a mapping of groups and hosts"),
        ({"web": []}, "'web' has neither an address nor a list"),
        ({"web": None}, "'web' has neither an address nor a list"),
        ({"web": ["a@example.org", 7]}, "'web' has neither an address nor a list"),
        ({"web": {"to": "a@example.org"}}, "'web' has neither an address nor a list"),
    ],
)
def test_owners_that_cannot_be_meant_are_one_line(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        load_owners(write(tmp_path / "o.yml", content), lambda entry: Address(addr_spec=entry))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "x"}, "is not a list"),
        ("token-abc: [", "is not YAML"),
        ([{"name": "x"}], "needs name, and webhook or apprise"),
        ([{"webhook": "https://e.example/token-abc"}], "needs name, and webhook or apprise"),
        (
            [{"name": "x", "webhook": "https://e.example/token-abc", "apprise": "json://a"}],
            "needs name, and webhook or",
        ),
        ([{"name": "x", "webhook": "https://e.example/token-abc", "colour": "red"}], "needs name, and webhook or"),
        ([{"name": "x", "webhook": ["token-abc"]}], "needs name, and webhook or apprise"),
        ([{"name": "x", "webhook": "http://e.example/token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "https://token-abc@e.example/"}], "is a URL with https"),
        ([{"name": "x", "webhook": "file:///token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "https://[token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "https:///token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "https://e.example:0/token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "https://e.example:66000/token-abc"}], "is a URL with https"),
        ([{"name": "x", "webhook": "http://localhost.e.example/token-abc"}], "is a URL with https"),
        ([{"name": "", "webhook": "https://e.example/token-abc"}], "needs name, and webhook or apprise"),
        (["token-abc"], "is not a list of at most"),
        ([{"name": "x", "webhook": "https://e.example/token-abc\nHost: x"}], "needs name, and webhook or apprise"),
        ([{"name": "x", "webhook": "https://e.example/token-abc", "when": "now"}], "when is always or failure"),
        ([{"name": "x", "webhook": "https://e.example/token-abc"}] * 2, "has a name twice"),
    ],
)
def test_a_place_that_cannot_be_meant_is_one_line_without_its_url(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(TargetError) as caught:
        load_targets(write(tmp_path / "n.yml", content))
    line = str(caught.value)
    assert said in line and "token-abc" not in line and line.isprintable()


def test_places_are_nobody_elses_to_read_and_owners_nobody_elses_to_change(tmp_path: Path) -> None:
    for mode in (0o644, 0o640, 0o620):
        with pytest.raises(TargetError, match=r"others may read or change .*: chmod 0600"):
            load_targets(write(tmp_path / "n.yml", [], mode))
    with pytest.raises(TargetError, match="chmod 0664"):
        load_owners(write(tmp_path / "o.yml", {}, 0o666), lambda _entry: pytest.fail("not reached"))
    with pytest.raises(TargetError, match="cannot be read: No such file"):
        load_targets(str(tmp_path / "nothing"))
