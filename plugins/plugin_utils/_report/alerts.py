# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before everything else in a report: alarms, and clients that an earlier alarm has frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import (
    alarm_from_words,
    alarm_sentence,
    frozen_line,
    frozen_sentence,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    format_number,
    format_times,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.failures import Limits


@dataclass(frozen=True, slots=True)
class Alert:
    """An alarm, or a client that an earlier one has frozen; ``kind`` is ALARM or FROZEN, ``client`` is whose."""

    kind: str
    sentence: str
    findings: tuple[str, ...]
    client: str


def list_alerts(run: Run, limits: Limits) -> tuple[Alert, ...]:
    """Return alarms first, then frozen clients; each client once, however many works told the same."""
    alarms = {client.name: _alarm(client) for client in run.clients if client.has_alarm}
    frozen = {
        client.name: Alert("FROZEN", _why_frozen(client), (), client.name)
        for client in run.clients
        if client.session and (client.is_frozen or client.session.frozen) and client.name not in alarms
    }
    return (*_bounded("ALARM", alarms, limits), *_bounded("FROZEN", frozen, limits))


def is_told_by_alerts(client: Client) -> bool:
    """Whether the alerts have said everything about a failure."""
    session = client.session
    return client.is_frozen or (
        client.has_alarm and session is not None and not session.gate.refused and not session.log
    )


def _bounded(kind: str, alerts: Mapping[str, Alert], limits: Limits) -> tuple[Alert, ...]:
    rest = list(alerts)[limits.alerts :]
    count = f"{format_number(len(rest))} more clients"
    chosen = list(alerts.values())[: limits.alerts]
    shown = (replace(one, findings=one.findings[: limits.lines]) for one in chosen)
    more = (Alert(kind, f"{count}: {join_names(rest)}", (), count),) if rest else ()
    return (*shown, *more)


def _why_frozen(client: Client) -> str:
    """Return what a refusal means, or why a client is frozen whose backup went on."""
    session = client.session
    alarm = (session.alarm or session.frozen) if session else None
    if session is None or alarm is None:
        return session.reason if session else client.name
    alarm = replace(alarm, client=client.name)
    return frozen_line(alarm, format_times(alarm.since)) if client.is_frozen else frozen_sentence(alarm)


def _alarm(client: Client) -> Alert:
    session = client.session
    if session and session.audit and session.audit.findings:
        return Alert("ALARM", f"{client.name}'s repository is not as it was left", session.audit.findings, client.name)
    if session is None:
        return Alert("ALARM", client.name, (), client.name)
    alarm = session.alarm or alarm_from_words(client.name, session.reason)
    return Alert("ALARM", alarm_sentence(replace(alarm, client=client.name)), (), client.name)
