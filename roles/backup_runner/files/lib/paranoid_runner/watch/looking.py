# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at one server: ask, prove, remember, judge, sign. What was seen is on disk before anything is signed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from paranoid_runner.files import write_whole
from paranoid_runner.watch.asking import NotAnswered, ask, make_command
from paranoid_runner.watch.chain import EMPTY, ChainError, Head, prove
from paranoid_runner.watch.checks import Look, check
from paranoid_runner.watch.config import Target, WatchConfig
from paranoid_runner.watch.document import LARGEST, DocumentError, Told, parse_document
from paranoid_runner.watch.folding import fold
from paranoid_runner.watch.levels import Finding, Level, find_worst, show
from paranoid_runner.watch.memory import Known, Memory, MemoryLost, Sample, load_memory, save_memory
from paranoid_runner.watch.trend import add_sample, find_days_left
from paranoid_runner.watch.witness import NotSigned, is_wanted, make_message, sign

MOST_ANSWERS = 100  # of one look: some 400 MiB of entries; the next look goes on


@dataclass(frozen=True)
class Seen:
    """What a look came to. ``numbers`` are for monitoring systems: name, value and unit of each."""

    server: str
    findings: tuple[Finding, ...]
    head: Head = EMPTY
    clients: int = 0
    is_signed: bool = False
    numbers: tuple[tuple[str, float, str], ...] = ()

    @property
    def level(self) -> Level:
        """How bad it is."""
        return find_worst(finding.level for finding in self.findings)


@dataclass(frozen=True)
class _Answer:
    told: Told
    asked: datetime
    got: datetime


def look_at(config: WatchConfig, target: Target, clock: Callable[[], datetime]) -> Seen:
    """Look at a server; whatever is wrong is a finding."""
    path = memory_path(config, target)
    try:
        memory = load_memory(path)
    except MemoryLost as error:
        return Seen(target.name, (Finding(Level.UNKNOWN, "state", str(error)),))
    try:
        answer, memory = _ask_all(config, target, memory, clock)
    except (NotAnswered, DocumentError) as error:
        ago = f"; the last answer came at {memory.answered:%Y-%m-%d %H:%M} UTC" if memory.answered else ""
        return Seen(target.name, (Finding(Level.UNKNOWN, "asked", f"it cannot be asked: {error}{ago}"),), memory.head)
    except ChainError as error:
        how = "compare them, see docs/watch.md; nothing was taken over"
        return Seen(target.name, (Finding(Level.CRITICAL, "chain", f"{error}; {how}"),), memory.head)
    except OSError as error:
        return Seen(target.name, (Finding(Level.UNKNOWN, "state", f"{path}: {error.strerror}"),), memory.head)
    findings = check(Look(answer.told, memory, answer.asked, answer.got, target.rules))
    if memory.head != answer.told.head:
        far = f"the chain is proven up to entry {memory.head.seq} of {answer.told.head.seq}; the next look goes on"
        return _summarize(target, answer, memory, [*findings, Finding(Level.WARNING, "chain", far)], False)
    unsigned = _hand_in(config, target, answer)
    return _summarize(target, answer, memory, [*findings, *unsigned], not unsigned)


def memory_path(config: WatchConfig, target: Target) -> Path:
    """Return where it is kept what was seen of a server."""
    return config.state / f"{target.name}.json"


def forget_client(config: WatchConfig, target: Target, client: str) -> bool:
    """Miss a client no more; return whether it was known."""
    memory = load_memory(memory_path(config, target))
    if client not in memory.listed:
        return False
    listed = tuple(name for name in memory.listed if name != client)
    save_memory(memory_path(config, target), replace(memory, listed=listed))
    return True


def begin_anew(config: WatchConfig, target: Target, now: datetime) -> bool:
    """Set aside what was seen of a server: a person says that its ledger began anew. Return whether there was any."""
    path = memory_path(config, target)
    with suppress(FileNotFoundError):
        path.rename(path.with_name(f"{target.name}.until-{now:%Y%m%dT%H%M%SZ}.json"))
        return True
    return False


def _ask_all(
    config: WatchConfig, target: Target, memory: Memory, clock: Callable[[], datetime]
) -> tuple[_Answer, Memory]:
    """Ask until all entries are proven, and remember each step. The last answer is the one that is judged."""
    for _answer in range(MOST_ANSWERS):
        asked = clock()
        raw = ask(make_command(config, target, f"since {memory.head.seq}"), b"", LARGEST)
        answer = _Answer(parse_document(raw), asked, clock())
        try:
            memory = _take(target, memory, answer)
        except ChainError:
            _keep_refused(config, target, raw)
            raise
        save_memory(memory_path(config, target), memory)
        if not answer.told.more:
            break
    return answer, _read_again(config, target, memory)


def _read_again(config: WatchConfig, target: Target, memory: Memory) -> Memory:
    """Read one answer's worth of the past another time, from where the last look left it: it leads to the same head."""
    raw = ask(make_command(config, target, f"since {memory.again.seq}"), b"", LARGEST)
    told = parse_document(raw)
    try:
        reached = prove(memory.again, told.entries, told.head, told.more, memory.head)
    except ChainError:
        _keep_refused(config, target, raw)
        raise
    memory = replace(memory, again=EMPTY if reached.seq >= memory.head.seq else reached)
    save_memory(memory_path(config, target), memory)
    return memory


def _take(target: Target, memory: Memory, answer: _Answer) -> Memory:
    told, now = answer.told, answer.got
    if memory.host_id not in ("", told.host_id):
        raise ChainError("another server answers: its id is not the one that was seen")
    head = prove(memory.head, told.entries, told.head, told.more, target.known)
    known = fold(memory.known, told.entries, now)
    names = [one.name for one in told.clients]
    known |= {name: Known(now) for name in names if name not in known}
    listed = sorted({*memory.listed, *names})
    samples = add_sample(memory.samples, Sample(now, *told.disk)) if told.disk else memory.samples
    return Memory(told.host_id, head, memory.again, now, known, tuple(listed), samples)


def _keep_refused(config: WatchConfig, target: Target, raw: bytes) -> None:
    """Keep the answer that was refused, for whoever compares. Where the disk is full, it is told all the same."""
    with suppress(OSError):
        write_whole(config.state / f"{target.name}.refused", raw)


def _hand_in(config: WatchConfig, target: Target, answer: _Answer) -> list[Finding]:
    told, now = answer.told, answer.got
    if config.name not in told.witnesses:
        why = f"it takes no witness of {config.name}: put its key into backup_server_watches"
        return [Finding(Level.WARNING, "witness", why)]
    if not is_wanted(told, config.name, now):
        return []
    try:
        handed = sign(config.key, make_message(told.host_id, told.head, now))
        ask(make_command(config, target, "witness"), handed, 64 * 1024)
    except (NotSigned, NotAnswered) as error:
        return [Finding(Level.WARNING, "witness", f"the head was not witnessed: {show(str(error))}")]
    return []


def _summarize(target: Target, answer: _Answer, memory: Memory, findings: list[Finding], is_signed: bool) -> Seen:
    told = answer.told
    days = find_days_left(memory.samples, answer.got)
    middle = answer.asked + (answer.got - answer.asked) / 2
    numbers: list[tuple[str, float, str]] = [
        ("clients", len(told.clients), ""),
        ("late", sum(one.check == "fresh" for one in findings), ""),
        ("entries", memory.head.seq, "c"),
        ("clock", round((told.clock - middle) / timedelta(seconds=1), 1), "s"),
    ]
    numbers += [("free", told.disk[1], "B")] if told.disk else []
    numbers += [("full", round(days, 1), "")] if days is not None else []
    return Seen(target.name, tuple(findings), memory.head, len(told.clients), is_signed, tuple(numbers))
