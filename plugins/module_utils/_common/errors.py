# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a session, or work on a repository, did not come to its end: a code and one line for a person."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import (
    Alarm,
    alarm_line,
    frozen_line,
)

CODES = (
    "not_provisioned",
    "locked",
    "no_slot",
    "not_mounted",
    "repository_missing",
    "wrong_repository",
    "rebuilding",
    "unknown_host",
    "unreachable",
    "host_key_changed",
    "key_refused",
    "tunnel_refused",
    "no_dispatcher",
    "connection_lost",
    "connect_timeout",
    "idle_timeout",
    "total_timeout",
    "close_timeout",
    "bad_result",
    "client_failed",
    "switched_off",
    "source_refused",
    "incomplete",
    "source_unmounted",
    "source_emptied",
    "shrunk",
    "no_archive",
    "quota",
    "disk_full",
    "refused",
    "alarm",
    "frozen",
    "check_failed",
    "archives_missing",
    "fail_fast",
    "server_error",
)


class SessionError(Exception):
    """The session cannot go on. ``code`` is one of CODES, the message is one line for a person.

    ``alarm`` is what lies behind the codes ``alarm`` and ``frozen``.
    """

    def __init__(self, code: str, reason: str, alarm: Alarm | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.alarm = alarm


def alarm_error(alarm: Alarm) -> SessionError:
    """Return the error for an alarm that is raised now."""
    return SessionError("alarm", alarm_line(alarm), alarm)


def frozen_error(alarm: Alarm) -> SessionError:
    """Return the error for what is refused because of an earlier alarm."""
    return SessionError("frozen", frozen_line(alarm, alarm.since), alarm)
