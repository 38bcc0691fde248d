# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets which mail of a run: the team gets all of it, an owner what is of the own hosts, and nothing of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage

from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import make_message
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import TEAM, History
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.failures import BRIEF
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page, make_page
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Owners

LARGEST = 100_000  # bytes of a mail: Gmail shows no more than 102 kB of one


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who gets what is of some hosts."""

    address: Address
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, its file in the run's directory, to whom it goes, and whose it is in the history's ``told``."""

    file: str
    mail: EmailMessage
    recipients: tuple[str, ...]
    whom: str


def find_owners(owners: Owners, groups: Mapping[str, Sequence[str]]) -> tuple[list[Owner], list[str]]:
    """Return each address with its hosts, and a line for each name that the inventory does not have."""
    hosts: dict[str, set[str]] = {}
    addresses: dict[str, Address] = {}
    everybody = {name for members in groups.values() for name in members}
    for name, told in owners.items() if groups else ():
        for address in told:
            addresses.setdefault(address.addr_spec, address)
            hosts.setdefault(address.addr_spec, set()).update(groups.get(name, [name] if name in everybody else []))
    unknown = [name for name in owners if groups and name not in groups and name not in everybody]
    lines = [f"owners_file: {name!a} is neither a group nor a host of the inventory" for name in unknown]
    return [Owner(address, frozenset(hosts[spec])) for spec, address in addresses.items()], lines


def write_letters(
    run: Run, record: str, settings: Settings, history: History, owners: Iterable[Owner]
) -> Iterator[Letter]:
    """Return the mails of a finished run; none for those who want to hear of failures alone where there is none."""
    if _is_wanted(make_page(run, record, history), settings, history, TEAM, run.finished):
        yield Letter("mail.eml", write_mail(run, settings, history, record), _list_specs(settings.mail_to), TEAM)
    team = _list_specs(settings.mail_to)
    for place, owner in enumerate((one for one in owners if one.address.addr_spec not in team), 1):
        spec, own = owner.address.addr_spec, narrow(run, owner.hosts)
        if own.clients and _is_wanted(make_page(own, "", history), settings, history, spec, run.finished):
            mail = write_mail(own, replace(settings, mail_to=(owner.address,)), history, "", f".{place}")
            yield Letter(f"owner-{place}.eml", mail, (spec,), spec)


def write_mail(run: Run, settings: Settings, history: History, record: str, mark: str = "") -> EmailMessage:
    """Return a mail that is short enough to be read: of a large run with examples and counts."""
    for limits in BRIEF:
        page = make_page(run, record, history, limits)
        mail = make_message(run, settings, render_text(page), render_html(page), mark)
        if len(mail.as_bytes()) <= LARGEST:
            break
    return mail


def narrow(run: Run, hosts: frozenset[str]) -> Run:
    """Return what a run is to the owner of some hosts: no name, no number and no trouble of others."""
    absent = tuple(one for one in run.roll.absent if one.client in hosts) if run.roll else ()
    return replace(
        run,
        clients=tuple(_hide_server(client) for client in run.clients if client.name in hosts),
        problems=(),
        unheard=(),
        waiting=(),
        roll=Roll(absent) if absent else None,
        version="",
        nas=None,
    )


def _hide_server(client: Client) -> Client:
    """The ledger's head counts the entries of all, and what its copy lacks names others."""
    return replace(client, session=replace(client.session, ledger=None)) if client.session else client


def _is_wanted(page: Page, settings: Settings, history: History, whom: str, now: str) -> bool:
    return (
        not settings.failures_only or page.is_urgent or _is_overdue(history.told.get(whom, ""), now, settings.mail_days)
    )


def _is_overdue(told: str, now: str, days: int) -> bool:
    """Whether nobody heard anything for so many days of the calendar: a run ends at another minute each night.

    A mail that is yet to come was sent by a clock that was wrong.
    """
    if not told:
        return True
    return not 0 <= (datetime.fromisoformat(now).date() - datetime.fromisoformat(told).date()).days < days


def _list_specs(addresses: Iterable[Address]) -> tuple[str, ...]:
    return tuple(address.addr_spec for address in addresses)
