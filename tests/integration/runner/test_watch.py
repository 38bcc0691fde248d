# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watch on another machine: the role's own account and forced command, real sshd and sudo, a server that lies."""

from __future__ import annotations

import os
from typing import Any

import pytest
from watch_host import watch_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root has mount namespaces and accounts")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What came of every act."""
    return watch_host()


def test_the_roles_make_and_admit_the_watch_and_a_second_run_changes_nothing(seen: dict[str, Any]) -> None:
    assert "changed=8 " in seen["provisioned"] and "failed=0" in seen["provisioned"]


def test_a_look_finds_everybody_fresh_and_signs_the_head(seen: dict[str, Any]) -> None:
    first, kept = seen["looks"]["first"], seen["looks"]["kept"]
    assert (first["code"], first["level"], first["findings"], first["witnessed"]) == (0, "OK", [], True)
    assert f"\nhead {first['head']}\n" in kept["message"] and first["head"].startswith("2:")
    again = seen["looks"]["again"]
    assert (again["code"], again["numbers"]["entries"], again["numbers"]["clients"]) == (0, 4, 2)
    assert f"\nhead {again['head']}\n" in seen["looks"]["kept_again"]["message"]
    said = seen["looks"]["line"]["said"]
    assert said.startswith(
        "BACKUP OK - vault: 2 clients fresh, ledger whole up to entry 4, witnessed | 'vault_clients'=2 "
    )
    assert said.count("\n") == 1


def test_the_key_opens_nothing_but_its_two_words(seen: dict[str, Any]) -> None:
    words = dict(seen["words"])
    stranger = words.pop("another key")
    assert stranger["code"] == 255 and "Permission denied" in stranger["said"] and not stranger["out"]
    assert words and all(answer == REFUSED for answer in words.values()), words


REFUSED = {"code": 2, "out": "", "said": "a watch asks: since <number>, or witness\n"}
LIES = {
    "truncated": "the ledger was cut off: it ends with entry 2, and entry 5 was seen",
    "an older copy": "the ledger was cut off: it ends with entry 4, and entry 5 was seen",
    "an older copy that grew on": "entry 6 does not continue the entry 5 that was seen",
    "written anew": "entry 6 does not continue the entry 5 that was seen",
    "one entry altered": "entry 5 was altered",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_rewrites_its_ledger_is_found_out(seen: dict[str, Any], lie: str) -> None:
    look = seen["tampering"][lie]
    assert (look["code"], [finding["check"] for finding in look["findings"]]) == (2, ["chain"])
    assert look["findings"][0]["text"].startswith(LIES[lie])
    assert not look["witnessed"] and not look["is_signed"], "it signed what it cannot have proven"
    assert look["head"].startswith("5:"), "it took over what it refused"


def test_the_true_ledger_is_known_again_and_a_person_may_begin_anew(seen: dict[str, Any]) -> None:
    true, anew = seen["tampering"]["the true one"], seen["tampering"]["a person says so"]
    assert (true["code"], true["witnessed"], true["numbers"]["entries"]) == (0, True, 6)
    assert "set aside" in anew["said"]
    assert (anew["code"], anew["witnessed"], anew["numbers"]["entries"]) == (0, True, 2)
