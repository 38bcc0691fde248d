# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any sequence of sessions, calls, trims, compactions, rollbacks and cuts: what was green is there, byte for byte.

Engine, gate, audit, ledger, retention, compaction and rollback are the real ones, and so are Borg's repository and
its files; only ssh, processes and encryption are left out, so that thousands of steps take minutes. For a long run:
``PARANOID_SEQUENCES=2000 .cache/venv/bin/pytest -s tests/integration/attack/test_any_sequence.py``.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site, load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError, UnfreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import crash_recovery
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session import engine
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import compaction, rollback
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep
from borg.logger import setup_logging
from borg.repository import Repository
from client_model import LIST_ID, Call, Ended, Wire, back_up, begin_anew, fresh_id, maintain, pack_list, read_list
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from paranoid_gate.errors import Refused

CLIENT = "web1"
_ME = pwd.getpwuid(os.geteuid()).pw_name
_SEQUENCES = int(os.environ.get("PARANOID_SEQUENCES", "0"))
_BUDGET = settings(
    max_examples=_SEQUENCES or 30,
    stateful_step_count=12,
    derandomize=not _SEQUENCES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
Objects = dict[bytes, bytes]

_ACTS = ("new", "put", "delete", "commit", "rollback", "list", "check", "reconnect", "nonce")
_act = st.tuples(st.sampled_from(_ACTS), st.integers(0, 200))
_claim = st.sampled_from(("last new", "any", "invented", "none"))


class Died(BaseException):
    """The server went off in the middle of its work."""


@dataclass
class State:
    """What a repository holds: ``objects``, with which transaction each ``came``, and what is ``exposed``.

    Exposed is what a hostile client took in a trim: docs/retention.md says which objects are in its reach.
    """

    objects: Objects = field(default_factory=dict)
    came: dict[bytes, int] = field(default_factory=dict)
    exposed: set[bytes] = field(default_factory=set)

    def copy(self) -> State:
        return State(dict(self.objects), dict(self.came), set(self.exposed))


class Sequences(RuleBasedStateMachine):
    """One client and its server."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        begin_anew()
        self.path = Path(tempfile.mkdtemp(prefix="any-"))
        self.config = str(self.path / "etc")
        self.state = State()
        self.states: dict[int, State] = {}
        self.needs: dict[str, set[bytes]] = {}
        self.honest = True
        self.moment = 0
        self._write_config()

    def teardown(self) -> None:
        shutil.rmtree(self.path)

    def _write_config(self) -> None:
        (self.path / "etc/clients").mkdir(parents=True)
        (self.path / "srv/web1/repo").mkdir(parents=True, mode=0o700)
        (self.path / "state").mkdir()
        none = dict.fromkeys(("ssh_command", "identity_file", "python", "lib_dir"), "/nonexistent")
        places = {f"{name}_dir": str(self.path / name) for name in ("state", "run", "log")}
        times = dict.fromkeys(("connect_timeout", "idle_timeout", "total_timeout", "close_timeout"), 60)
        more = {"repository_root": str(self.path / "srv"), "require_mount": False, "host_id": "h", "log_keep": 5}
        server = {"schema": 1, "slots": 2, "login_user": _ME, **none, **places, **times, **more}
        client = {
            "schema": 1,
            "client": CLIENT,
            "host": "h",
            "port": 22,
            "user": "u",
            "transport": "socket",
            "remote_dir": "/nonexistent",
            "listen_port": 0,
            "repository": str(self.path / "srv/web1/repo"),
            "repository_user": _ME,
            "known_hosts_file": "/nonexistent",
            "hold_days": 0,
            "check_seconds": 0,
            "retention": {"daily": 1, "minimum": 4},
        }
        (self.path / "etc/server.json").write_text(json.dumps(server))
        (self.path / f"etc/clients/{CLIENT}.json").write_text(json.dumps(client))

    # What happens

    @initialize()
    def create(self) -> None:
        def make(wire: Wire, _plan: Any) -> dict[str, Any]:
            with wire.connection() as call:
                call("save_key", keydata=b"a2V5")
                call("put", id=LIST_ID, data=pack_list(()))
                call("commit", compact=False)
            return {}

        made = self.session("create", make)
        assert made and made.conclusion.status == "ok"
        for new in (3, 2, 1):
            self.honest_backup(new, [0, 2], checkpoint=False)

    @rule(new=st.integers(0, 3), reused=st.lists(st.integers(0, 50), max_size=4), checkpoint=st.booleans())
    def honest_backup(self, new: int, reused: list[int], checkpoint: bool) -> None:
        made: list[tuple[bytes, set[bytes]]] = []

        def work(wire: Wire, _plan: Any) -> dict[str, Any]:
            found = back_up(wire, new, reused, checkpoint)
            if found is None:
                return {"ok": False}
            made.append(found)
            return {"archive": archive(found[0].hex())}

        outcome = self.session("backup", work)
        assert outcome
        if self.honest:
            assert outcome.conclusion.status == "ok", outcome.conclusion
        if outcome.conclusion.status == "ok":
            (archive_id, needed) = made[0]
            self.needs[archive_id.hex()] = {one for one in needed if one in self.state.objects}

    @rule(taken=st.none() | st.lists(_act, max_size=6), greed=st.integers(0, 3), ends=st.booleans())
    def cycle(self, taken: list[tuple[str, int]] | None, greed: int, ends: bool) -> None:
        """Two backups, a trim by an honest client or by a hostile one, and what is due after it."""
        self.honest_backup(2, [greed], checkpoint=ends)
        self.honest_backup(1, [0, 1], checkpoint=False)
        if taken is None:
            self.honest_maintain()
        else:
            self.hostile_maintain(taken, greed, 0, ok=ends)
        self.honest_maintain()
        if ends:
            self.compact()

    @rule()
    def honest_maintain(self) -> None:
        self.unfreeze()
        outcome = self.session("maintain", lambda wire, plan: {"maintain": maintain(wire, plan)})
        assert outcome
        if self.honest:
            assert outcome.conclusion.status == "ok", outcome.conclusion

    @rule(acts=st.lists(_act, max_size=12), claim=_claim, least=st.integers(0, 2000))
    def hostile_backup(self, acts: list[tuple[str, int]], claim: str, least: int) -> None:
        self.honest = False

        def work(wire: Wire, _plan: Any) -> dict[str, Any]:
            new = self.act(wire, acts, least)
            pool = sorted(self.state.objects)
            ids = {"last new": new[-1:], "any": pool[least % (len(pool) or 1) :][:1], "invented": [fresh_id()]}
            named = ids.get(claim, [])
            return {"archive": archive(named[0].hex())} if named else {}

        self.session("backup", work)

    @rule(acts=st.lists(_act, max_size=12), greed=st.integers(0, 3), least=st.integers(0, 2000), ok=st.booleans())
    def hostile_maintain(self, acts: list[tuple[str, int]], greed: int, least: int, ok: bool) -> None:
        """Delete all that the gate lets pass of the first objects, or of all; then anything."""
        self.honest = False
        self.unfreeze()

        def work(wire: Wire, plan: Any) -> dict[str, Any]:
            with wire.connection() as call:
                for key in sorted(self.state.objects)[greed % 2 :: max(greed, 1)]:
                    try:
                        call("delete", id=key)
                        call("commit", compact=False)
                    except (Refused, Repository.ObjectNotFound):
                        call("rollback")
                with suppress(Refused):
                    staying = [one for one in read_list(call) if one.hex() not in plan.named]
                    call("put", id=LIST_ID, data=pack_list(staying, least))
                    call("commit", compact=False)
            self.act(wire, acts, least)
            told = {"deleted": list(plan.named), "missing": [], "unknown": [], "check": "ok"}
            return {"maintain": told, "ok": ok}

        self.session("maintain", work, exposing=True)

    @rule(verb=st.sampled_from(("backup", "maintain")), after=st.booleans())
    def server_dies(self, verb: str, after: bool) -> None:
        """Before or after the client did its work; nothing of it is in the ledger then."""
        self.honest = False

        def work(wire: Wire, plan: Any) -> dict[str, Any]:
            if after and verb == "maintain":
                maintain(wire, plan)
            elif after:
                back_up(wire, 1, [0, 1], checkpoint=False)
            raise Died

        self.session(verb, work)
        with upkeep(self.config, CLIENT, "a test"):
            """Whoever holds the lock next puts it in order."""

    @rule()
    def compact(self) -> None:
        with suppress(SessionError), upkeep(self.config, CLIENT, "a test") as site:
            limits = compaction.Limits(ratio=1.0)
            if not compaction.look_ahead(site, limits, utc_now()).waiting:
                compaction.compact(site)
                self.states.clear()
        self.look()

    @rule(back=st.integers(0, 5))
    def roll_back(self, back: int) -> None:
        with suppress(SessionError), upkeep(self.config, CLIENT, "a test", recover_first=False) as site:
            known = sorted(self.states)
            if not known:
                return
            target = rollback.target_transaction(site, known[max(len(known) - 1 - back, 0)])
            entry = rollback.plan_rollback(site, target, "a test")
            self.moment += 1
            rollback.roll_back(site, target, entry, str(self.moment))
            self.state = self.states[target.transaction].copy()
            self.states = {at: one for at, one in self.states.items() if at <= target.transaction}
            assert self.read() == self.state.objects, "a rollback brings back exactly what was there"

    def unfreeze(self) -> None:
        """Do what a person does who has looked: go on, and give up what is lost."""
        with suppress(SessionError), upkeep(self.config, CLIENT, "a test") as site:
            if site.ledger.frozen_by(CLIENT):
                known = [one.id for one in site.ledger.history(CLIENT).archives]
                lost = tuple(one for one in known if bytes.fromhex(one) not in self.state.objects)
                site.ledger.append(UnfreezeEntry(CLIENT, "a test", "me", lost))
        self.look()

    # What holds

    @invariant()
    def what_was_green_is_there(self) -> None:
        Sequences.steps += 1
        with self.site() as site:
            history = site.ledger.history(CLIENT)
            for one in history.archives:
                lost = {key for key in self.needs.get(one.id, ()) if key not in self.state.objects}
                assert lost <= self.state.exposed, "an honest session, or the server, lost an object"
            if self.honest:
                assert site.ledger.frozen_by(CLIENT) is None

    # How it is done

    def site(self) -> closing[Site]:
        """Open the client's site."""
        return closing(load_site(self.config, CLIENT))

    def act(self, wire: Wire, acts: list[tuple[str, int]], least: int) -> list[bytes]:
        """Make these calls, whatever is answered; return the ids of the new objects."""
        new: list[bytes] = []
        left = list(acts)
        while left:
            with wire.connection() as call:
                while left and (act := left.pop(0))[0] != "reconnect":
                    with suppress(Refused, Repository.ObjectNotFound):
                        self._call(call, *act, least, new)
        return new

    def _call(self, call: Call, act: str, number: int, least: int, new: list[bytes]) -> None:
        pool = [*sorted(self.state.objects), *new]
        key = pool[number % len(pool)] if pool else fresh_id()
        match act:
            case "new":
                new.append(fresh_id())
                call("put", id=new[-1], data=b"garbage")
            case "put":
                call("put", id=key, data=b"garbage %d" % number)
            case "delete":
                call("delete", id=key)
            case "commit":
                call("commit", compact=False)
            case "rollback":
                call("rollback")
            case "check":
                call("check")
            case "nonce":
                call("commit_nonce_reservation", next_unreserved=number * 2**30, start_nonce=None)
            case "list":
                listed = read_list(call)
                call("put", id=LIST_ID, data=pack_list(listed[number // 180 :], least))

    def session(self, verb: str, work: Callable[[Wire, Any], dict[str, Any]], exposing: bool = False) -> Outcome | None:
        """Hold a session and look at what it did; None if the server died in it."""
        self.named: tuple[str, ...] | None = None
        with self.site() as site, suppress(LedgerError):
            known = site.ledger.history(CLIENT).archives
        outcome = None
        with suppress(Died):
            outcome = self._perform(verb, work)
        going = self.named or ()
        staying = frozenset(one.transaction for one in known if going and one.id not in going)
        self.look(exposing, staying)
        return outcome

    def _perform(self, verb: str, work: Callable[[Wire, Any], dict[str, Any]]) -> Outcome:
        async def converse(session: Any, repository_id: str | None, plan: Any, _log: Any) -> Evidence:
            session.site.close()
            self.named = plan.named if plan else None
            wire = Wire(session.site, session.verb.policy, repository_id, plan)
            try:
                told = work(wire, plan)
            except Ended:
                told = {"ok": False}
            ok = told.pop("ok", True)
            result = Result(ok, "", told.get("archive"), None, told.get("maintain"), {}, remarks={})
            return Evidence(hello=True, ssh_code=0, result=result, gate=wire.summary)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "converse", converse)
            return engine.perform(Order(CLIENT, verb, config_dir=self.config))

    def look(self, exposing: bool = False, staying: frozenset[int | None] = frozenset()) -> None:
        """Compare what is there with what was there before; ``staying`` are the transactions of archives that stay."""
        before, now = self.state, self.read()
        transaction = self.transaction()
        lost = {key for key, data in before.objects.items() if now.get(key) != data}
        assert not lost or staying, "only a trim may delete, and it leaves four archives"
        assert not any(before.came[key] in staying for key in lost), "it came with an archive that stays"
        if exposing:
            before.exposed |= lost
        assert lost.isdisjoint(now) or exposing, "stored objects were overwritten"
        for key in set(now) - set(before.objects) | (lost & set(now)):
            before.came[key] = transaction
        before.objects = now
        self.states[transaction] = before.copy()

    def read(self) -> Objects:
        """Return all objects but the list, as Borg itself reads them."""
        with Repository(str(self.path / "srv/web1/repo"), lock=False) as repository:
            return {key: bytes(repository.get(key)) for key in repository.list() if key != LIST_ID}

    def transaction(self) -> int:
        return int(max((self.path / "srv/web1/repo").glob("index.*"), key=lambda at: int(at.suffix[1:])).suffix[1:])


def archive(identifier: str) -> dict[str, Any]:
    """Return what a client tells of its archive."""
    times = dict.fromkeys(("start", "end"), "2026-01-01T00:00:00Z")
    sizes = dict.fromkeys(("original_size", "compressed_size", "deduplicated_size", "nfiles"), 1)
    return {"name": f"a-{identifier[:8]}", "id": identifier, "duration": 1.0, **times, **sizes}


def server_borg(site: Site, *words: str) -> tuple[int, str]:
    """Do in this process what the server's own Borg does."""
    with Repository(site.client.repository, exclusive=True) as repository:
        if words[0] == "check":
            return (0 if repository.check() else 1), ""
        repository.put(LIST_ID, repository.get(LIST_ID))
        repository.commit(compact=True, threshold=0.1)
        return 0, ""


def test_what_is_green_stays_through_any_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compaction, rollback, crash_recovery):
        monkeypatch.setattr(module, "run_borg", server_borg)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    setup_logging(stream=sys.stderr, env_var=None, level="critical")
    Sequences.steps = 0
    run_state_machine_as_test(Sequences, settings=_BUDGET)
    print(f"{Sequences.steps} steps")
