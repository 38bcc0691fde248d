# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: stopped before their files come, enabled and started after that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from paranoid_rebuild.running import Runner

# Started before their dumps come back, and before what asks them.
DATABASES = ("postgresql", "mysql", "mariadb", "mongod", "mongodb", "redis", "slapd")
_STARTED = (".service", ".socket", ".timer")


def stop(units: Iterable[str], runner: Runner) -> None:
    """Stop what runs, so that nothing holds or writes files that are about to come; what does not exist is left."""
    running = [unit for unit in units if not runner.run("systemctl", "--quiet", "is-active", unit).code]
    if running:
        runner.run("systemctl", "stop", *running)


def start(units: Sequence[str], runner: Runner) -> list[str]:
    """Enable and start UNITS; return a line for each that could not be."""
    runner.run("systemctl", "daemon-reload")
    failures = []
    for unit in units:
        verbs = ["enable", "start"] if unit.endswith(_STARTED) else ["enable"]
        for verb in verbs:
            done = runner.run("systemctl", verb, unit)
            if done.code:
                failures.append(f"service {unit}: {done.reason}")
                break
    return failures


def list_failed(runner: Runner) -> list[str]:
    """Return a line for each unit that systemd has given up: some services only start others, and know no failure."""
    listed = runner.run("systemctl", "list-units", "--failed", "--no-legend", "--no-pager", "--plain").out.splitlines()
    units = [line.split()[0] for line in listed if line.split()]
    return [f"service {unit}: it has failed, see journalctl -u {unit}" for unit in units]


def is_database(unit: str) -> bool:
    """Tell whether a unit is of a database server."""
    return unit.startswith(DATABASES)
