# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the server and of each client, from the files that the role backup_server writes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import find_config_dir
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name

SCHEMA = 1
_LIMIT = 64 * 1024
_Config = TypeVar("_Config", "ServerConfig", "ClientConfig")


class ConfigError(Exception):
    """A file is missing, or the role would not have written it so; the message is one line."""


@dataclass(frozen=True)
class ServerConfig:
    """``server.json``. Timeouts are seconds; ``slots`` bounds the sessions of all runs together.

    ``sshd_config`` is for the transport ssh, empty where no client has it. After ``rehearsal_days`` without one, a
    rehearsal is overdue; 0 for never. ``page_dir`` and ``metrics_dir`` get what `_page` writes, and empty means none.
    ``watches`` may ask this server what it saw, each with ``name`` and public ``key``.
    """

    slots: int
    login_user: str
    ssh_command: str
    identity_file: str
    python: str
    lib_dir: str
    state_dir: str
    run_dir: str
    log_dir: str
    repository_root: str
    require_mount: bool
    host_id: str
    log_keep: int
    connect_timeout: int
    idle_timeout: int
    total_timeout: int
    close_timeout: int
    sshd_config: str = ""
    rehearsal_days: int = 90
    page_dir: str = ""
    metrics_dir: str = ""
    watches: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ClientConfig:
    """``clients/<client>.json``. ``quota`` and ``trim_max_bytes`` are bytes; timeouts, where set, replace the server's.

    ``keyholder`` is the client that performs ``maintain`` in this one's stead; ``retention`` are rules for
    `_retention.rules.parse_rules`; ``hold_days`` must pass between trim and compaction; ``check_seconds`` is what one
    maintenance may spend on checking, 0 for none; ``compression`` is what the client was told to use.
    The ``shrink_…`` fields are those of `_retention.band.Band`; ``sources`` is a fingerprint of what the client saves,
    ``listed`` one of what the inventory said of that.
    ``anomaly_sessions`` are the normal backups after which an anomaly is over; until ``expect_change_until``, a date
    such as 2026-12-01, none is looked for.
    ``proxy_jump`` is a host between, with ``host``, ``port`` and ``user``.
    ``escrow_recipients`` are those for whom its escrow should be, each with ``holder`` and ``recipient``.
    ``schedule`` are the rules of its turns (docs/runner.md), for whoever watches whether it is backed up in time.
    """

    client: str
    host: str
    port: int
    user: str
    transport: str
    remote_dir: str
    listen_port: int
    repository: str
    repository_user: str
    known_hosts_file: str
    quota: int | None = None
    retention: dict[str, Any] | None = None
    time_zone: str = "UTC"
    hold_days: int = 14
    check_seconds: int = 600
    trim_max_objects: int | None = None
    trim_max_bytes: int | None = None
    compression: str = ""
    shrink_percent: int = 50
    shrink_min_files: int = 20
    shrink_min_bytes: int = 1024 * 1024
    shrink_archives: int = 400
    sources: str = ""
    listed: str = ""
    anomaly_sessions: int = 5
    expect_change_until: str = ""
    connect_timeout: int | None = None
    idle_timeout: int | None = None
    total_timeout: int | None = None
    keyholder: str | None = None
    proxy_jump: dict[str, Any] | None = None
    escrow_recipients: list[dict[str, str]] = field(default_factory=list)
    schedule: dict[str, Any] | None = None


def load_server(config_dir: str) -> ServerConfig:
    """Read ``<config_dir>/server.json``; ConfigError if this machine is not a provisioned server."""
    path = os.path.join(find_config_dir(config_dir), "server.json")
    return _load(ServerConfig, path, "this machine is not a provisioned server")


def list_clients(config_dir: str) -> list[str]:
    """Return the names of the clients that are provisioned on this server; ConfigError if they cannot be listed."""
    path = os.path.join(find_config_dir(config_dir), "clients")
    try:
        names = [name.removesuffix(".json") for name in os.listdir(path) if name.endswith(".json")]
    except OSError as error:
        raise ConfigError(f"cannot list {path}: {error.strerror}") from None
    return sorted(filter(valid_client_name, names))


def load_client(config_dir: str, client: str) -> ClientConfig:
    """Read ``<config_dir>/clients/<client>.json``; the caller has validated the name."""
    path = os.path.join(find_config_dir(config_dir), "clients", client + ".json")
    config = _load(ClientConfig, path, f"client {client} is not provisioned on this server")
    if config.client != client or config.transport not in ("socket", "ssh") or not _is_jump(config.proxy_jump):
        raise ConfigError(f"{path} does not describe client {client}: run site.yml for it again")
    return config


def _is_jump(jump: Mapping[str, Any] | None) -> bool:
    """Tell whether this names a host to jump through, with ``host``, ``port`` and ``user``, or none."""
    shape = {"host": str, "port": int, "user": str}
    return jump is None or {name: type(value) for name, value in jump.items()} == shape


def load_peer(config_dir: str, client: ClientConfig) -> ClientConfig:
    """Return the configuration of the host that works for the client: its keyholder, or itself if it has none."""
    if client.keyholder is None:
        return client
    if not valid_client_name(client.keyholder) or client.keyholder == client.client:
        raise ConfigError(f"{client.client} has no valid keyholder: run site.yml for it again")
    return load_client(config_dir, client.keyholder)


def _load(kind: type[_Config], path: str, absent: str) -> _Config:
    try:
        with open(path, "rb") as handle:
            content = json.loads(handle.read(_LIMIT))
    except FileNotFoundError:
        raise ConfigError(f"{absent}: run site.yml for it (no {path})") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    return _build(kind, path, content)


def _build(kind: type[_Config], path: str, content: Any) -> _Config:
    if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
        raise ConfigError(f"{path} is not of schema {SCHEMA}: run site.yml again")
    present = [field for field in fields(kind) if field.name in content]
    values = {field.name: content[field.name] for field in present}
    wrong = [field.name for field in present if not _fits(values[field.name], str(field.type))]
    if wrong:
        raise ConfigError(f"{path}: {wrong[0]} is of the wrong type: run site.yml again")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{path}: {error}: run site.yml again") from None


def _fits(value: object, annotation: str) -> bool:
    """Tell whether a value fits its field, by the annotation's text, which is what a dataclass keeps of it here."""
    names = [part.split("[")[0] for part in annotation.split(" | ")]
    return ("None" if value is None else type(value).__name__) in names
