# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the engine, and the session that comes of it: of whom, by which rules, since when."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import boot_name, stamp, this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import is_run_id, valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ConfigError,
    ServerConfig,
    load_client,
    load_peer,
    load_server,
)
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session.conversation import Deadlines
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import LOOK, VERBS, CheckMode, Verb
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Performer


@dataclass(frozen=True)
class Order:
    """What is asked of the engine. Timeouts are seconds and, where None, those of the configuration.

    ``asked_at`` is when, by the controller's clock, seconds since 1970; ``asked_on`` is what its boot is called.
    """

    client: str
    verb: str
    run_id: str = ""
    fail_fast: bool = False
    check: bool = False
    config_dir: str = "/etc/paranoid-backup"
    connect_timeout: int | None = None
    idle_timeout: int | None = None
    total_timeout: int | None = None
    open_for: int = 3600
    delete_unknown: list[str] = field(default_factory=list)
    provisioning: bool = False
    asked_at: float | None = None
    asked_on: str = ""


@dataclass(frozen=True)
class Session:
    """One session to hold. ``peer`` is the host that performs it; ``start`` is of the monotonic clock."""

    order: Order
    verb: Verb
    site: Site
    peer: Site
    blank: Outcome
    start: float

    @property
    def id(self) -> str:
        """The session's id, 32 hexadecimal digits."""
        return self.blank.session

    @property
    def performed(self) -> Verb:
        """The verb that the client is asked for."""
        return LOOK if self.order.check and self.verb.check_mode is CheckMode.LOOK else self.verb

    @property
    def by_keyholder(self) -> bool:
        """Whether another host performs it in the client's stead."""
        return self.peer.name != self.site.name

    @property
    def performer(self) -> Performer:
        """Who performs it, as sentences name it."""
        peer, client = self.peer.client, self.site.name
        name = f"{peer.client} (keyholder of {client})" if self.by_keyholder else client
        return Performer(name, client, peer.host, peer.port, self.order.provisioning, self.site.client.sources)

    @property
    def note(self) -> str:
        """What others read who find the client's lock taken."""
        return f"session {self.id[:8]}, verb {self.verb.name}, since {self.blank.started}"

    @property
    def deadlines(self) -> Deadlines:
        """The order's timeouts, else the client's, else the server's."""
        order, client, server = self.order, self.site.client, self.site.server
        staying = self.verb.stays_open
        return Deadlines(
            connect=order.connect_timeout or client.connect_timeout or server.connect_timeout,
            idle=None if staying else order.idle_timeout or client.idle_timeout or server.idle_timeout,
            total=order.total_timeout or client.total_timeout or server.total_timeout,
            close=server.close_timeout,
            stay=order.open_for if staying else None,
        )

    def end(self, conclusion: Conclusion, **fields: Any) -> Outcome:
        """Return the outcome of a session that ends now."""
        duration = round(time.monotonic() - self.start, 3)
        return replace(self.blank, conclusion=conclusion, finished=stamp(), duration=duration, **fields)


def make_blank(order: Order) -> Outcome:
    """Return the outcome of a session that begins now."""
    session, now = secrets.token_hex(16), this_moment()
    is_witness = order.asked_at is not None and order.asked_on != boot_name()  # Else it is the same clock.
    ahead = now.time.timestamp() - order.asked_at if order.asked_at is not None and is_witness else None
    blank = Outcome(order.client, order.verb, session, order.run_id, Conclusion("ok"), stamp(), "", 0.0)
    return replace(blank, moment=now, ahead=ahead)


def load_session(order: Order, blank: Outcome) -> Session:
    """Return the session of ``order``; SessionError if the server is not provisioned for it."""
    start = time.monotonic()
    if not valid_client_name(order.client) or (order.run_id and not is_run_id(order.run_id)):
        raise SessionError("not_provisioned", "the name of the client or of the run is not a valid name")
    try:
        server = load_server(order.config_dir)
    except ConfigError as error:
        raise SessionError("not_provisioned", str(error)) from None
    verb = VERBS[order.verb]
    try:
        client = load_client(order.config_dir, order.client)
        peer = load_peer(order.config_dir, client) if verb.keyholder_may else client
    except ConfigError as error:
        raise_flag(server, order)
        raise SessionError("not_provisioned", str(error)) from None
    return Session(order, verb, Site(server, client), Site(server, peer), blank, start)


def raise_flag(server: ServerConfig, order: Order) -> None:
    """Show the other sessions of the run that this one failed."""
    if order.run_id:
        os.makedirs(os.path.dirname(_flag(server, order)), mode=0o700, exist_ok=True)
        with open(_flag(server, order), "w", encoding="utf-8") as handle:
            handle.write(order.client + "\n")


def is_called_off(session: Session) -> bool:
    """Tell whether the run stops at its first failure, and has had one."""
    return session.order.fail_fast and os.path.exists(_flag(session.site.server, session.order))


def _flag(server: ServerConfig, order: Order) -> str:
    return os.path.join(server.run_dir, "runs", f"{order.run_id}.failed")
