# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose key is known gets another one: its repository is set aside, and destroyed when its time is over."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    DestroyEntry,
    FreezeEntry,
    RetireEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import retiring
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.retiring import (
    Wish,
    destroy,
    plan_destruction,
    plan_retirement,
    retire,
)
from escrow_world import ciphertexts, decrypt, entrust, make_identity
from keeper import BIN, Keeper
from session_world import CLIENT, OK, REPOSITORY_USER, came_to
from tool import ROOT

WISH = Wish("ana left, and had the key", "bo")
NEW = "another one, only for tests"


def set_aside(keeper: Keeper, wish: Wish = WISH) -> RetireEntry | None:
    """Set the client's repository aside, as the module retire does."""
    with upkeep(keeper.config_dir, CLIENT, "a test") as site:
        entry = plan_retirement(site, wish, utc_now())
        if entry:
            retire(site, entry)
    return entry


def make_anew(keeper: Keeper, passphrase: str = NEW) -> None:
    """Have the client make another passphrase and another repository, as site.yml does."""
    (keeper.world.own / "passphrase").write_text(passphrase)
    assert came_to(keeper.world.session("create")) == OK


def list_archives(place: Path, passphrase: str, base: Path) -> list[str]:
    """Return the names of the archives that a passphrase opens, none where it opens nothing."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "BORG_PASSPHRASE": passphrase,
        "BORG_BASE_DIR": str(base),
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    argv = [str(BIN / "borg"), "list", "--short", str(place)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def read_by_hand(keeper: Keeper, old: Path, place: Path) -> None:
    """Do what docs/escrow.md says about reading what was set aside, with this world's names."""
    text = (ROOT / "docs/escrow.md").read_text().split("- To read it meanwhile", 1)[1]
    first, second = (block.partition("```")[0] for block in text.split("```\n", 4)[1::2])
    wanted = str(keeper.world.own / "source").lstrip("/")
    ours = {
        "/srv/backup/web1/old-5feceb66ffc8": str(old),
        "ssh vault.example.org ": "sh -c ",
        "ssh web1.example.org ": "sh -c ",
        "/root/old": str(place / "old"),
        "/etc/paranoid-backup/retired/5feceb66ffc8/passphrase": str(place / "passphrase"),
        "/opt/paranoid-backup/bin": str(BIN),
        "::web1-2026-11-20T03:00:00": "::$(borg list --first 1 --short)",
        "etc/nginx": wanted,
    }
    script = first + second
    for theirs, here in ours.items():
        assert theirs in script, theirs
        script = script.replace(theirs, here)
    environment = {"PATH": f"{BIN}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-eu", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3, done.stdout + done.stderr
    assert any((place / "old" / wanted).iterdir())


def test_a_client_gets_another_key_and_keeps_what_it_had(keeper: Keeper, tmp_path: Path) -> None:
    """The old passphrase opens the old repository and nothing that comes from now on; the ledger says who and why."""
    identity, recipient = make_identity(tmp_path / "bo")
    entrust(keeper, ("bo", recipient))
    assert came_to(keeper.world.session("escrow")) == OK
    old_key = decrypt(ciphertexts(keeper)[0], identity)
    before = set(keeper.listed().values())
    foretold = keeper.module("retire", reason=WISH.reason, by="bo", check=True)
    assert foretold["archives"] == 3 and keeper.repository.joinpath("config").exists()
    done = keeper.module("retire", reason=WISH.reason, by="bo")
    assert done == foretold
    old = Path(done["directory"])
    assert done["until"] == (utc_now() + timedelta(days=2 + 14)).date().isoformat()  # daily: 1, and the hold
    assert old.stat().st_mode & 0o777 == 0o700 and old.owner() == "root"
    assert (keeper.repository.owner(), list(keeper.repository.iterdir())) == (REPOSITORY_USER, [])
    backup = keeper.world.session("backup")
    assert backup.conclusion.code == "not_provisioned", backup.conclusion
    make_anew(keeper)
    assert set_aside(keeper) is None, "said again, because something failed after the new one was made"
    assert keeper.known() == set()
    first = keeper.world.session("backup")
    assert came_to(first) == OK and first.audit and first.audit["verdict"] == "clean", first.log_tail
    assert came_to(keeper.world.session("escrow")) == OK
    (escrow,) = ciphertexts(keeper)
    new_key = decrypt(escrow, identity)
    assert new_key and old_key and new_key["passphrase"] == NEW and new_key["key"] != old_key["key"]
    assert old_key["passphrase"] == decrypt(next((old / "escrow").glob("*.age")), identity)["passphrase"]  # type: ignore[index]
    assert set(list_archives(old / "repo", old_key["passphrase"], tmp_path / "one")) == before
    assert list_archives(keeper.repository, old_key["passphrase"], tmp_path / "two") == []
    assert len(list_archives(keeper.repository, NEW, tmp_path / "two")) == 1
    (tmp_path / "passphrase").write_text(old_key["passphrase"])
    read_by_hand(keeper, old, tmp_path)
    keeper.give_back()
    assert came_to(keeper.world.session("backup")) == OK
    (entry,) = keeper.entries("retire")
    assert isinstance(entry, RetireEntry)
    assert (entry.reason, entry.by, entry.archives) == (WISH.reason, "bo", 3)


STEPS = ["_make_empty", "os.rename", "place.end_swap", "append", "_set_state_aside", "os.replace"]


@pytest.mark.parametrize("step", STEPS)
def test_wherever_it_is_cut_off_the_same_call_goes_on(
    keeper: Keeper, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each step the server dies; meanwhile nobody makes a repository in the old one's place."""

    class Died(BaseException):
        pass

    def die(*_words: object) -> None:
        raise Died

    with monkeypatch.context() as broken, pytest.raises(Died):
        owner, _dot, name = step.rpartition(".")
        where = {"os": os, "place": repository, "": retiring}[owner]
        if step == "append":
            broken.setattr("ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger.Ledger.append", die)
        else:
            broken.setattr(where, name, die)
        set_aside(keeper)
    assert keeper.world.session("create", provisioning=True).repository == ""
    entry = set_aside(keeper)
    assert entry and entry.archives == 3
    old = keeper.repository.parent / entry.place
    assert (old / "repo/config").exists() and not list(keeper.repository.iterdir())
    assert [one.repository_id for one in keeper.entries("retire")] == [entry.repository_id]  # type: ignore[union-attr]
    assert set_aside(keeper) is None


def test_it_is_destroyed_when_its_time_is_over_and_not_before(keeper: Keeper, tmp_path: Path) -> None:
    """Not a day too early, not while an alarm waits for somebody, and a link in it leads nowhere."""
    entry = set_aside(keeper, Wish("the project ended", "bo", keep_days=30))
    assert entry
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("stays")
    old = keeper.repository.parent / entry.place
    (old / "repo/data/link").symlink_to(precious)
    refused = keeper.module("destroy", repository_id=entry.repository_id[:12], reason="time is over", by="bo")
    assert refused["failed"] and f"is kept until {entry.until}" in refused["msg"]
    later, wish = utc_now() + timedelta(days=31), Wish("time is over", "bo")
    with keeper.ledger() as ledger:
        ledger.append(FreezeEntry(CLIENT, "a test"))
    with pytest.raises(SessionError, match="frozen"), upkeep(keeper.config_dir, CLIENT, "a test") as site:
        plan_destruction(site, entry.repository_id, wish, later)
    with keeper.ledger() as ledger:
        ledger.append(UnfreezeEntry(CLIENT, "a test"))
    with upkeep(keeper.config_dir, CLIENT, "a test") as site:
        going = plan_destruction(site, entry.repository_id[:12], wish, later)
        assert going and going.size > 100_000
        destroy(site, going)
        assert plan_destruction(site, entry.repository_id, wish, later) is None
    assert not old.exists() and (precious / "file").read_text() == "stays"
    assert keeper.entries("destroy") == [DestroyEntry(CLIENT, "time is over", "bo", entry.repository_id, going.size)]
    assert not list((keeper.world.path / "state" / CLIENT / "retired").iterdir())


def test_the_present_repository_is_never_destroyed(keeper: Keeper) -> None:
    with upkeep(keeper.config_dir, CLIENT, "a test") as site:
        identifier = (keeper.repository / "config").read_text().split("id = ")[1].split()[0]
        with pytest.raises(SessionError, match="has no retired repository"):
            plan_destruction(site, identifier, WISH, utc_now() + timedelta(days=9999))
        with pytest.raises(SessionError, match="has no retired repository"):
            plan_destruction(site, "", WISH, utc_now() + timedelta(days=9999))


def test_another_repository_in_its_place_is_not_set_aside(keeper: Keeper) -> None:
    config = keeper.repository / "config"
    config.write_text(config.read_text().replace("id = ", "id = 0000", 1))
    with pytest.raises(SessionError) as told:
        set_aside(keeper)
    assert told.value.code in ("wrong_repository", "repository_missing") and config.exists()


def test_archives_without_end_are_kept_for_as_long_as_somebody_says(keeper: Keeper) -> None:
    keeper.world.client["retention"] = {"daily": 7, "yearly": -1}
    keeper.world.write()
    with pytest.raises(SessionError, match="without end"):
        set_aside(keeper)
    assert keeper.entries("retire") == []
    entry = set_aside(keeper, Wish("a leak", "bo", keep_days=400))
    assert entry and entry.until == (utc_now() + timedelta(days=400)).date().isoformat()


def test_the_playbooks_let_a_client_go_and_destroy_what_it_had(keeper: Keeper) -> None:
    """From the first refusal to the second time that there is nothing left to destroy."""
    limit, why = ("--limit", CLIENT), {"backup_reason": "moved", "backup_by": "bo"}
    going = {**why, "backup_keep_days": 0, "backup_decommission_unproven": "true"}
    nobody = keeper.play("decommission", *limit, backup_decommission_unproven="true")
    assert nobody.returncode == 2 and "name the client by --limit, and say why" in said(nobody)
    foretold = keeper.play("decommission", "--check", *limit, **going)
    assert foretold.returncode == 0 and "archives would be kept in" in said(foretold), said(foretold)
    assert keeper.entries("retire") == []
    gone = keeper.play("decommission", *limit, **going)
    assert gone.returncode == 0 and "archives are kept in" in said(gone), said(gone)
    (entry,) = keeper.entries("retire")
    assert isinstance(entry, RetireEntry) and (entry.reason, entry.by) == ("moved", "bo")
    old = keeper.repository.parent / entry.place
    chosen = {"backup_destroy_repository": entry.repository_id[:12]}
    assert "and say why by" in said(keeper.play("destroy", *limit, **chosen))
    assert "bytes would be destroyed" in said(keeper.play("destroy", "--check", *limit, **chosen, **why))
    assert (old / "repo/config").exists()
    done = keeper.play("destroy", *limit, **chosen, **why)
    assert done.returncode == 0 and "bytes are destroyed" in said(done) and not old.exists(), said(done)
    again = keeper.play("destroy", *limit, **chosen, **why)
    assert "changed=0" in again.stdout and "it was destroyed earlier" in said(again)
    assert [one.by for one in keeper.entries("destroy") if isinstance(one, DestroyEntry)] == ["bo"]


def said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stdout.split())
