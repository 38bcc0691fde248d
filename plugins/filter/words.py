# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A filter that finds what somebody typed for a run and nobody reads: variables, tags, and names in --limit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

# What each playbook reads of a run, without "backup_"; its test compares it with the playbooks.
ORDERS: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "accept": "accept reason",
        "audit": "audit_full",
        "backup": "",
        "compact": "compact_hold_days compact_limit_bytes compact_limit_ratio",
        "decommission": "decommission_backup decommission_unproven keep_days reason",
        "destroy": "destroy_repository reason",
        "doctor": "",
        "drill": "drill_paths",
        "escrow": "identity",
        "info": "",
        "maintain": "maintain_delete_unknown",
        "open": "",
        "page": "page_clients",
        "rebuild": "identity rebuild_archive rebuild_confirm",
        "rebuild_server": "rebuild_anew rebuild_head rebuild_restore_only",
        "rekey": "keep_days reason",
        "report": "",
        "restore": "restore_archive restore_as_of restore_databases restore_paths restore_to",
        "restore_list": "list_transaction reason",
        "rollback": "reason rollback_nas_snapshot rollback_snapshot rollback_transaction",
        "site": "",
        "unfreeze": "reason unfreeze_lost",
        "watch": "",
        "wheelhouse": "",
    }.items()
}
# What may stand in an inventory for all of them.
SETTINGS = frozenset(
    {"allowed_variables", "ask_nas", "ask_roll", "borg", "by", "config_dir", "drill_place"}
    | {"escrow_dir", "fail_fast", "open_for", "page_fetch"}
)
TAGS: Mapping[str, frozenset[str]] = {"escrow": frozenset({"collect", "prove", "forget"})}
_OWN = frozenset({"needed_groups", "ineffective"})  # the playbooks' own
_ROLES = ("borg_", "client_", "nas_", "runner_", "server_", "wheelhouse_")  # Each looks at its own variables.
_ANY_TAGS = frozenset({"all", "always", "never", "tagged", "untagged"})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})  # hosts without an inventory
_PREFIX = "backup_"
_NEAR = 0.8


def list_ineffective_variables(
    names: Iterable[str], typed: Iterable[str], playbooks: Sequence[str], allowed: Iterable[str] = ()
) -> list[str]:
    """Return a sentence for each variable that nobody reads.

    TYPED are those of the command line. NAMES are all there are: an inventory may have somebody else's, so there only
    those count that are nearly one of ours. PLAYBOOKS are ours that were started, none if it was another one.
    """
    known = SETTINGS.union(_OWN, *ORDERS.values())
    free = {name.removeprefix(_PREFIX) for name in allowed}
    given = _ours(typed)
    strange = {name: _find_near(name, known) for name in (_ours(names) | given) - known - free}
    said = [
        f"there is no variable {_PREFIX}{name}{_suggest(near, _PREFIX)}"
        for name, near in sorted(strange.items())
        if near or (playbooks and name in given)
    ]
    cure = "; a variable of somebody else is to be named in backup_allowed_variables"
    return [*said[:-1], said[-1] + cure] if said else []


def list_idle_variables(typed: Iterable[str], playbooks: Sequence[str]) -> list[str]:
    """Return a sentence for each variable of the command line that other playbooks read, and none of PLAYBOOKS.

    Somebody may type the same words for one after the other; but he may also take one for another.
    """
    read = SETTINGS.union(*(ORDERS[name] for name in playbooks))
    idle = _ours(typed) & frozenset[str]().union(*ORDERS.values()) - read if playbooks else ()
    return [f"{_PREFIX}{name} has no effect here: it is for {_name_playbooks(name)}" for name in sorted(idle)]


def list_ineffective_tags(tags: Iterable[str], playbooks: Sequence[str]) -> list[str]:
    """Return a sentence for each tag that no task of PLAYBOOKS has; nobody knows those of somebody else's."""
    known = frozenset[str]().union(*(TAGS.get(name, frozenset()) for name in playbooks))
    unknown = sorted(set(tags) - known - _ANY_TAGS) if playbooks else []
    there = f"there are {', '.join(sorted(known))}" if known else "there are none"
    return [f"no task has the tag {tag}{_suggest(_find_near(tag, known))}: {there}" for tag in unknown]


def list_ineffective_limits(limit: str, groups: Mapping[str, Sequence[str]], match: Callable[[str], bool]) -> list[str]:
    """Return a sentence for each name or pattern in LIMIT that no host has, wanted or excluded.

    MATCH tells whether a pattern has hosts; OSError if a file that LIMIT names cannot be read.
    """
    known = _HERE.union(groups, *groups.values())
    terms = [name for term in split_host_pattern(limit) for name in _expand(str(term))]
    bare = dict.fromkeys(term[1:] if term[:1] in ("!", "&") else term for term in terms)
    unknown = [name for name in bare if name not in known and not match(name)]
    return [f"no host or group is {name}, which --limit names{_suggest(_find_near(name, known))}" for name in unknown]


def _ours(names: Iterable[str]) -> set[str]:
    bare = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
    return {name for name in bare if not name.startswith(_ROLES)}


def _expand(term: str) -> list[str]:
    """Return the lines of a file that is named with @, as Ansible reads it."""
    lines = Path(term[1:]).read_text(encoding="utf-8").split("\n") if term.startswith("@") else [term]
    return [line.strip() for line in lines if line.strip()]


def _find_near(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, sorted(known), 1, _NEAR)), "")


def _suggest(near: str, prefix: str = "") -> str:
    return f" (is it {prefix}{near}?)" if near else ""


def _name_playbooks(name: str) -> str:
    return ", ".join(f"{playbook}.yml" for playbook, words in ORDERS.items() if name in words)


def _find_playbooks(typed: Iterable[str]) -> list[str]:
    """Return which of our playbooks were TYPED; none if one of them is somebody else's."""
    folder = Path(__file__).resolve().parents[2] / "playbooks"
    found = []
    for one in typed:
        name = one.removeprefix("paranoid.backup.") if one.startswith("paranoid.backup.") else Path(one).stem
        if name not in ORDERS or (name == Path(one).stem and Path(one).resolve() != folder / f"{name}.yml"):
            return []
        found.append(name)
    return found


def _make_match(groups: Mapping[str, Sequence[str]]) -> Callable[[str], bool]:
    """Return whether Ansible finds hosts by a pattern; the inventory is only made when it is needed."""
    made: list[InventoryManager] = []

    def match(pattern: str) -> bool:
        if not made:
            made.append(_make_inventory(groups))
        try:
            return bool(made[0].get_hosts(pattern=pattern))
        except AnsibleError:
            return False

    return match


def _make_inventory(groups: Mapping[str, Sequence[str]]) -> InventoryManager:
    inventory = InventoryManager(DataLoader(), parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group=group)
    return inventory


def _ineffective(
    names: Iterable[str],
    groups: Mapping[str, Sequence[str]],
    limit: str,
    tags: Iterable[str],
    allowed: Iterable[str] = (),
) -> list[str]:
    """Return a sentence for each word of the command line that has no effect, and each variable that was misspelt."""
    playbooks = _find_playbooks(context.CLIARGS.get("args", ()))
    typed = load_extra_vars(DataLoader())
    for line in list_idle_variables(typed, playbooks):
        Display().warning(line)
    return [
        *list_ineffective_variables(names, typed, playbooks, allowed),
        *list_ineffective_tags(tags, playbooks),
        *list_ineffective_limits(limit, groups, _make_match(groups)),
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"ineffective": _ineffective}
