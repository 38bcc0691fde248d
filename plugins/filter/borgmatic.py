# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for borgmatic.yaml: which options a user may set beside the role's, and JSON that is YAML as well.

The tables hold every option of borgmatic's schema (2.1.10); a test compares them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

# Refused whatever their value is: what each does, and what to use instead.
_TUNNEL = "would take the backup out of the server's tunnel; the role sets it"
_PLACE = "moves what Borg and borgmatic remember away from where the dispatcher looks; the role sets it"
_SECRET = "would replace the passphrase that the client made for itself and that was escrowed; the role sets it"
_OUTPUT = "mixes text into the output by which the dispatcher knows what was made; the session's log has it"
_OLD_HOOK = "is the old form of a hook; use backup_client_commands"
_PRUNES = "has no effect, for the server decides what is kept; use backup_client_retention"
_ADDS_UP = "would replace the list that adds up from groups and hosts; use {}, or {}_<anything>"
_NAMES = "changes the names by which archives are found again; the role sets it"
_SNAPSHOTS = "mounts snapshots below what is always left out, so they would be empty; use backup_client_commands"
_UNSAFE = "would have Borg accept a repository that is not the one it knows; nothing replaces it"

_ALWAYS: dict[str, str] = {
    **dict.fromkeys(["repositories", "local_path", "remote_path", "ssh_command"], _TUNNEL),
    **dict.fromkeys(
        ["encryption_passcommand", "encryption_passphrase", "borg_key_file", "borg_keys_directory"], _SECRET
    ),
    **dict.fromkeys(
        ["borg_base_directory", "borg_cache_directory", "borg_config_directory", "borg_security_directory"], _PLACE
    ),
    **dict.fromkeys(["borgmatic_source_directory", "user_runtime_directory", "user_state_directory"], _PLACE),
    **dict.fromkeys(["archive_name_format", "match_archives", "prefix"], _NAMES),
    **dict.fromkeys([f"before_{when}" for when in ("actions", "backup", "check", "compact")], _OLD_HOOK),
    **dict.fromkeys([f"before_{when}" for when in ("everything", "extract", "prune")], _OLD_HOOK),
    **dict.fromkeys([f"after_{when}" for when in ("actions", "backup", "check", "compact")], _OLD_HOOK),
    **dict.fromkeys([f"after_{when}" for when in ("everything", "extract", "prune")], _OLD_HOOK),
    "on_error": _OLD_HOOK,
    **dict.fromkeys(
        [f"keep_{unit}" for unit in ("within", "secondly", "minutely", "hourly", "daily", "weekly")], _PRUNES
    ),
    **dict.fromkeys([f"keep_{unit}" for unit in ("monthly", "yearly", "13weekly", "3monthly")], _PRUNES),
    "compact_threshold": "has no effect, for the server compacts; use playbooks/compact.yml",
    **{
        option: _ADDS_UP.format(variable, variable)
        for option, variable in {
            "source_directories": "backup_client_sources",
            "exclude_patterns": "backup_client_excludes",
            "exclude_if_present": "backup_client_exclude_if_present",
            "commands": "backup_client_commands",
            "postgresql_databases": "backup_client_postgresql_databases",
            "mysql_databases": "backup_client_mysql_databases",
            "mariadb_databases": "backup_client_mariadb_databases",
            "mongodb_databases": "backup_client_mongodb_databases",
            "sqlite_databases": "backup_client_sqlite_databases",
        }.items()
    },
    **dict.fromkeys(["lvm", "zfs"], _SNAPSHOTS),
    "patterns": "can leave out or add sources unseen; use backup_client_sources and backup_client_excludes",
    "patterns_from": "can leave out or add sources unseen; use backup_client_sources and backup_client_excludes",
    "exclude_from": "leaves out what a file on the client says; use backup_client_excludes",
    "exclude_caches": "is what backup_client_exclude_caches sets",
    "checks": "is what backup_client_checks sets",
    "check_repositories": "names repositories, and there is one; leave it out",
    "skip_actions": "would let borgmatic prune, or skip the backup itself; the role sets it",
    "borg_exit_codes": "could turn a failure into a success; nothing replaces it",
    "extra_borg_options": "hands Borg options that nobody checks; use the option of borgmatic that does the same",
    "constants": "replaces words in every other value, those of the role as well; use variables of Ansible",
    "umask": "could open Borg's files to others; a command of backup_client_commands can set its own",
    "unsafe_skip_path_validation_before_create": "is set by the role where it is safe; leave it out",
    "verbosity": "writes commands with their secrets into the log that the server keeps; leave it out",
    "log_json": "changes the log that the dispatcher reads; leave it out",
    "checkpoint_volume": "needs Borg 2; use checkpoint_interval",
    "recompress": "has no effect, for no verb of the server rewrites archives; leave it out",
}

# Allowed with the value that is borgmatic's default, refused with any other.
_UNLESS: dict[str, tuple[tuple[Any, ...], str]] = {
    "source_directories_must_exist": (
        (True,),
        "false would leave out a source that is not there, and nobody would know",
    ),
    "one_file_system": (
        (False,),
        "would leave out what is mounted below a source, and nobody would know; name it in backup_client_excludes",
    ),
    "read_special": (
        (False,),
        "would have Borg read pipes and devices, some of which never end; use a command that dumps them",
    ),
    "exclude_nodump": (
        (False,),
        "would let any local user take files out of the backup with chattr +d; use backup_client_excludes",
    ),
    "retries": ((0,), "would begin a second archive after a failure; start the run again instead"),
    "retry_wait": ((0,), "goes with retries, which is refused"),
    "progress": ((False,), _OUTPUT),
    "list_details": ((False,), _OUTPUT),
    "statistics": ((False, "none"), _OUTPUT),
    "quick_statistics": ((False,), _OUTPUT),
    "color": ((False,), _OUTPUT),
    "default_actions": ((True,), "would have borgmatic print its help where it should work"),
    "debug_passphrase": (
        (False,),
        "would write the passphrase into the log that the server keeps; read it on the client",
    ),
    "display_passphrase": (
        (False,),
        "would write the passphrase into the log that the server keeps; read it on the client",
    ),
    "relocated_repo_access_is_ok": ((False,), _UNSAFE),
    "unknown_unencrypted_repo_access_is_ok": ((False,), _UNSAFE),
    "check_i_know_what_i_am_doing": ((False,), "is for repairs, which no verb of the server does; leave it out"),
    "msgpack_version_check": ((True,), "would run Borg with a library that it was not tested with"),
}

_BY_SIZE = "by size alone would take a changed file for unchanged, and save what it was; name ctime or mtime, too"

_ALLOWED = frozenset(
    (
        *("apprise", "archive_hostname", "archive_username", "atime", "birthtime", "bootstrap", "borg_files_cache_ttl"),
        *("btrfs", "check_last", "checkpoint_interval", "chunker_params", "compression", "container", "cronitor"),
        *("ctime", "files_cache", "files_changed", "file_list_format", "archive_list_format", "flags", "healthchecks"),
        *("influxdb_databases", "keepassxc", "keep_exclude_tags", "lock_wait", "log_file", "log_file_format"),
        *("log_file_verbosity", "loki", "monitoring_verbosity", "ntfy", "numeric_ids", "onepassword"),
        *(
            "openldap_databases",
            "pagerduty",
            "pushover",
            "sentry",
            "syslog_verbosity",
            "systemd",
            "temporary_directory",
        ),
        *("upload_buffer_size", "upload_rate_limit", "uptime_kuma", "use_chunks_archive", "watchgoose"),
        *("working_directory", "zabbix"),
    )
)

# What borgmatic takes for a variable of its environment (borgmatic/config/environment.py), within one text of JSON. A
# backslash before it says that it is none.
_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+(:?-(?:[^}\"\\]|\\.)+)?\}")
# An escaped pair that stands for one character, any other escape, and a character that YAML 1.2 does not take as it is.
_ESCAPES = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\.|\x7f", re.IGNORECASE)


def _refused_options(extra: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each option of EXTRA that the role does not take; none quotes a value."""
    return [sentence for option in extra if (sentence := _refusal(str(option), extra[option]))]


def _refusal(option: str, value: Any) -> str:
    if option in _ALWAYS:
        return f"{option} {_ALWAYS[option]}"
    if option in _UNLESS:
        harmless, sentence = _UNLESS[option]
        same = any(type(value) is type(one) and value == one for one in harmless)
        return "" if same else f"{option} {sentence}"
    if option == "files_cache" and str(value).strip() == "size":
        return f"{option} {_BY_SIZE}"
    if option in _ALLOWED:
        return ""
    near = difflib.get_close_matches(option, _ALLOWED, 1)
    return f"{option} is no option of borgmatic" + (f", {near[0]} is" if near else "")


def _json_in_yaml(text: str) -> str:
    """Return JSON text so that YAML reads the same.

    In YAML an escape stands for one character: a pair that stands for one in JSON would be read as two halves.
    """
    return _ESCAPES.sub(_readable, text)


def _keep_variables(text: str) -> str:
    """Return JSON text in which borgmatic replaces no ``${NAME}``: a shell or a database gets what was written."""
    return _VARIABLE.sub(r"\\\\\g<0>", text)


def _readable(match: re.Match[str]) -> str:
    if match[1]:
        return bytes.fromhex(match[1] + match[2]).decode("utf-16-be")
    return r"\u007f" if match[0] == "\x7f" else match[0]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"refused_options": _refused_options, "json_in_yaml": _json_in_yaml, "keep_variables": _keep_variables}
