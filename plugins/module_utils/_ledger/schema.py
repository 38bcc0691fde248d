# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the ledger: one append-only table is the truth, SQLite derives the indexes from it."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import GENESIS

VERSION = 1

# An archive counts as arrived when the session was ok and the gate saw a commit with a manifest.
_TABLE = """CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    client TEXT NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    run_id TEXT GENERATED ALWAYS AS (
        CASE WHEN kind = 'session' THEN nullif(json_extract(body, '$.run_id'), '') END
    ) VIRTUAL,
    arrived TEXT GENERATED ALWAYS AS (
        CASE WHEN kind = 'session'
            AND json_extract(body, '$.verb') = 'backup'
            AND json_extract(body, '$.status') = 'ok'
            AND json_extract(body, '$.commits') > 0
            AND json_extract(body, '$.manifests') > 0
        THEN json_extract(body, '$.archive.id') END
    ) VIRTUAL
)"""

_INDEXES = (
    "CREATE INDEX entries_by_client ON entries (client, kind)",
    "CREATE INDEX entries_by_kind ON entries (kind)",
    "CREATE INDEX entries_by_time ON entries (time)",
    "CREATE INDEX sessions_by_run ON entries (run_id) WHERE run_id IS NOT NULL",
    "CREATE INDEX arrivals ON entries (client) WHERE arrived IS NOT NULL",
)

# INSERT OR REPLACE fires no DELETE trigger, so the order of inserts is guarded as well.
_TRIGGERS = (
    """CREATE TRIGGER entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER entries_unchanged BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    f"""CREATE TRIGGER entries_in_order BEFORE INSERT ON entries
    WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM entries)
    OR NEW.previous IS NOT coalesce((SELECT hash FROM entries ORDER BY seq DESC LIMIT 1), '{GENESIS}')
    BEGIN SELECT RAISE(ABORT, 'the ledger only grows at its end'); END""",
)
STATEMENTS = (_TABLE, *_INDEXES, *_TRIGGERS)

LINK = "SELECT seq, time, kind, client, body, previous, hash FROM entries"
INSERT = "INSERT INTO entries (seq, time, kind, client, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
HEAD = "SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1"
NEWEST = LINK + " WHERE client = ? AND kind = ? ORDER BY seq DESC LIMIT 1"
# Without the index by kind, which SQLite would sort whole: the newest entries are looked at, and most are sessions.
CLOCK = LINK + " WHERE +kind IN ('session', 'clock') ORDER BY seq DESC LIMIT 1"
SUCCESS = f"""{LINK} INDEXED BY arrivals WHERE arrived IS NOT NULL AND client = ?
AND json_extract(body, '$.audit') <> 'alarm' ORDER BY seq DESC LIMIT 1"""

# By the client's own index: in the order of seq, SQLite would walk through the entries of all clients. Left out is what
# changes no history: a session without an archive and an anomaly, an audit without an alarm.
HISTORY = f"""{LINK} INDEXED BY entries_by_client WHERE client = ?
AND kind IN ('repository', 'session', 'archive', 'audit', 'trim', 'compaction', 'rollback', 'unfreeze', 'list',
'accept', 'retire')
AND (kind <> 'session' OR coalesce(json_extract(body, '$.archive'), json_extract(body, '$.transaction')) IS NOT NULL
OR json_extract(body, '$.unusual.anomaly'))
AND (kind <> 'audit' OR json_extract(body, '$.verdict') = 'alarm') ORDER BY seq"""

# One seek per client instead of a walk over every entry.
CLIENTS = """WITH RECURSIVE names (client) AS (
    SELECT min(client) FROM entries
    UNION ALL
    SELECT (SELECT min(client) FROM entries WHERE client > names.client) FROM names WHERE names.client IS NOT NULL
) SELECT client FROM names WHERE client IS NOT NULL"""
