# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sequence of sessions of real Borg and of a client that has the key and keeps no rule: what is green restores.

All is real but ssh and the start of Borg: engine, conversation, gates, audit, ledger, retention, Borg's client, and the
server's own Borg in compactions, rollbacks and lists that come back. A long run:
``PARANOID_REAL_SEQUENCES=300 .cache/venv/bin/pytest -s tests/integration/attack/test_any_sequence_real.py``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import kept_lists
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site, load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import UnfreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session import ssh
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import compaction, restore_list, rollback
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep
from borg.crypto import key
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from real_client import Act, Knowledge, Villain, back_up, initialise, maintain
from restored import Keyring, read_list, read_objects
from session_fixtures import make_place
from session_world import CLIENT, Sshd, World, run
from tunnel_client import PASSPHRASE, Host, Record, client_socket, serving

_SEQUENCES = int(os.environ.get("PARANOID_REAL_SEQUENCES", "0"))
_BUDGET = settings(
    max_examples=_SEQUENCES or 8,
    stateful_step_count=8,
    derandomize=not _SEQUENCES,
    deadline=None,
    database=None,
    phases=(Phase.generate,),  # what fails is shown as it is: each further try would take seconds
    suppress_health_check=list(HealthCheck),
)
_PROGRAMS = ("borg", "borg", "archive", "omit", "invent")
_CALLS = ("new", "put", "again", "delete", "delete all", "list", "garbage list", "nonce", "rollback", "check")
_ACTS = (*_PROGRAMS, *_CALLS, "commit", "commit", "commit", "reconnect")
_acts = st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 60)), max_size=8)
_RULES = {"retention": {"daily": 1, "minimum": 3}, "time_zone": "UTC", "hold_days": 0, "check_seconds": 0}
_KEPT = (f"srv/{CLIENT}/repo", "state", "client/borg", "client/tree")
_claim = st.sampled_from(("own archive", "own archive", "stored", "any object", "invented", "none"))


@dataclass
class State:
    """What a repository holds: ``objects``, with which transaction each ``came``, and which are ``spoilt``.

    Spoilt is what a hostile client took in a trim, or stored itself: docs/retention.md says what it can reach.
    """

    objects: dict[bytes, bytes] = field(default_factory=dict)
    came: dict[bytes, int] = field(default_factory=dict)
    spoilt: set[bytes] = field(default_factory=set)

    def copy(self) -> State:
        return State(dict(self.objects), dict(self.came), set(self.spoilt))


@dataclass(frozen=True)
class Promise:
    """What an archive that was told as green must give back, and the objects that it needs."""

    files: dict[str, bytes]
    needed: frozenset[bytes]


class RealSequences(RuleBasedStateMachine):
    """One client, and its server. ``ground`` and ``home`` are the test's; ``seen`` counts what happened, for people."""

    ground: Path
    home: Path
    seen: Counter[str]
    now: World
    first: RealSequences
    keys: Keyring

    def __init__(self) -> None:
        super().__init__()
        path = Path(tempfile.mkdtemp(prefix="real-", dir=self.ground))
        make_place(path)
        self.world = World(path, self.home, Sshd(path / "sshd"))
        self.world.build()
        self.world.client.update(_RULES)
        self.world.write()
        type(self).now = self.world
        self.state = State()
        self.states: dict[int, State] = {}
        self.promises: dict[str, Promise] = {}
        self.lists: list[bytes] = []
        self.gone: list[bytes] = []
        self.number = 0
        self.is_honest = True

    def teardown(self) -> None:
        shutil.rmtree(self.world.path)

    # What happens

    @initialize()
    def begin(self) -> None:
        """Take the client that was made once, with four archives."""
        first = self.first
        self.world.repository.rmdir()
        for name in _KEPT:
            run("cp", "-a", first.world.path / name, self.world.path / name)
        self.state, self.states = first.state.copy(), {at: one.copy() for at, one in first.states.items()}
        self.promises, self.lists, self.keys = dict(first.promises), list(first.lists), first.keys
        self.number = first.number

    def make_first(self) -> None:
        """Make the client that each sequence begins with."""
        (self.world.own / "tree").mkdir()
        (self.world.path / "state").mkdir(mode=0o700)
        assert self.session("create", initialise).conclusion.status == "ok"
        self.keys = Keyring(self.world.repository)
        for _ in range(4):
            self.honest_backup(1)

    @rule(change=st.integers(0, 3))
    def honest_backup(self, change: int) -> None:
        """Change some files; what is there before the archive is made is what it must give back."""
        self.number += 1
        tree = self.world.own / "tree"
        for at in range(change):
            (tree / str((self.number + at) % 5)).write_bytes(os.urandom(3000))
        (tree / "same").write_bytes(b"in every archive" * 99)
        files = {f"tree/{path.name}": path.read_bytes() for path in tree.iterdir()}
        name = f"a{self.number}"
        outcome = self.session("backup", lambda host, _request: back_up(host, name))
        if self.is_honest:
            assert outcome.conclusion.status == "ok", (outcome.conclusion, outcome.log_tail)
        if outcome.conclusion.status == "ok":
            self._promise(outcome, files)

    @rule()
    def honest_maintain(self) -> None:
        outcome = self.session("maintain", maintain)
        if self.is_honest:
            assert outcome.conclusion.status == "ok", (outcome.conclusion, outcome.log_tail)

    @rule(acts=_acts, claim=_claim, seed=st.integers(0, 9))
    def hostile_backup(self, acts: list[Act], claim: str, seed: int) -> None:
        self.hostile("backup", acts, seed, claim)

    @rule(acts=_acts, seed=st.integers(0, 9), lies=st.booleans(), honest_first=st.booleans())
    def hostile_maintain(self, acts: list[Act], seed: int, lies: bool, honest_first: bool) -> None:
        self.hostile("maintain", acts, seed, "told" if lies else "silent", honest_first)

    @rule(greed=st.integers(0, 20))
    def greedy_trim(self, greed: int) -> None:
        """There is something to trim, and it deletes all that the gate lets it; then what is due after it."""
        self.honest_backup(1)
        self.honest_backup(2)
        self.hostile("maintain", [("delete all", greed), ("list", greed), ("commit", 0)], greed, "told")
        self.look_after(greed)
        self.compact()

    @rule()
    def cycle(self) -> None:
        """Two nights, a trim, and its compaction."""
        self.honest_backup(2)
        self.honest_backup(1)
        self.honest_maintain()
        self.compact()

    @rule()
    def compact(self) -> None:
        with suppress(SessionError), self.upkeep() as site:
            if not compaction.look_ahead(site, compaction.Limits(ratio=1.0), utc_now()).waiting:
                compaction.compact(site)
                self.seen["compactions"] += 1
                self.states.clear()
        self.look()

    @rule(back=st.integers(0, 5))
    def roll_back(self, back: int) -> None:
        with suppress(SessionError), self.upkeep(recover_first=False) as site:
            known = sorted(self.states)
            target = rollback.target_transaction(site, known[max(len(known) - 1 - back, 0)])
            entry = rollback.plan_rollback(site, target, "a test")
            self.number += 1
            rollback.roll_back(site, target, entry, str(self.number))
            self.seen["rollbacks"] += 1
            self.state = self.states[target.transaction].copy()
            self.states = {at: one for at, one in self.states.items() if at <= target.transaction}
            self.forget()
        assert read_objects(self.world.repository) == self.state.objects, "it brings back exactly what was there"

    @rule(back=st.integers(0, 5))
    def look_after(self, back: int) -> None:
        """Do what a person does after an alarm: give up what is lost, and bring back an older list of archives."""
        with suppress(SessionError), self.upkeep() as site:
            if site.ledger.frozen_by(CLIENT):
                known = [one.id for one in site.ledger.history(CLIENT).archives]
                lost = tuple(one for one in known if bytes.fromhex(one) not in self.state.objects)
                site.ledger.append(UnfreezeEntry(CLIENT, "a test", "me", lost))
            kept = kept_lists(site)
            if back and kept:
                wanted = restore_list.prepare_restoration(site, kept[max(-back, -len(kept))].transaction, check=False)
                restore_list.restore_list(site, wanted, "a test", "me")
                self.seen["lists that came back"] += 1
                self.forget()
        self.look()

    # What holds

    @invariant()
    def what_is_green_restores(self) -> None:
        self.seen["steps"] += 1
        if self.seen["steps"] % 100 == 0:
            print(f"{self.seen['steps']} steps", flush=True)
        with closing(load_site(str(self.world.path / "etc"), CLIENT)) as site:
            known = [one.id for one in site.ledger.history(CLIENT).archives]
            frozen = site.ledger.frozen_by(CLIENT)
        assert not (self.is_honest and frozen), frozen
        for one in known:
            promise = self.promises.get(one)
            if promise is None or promise.needed & self.state.spoilt:
                self.seen["archives that nobody vouches for"] += 1
                continue
            found = self.keys.restore(self.world.repository, one)
            assert (found.files, found.unreadable) == (promise.files, b"")
            self.seen["archives restored"] += 1

    # How it is done

    def hostile(self, verb: str, acts: list[Act], seed: int, claim: str, honest_first: bool = False) -> None:
        """Hold a session of the hostile client; what it stored with its own hands is spoilt."""
        self.is_honest = False
        told = self.world.own / "stored"
        told.write_bytes(b"")
        known = Knowledge(tuple(self.state.objects), tuple(self.gone), tuple(self.lists))

        def perform(host: Host, request: Record) -> Record:
            villain = Villain(host, known, seed)
            with suppress(ValueError):
                if honest_first:
                    maintain(host, request)
            villain.perform(acts)
            told.write_bytes(b"".join(villain.stored))
            return _claimed(claim, villain, known, request)

        outcome = self.session(verb, perform, is_hostile=True)
        self.seen[f"hostile {verb}: {outcome.conclusion.code or 'ok'}"] += 1
        assert outcome.conclusion.code != "server_error", outcome.conclusion
        stored = told.read_bytes()
        own = {stored[at : at + 32] for at in range(0, len(stored), 32)}
        changed = {one for one in own if self.state.came.get(one) == self._transaction()}
        self.state.spoilt |= changed
        self.states[self._transaction()] = self.state.copy()

    def session(self, verb: str, perform: Callable[[Host, Record], Record], is_hostile: bool = False) -> Outcome:
        """Hold a session, and look at what it did to the repository."""
        named: tuple[str, ...] = ()
        with closing(load_site(str(self.world.path / "etc"), CLIENT)) as site:
            known = site.ledger.history(CLIENT).archives
        with serving(self.world, perform):
            outcome = self.world.session(verb)
        self.seen[f"{verb}: {outcome.conclusion.status}"] += 1
        assert "Traceback" not in "".join(outcome.log_tail), outcome.log_tail
        if outcome.maintain:
            named = tuple(outcome.maintain["named"])
        staying = [one for one in known if one.id not in named]
        self.look(is_hostile, frozenset(one.transaction for one in staying) if named else None)
        return outcome

    def look(self, is_hostile: bool = False, staying: frozenset[int | None] | None = None) -> None:
        """Compare what is there with what was there; ``staying`` are archives' transactions, None: nothing may go."""
        before, now = self.state, read_objects(self.world.repository)
        lost = [one for one, data in before.objects.items() if now.get(one) != data]
        assert not lost or staying is not None, "only a trim may delete"
        assert not any(before.came[one] in (staying or ()) for one in lost), "it came with an archive that stays"
        if is_hostile:
            before.spoilt.update(lost)
        assert is_hostile or not any(one in now for one in lost), "stored objects were overwritten"
        self.gone += lost
        transaction = self._transaction()
        for one in now:
            if one not in before.objects or one in lost:
                before.came[one] = transaction
        before.objects = now
        self.states[transaction] = before.copy()
        self.lists = [*self.lists, read_list(self.world.repository)][-6:]

    def _promise(self, outcome: Outcome, files: dict[str, bytes]) -> None:
        assert outcome.archive
        identifier = str(outcome.archive["id"])
        found = self.keys.restore(self.world.repository, identifier)
        if found.unreadable:  # Borg believes its list of archives, which a hostile client had in its hands
            assert found.unreadable in self.state.spoilt
            self.seen["archives made of what was spoilt"] += 1
        else:
            self.promises[identifier] = Promise(files, found.needed)

    def upkeep(self, recover_first: bool = True) -> AbstractContextManager[Site]:
        return upkeep(str(self.world.path / "etc"), CLIENT, "a test", recover_first)

    def forget(self) -> None:
        """Have the client's Borg forget the newer state, as the role's entry point does."""
        for path in self.world.own.glob("borg/.config/borg/security/*/manifest-timestamp"):
            path.unlink()
        shutil.rmtree(self.world.own / "borg/.cache", ignore_errors=True)

    def _transaction(self) -> int:
        found = [int(path.suffix[1:]) for path in self.world.repository.glob("index.*")]
        return max(found, default=-1)


def _claimed(claim: str, villain: Villain, known: Knowledge, request: Record) -> Record:
    """Return what the hostile client says that it did."""
    if claim == "told":
        return {"maintain": {"deleted": request["delete"], "missing": [], "unknown": [], "check": "ok"}}
    pool = [*known.objects, *villain.stored]
    ids = {
        "own archive": villain.archives[-1:],
        "stored": [one.hex() for one in villain.stored[-1:]],
        "any object": [one.hex() for one in pool[len(pool) // 2 :][:1]],
        "invented": [os.urandom(32).hex()],
    }
    found = ids.get(claim) or []
    return {"archive": _archive(found[0])} if found else {}


def _archive(identifier: str) -> Record:
    times = dict.fromkeys(("start", "end"), "2026-01-01T00:00:00Z")
    sizes = dict.fromkeys(("original_size", "compressed_size", "deduplicated_size", "nfiles"), 1)
    return {"name": f"claimed-{identifier[:8]}", "id": identifier, "duration": 1.0, **times, **sizes}


def test_what_is_green_restores(ground: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def socat(site: Site, *_more: object) -> list[str]:
        return ["socat", "-t", "0.01", "STDIO", f"UNIX-CONNECT:{client_socket(RealSequences.now)}"]

    monkeypatch.setattr(ssh, "command", socat)
    monkeypatch.setenv("BORG_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(key, "PBKDF2_ITERATIONS", 1)  # nobody guesses this passphrase
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    RealSequences.ground, RealSequences.home, RealSequences.seen = ground, home, Counter()
    RealSequences.first = RealSequences()
    RealSequences.first.make_first()
    run_state_machine_as_test(RealSequences, settings=_BUDGET)
    seen = RealSequences.seen
    print("\n".join(f"{number:6} {what}" for what, number in sorted(seen.items())))
    assert seen["archives restored"] > 3 * seen["archives that nobody vouches for"]
    assert seen["compactions"] and seen["rollbacks"] and seen["lists that came back"]
