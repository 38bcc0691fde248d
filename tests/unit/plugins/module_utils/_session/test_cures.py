# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No advice leads in a circle: what site.yml says is never to run site.yml."""

from __future__ import annotations

import re

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES
from ansible_collections.paranoid.backup.plugins.module_utils._session.cures import CURES, with_cure
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.ssh import explain
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import VERBS
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Performer, decide
from tool import ROOT

SSH_SAID = {
    "Could not resolve hostname web1: Name or service not known": "unknown_host",
    "Host key verification failed.": "host_key_changed",
    "paranoid-backup@192.0.2.7: Permission denied (publickey).": "key_refused",
    "Error: remote port forwarding failed for listen path /run/paranoid-backup/1.sock": "tunnel_refused",
    "ssh: connect to host 192.0.2.7 port 22: Connection refused": "unreachable",
    "Unable to negotiate with 192.0.2.7 port 22: no matching key exchange method found": "unreachable",
}


@pytest.mark.parametrize("code", CODES)
def test_a_cure_is_another_one_while_site_yml_runs(code: str) -> None:
    later, provisioning = (with_cure(code, "web1 is odd", during) for during in (False, True))
    assert "site.yml" not in provisioning
    assert (later == provisioning == "web1 is odd") == (code not in CURES)


@pytest.mark.parametrize("said", SSH_SAID)
def test_each_thing_that_ssh_says_has_its_cure(said: str) -> None:
    assert explain(said, "192.0.2.7", 22)[0] == SSH_SAID[said] and SSH_SAID[said] in CURES
    for verb in ("create", "info"):
        host = Performer("web1", "web1", "192.0.2.7", 22, provisioning=True)
        found = decide(VERBS[verb], host, evidence(said))
        assert found.code == SSH_SAID[said] and found.reason.endswith(CURES[found.code].provisioning)


def evidence(said: str) -> Evidence:
    return Evidence(deadline="", seconds=0, ssh_code=255, ssh_log=said)


def test_every_cure_of_a_document_is_more_than_to_run_what_says_it() -> None:
    """site.yml ends with these codes, too: what is there to do then?"""
    text = (ROOT / "docs/troubleshooting.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+?) \|$", text, re.MULTILINE))
    assert set(CODES) <= set(rows)
    assert [code for code in CURES if re.fullmatch(r"`site\.yml`\.?", rows[code])] == []
    assert [code for code in CODES if len(rows[code]) < 30] == []
