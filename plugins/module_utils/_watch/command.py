# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forced command of a watch's key: two words are known, ``since <number>`` and ``witness``, and nothing else.

``since`` prints a document (`answer`) and changes nothing; ``witness`` takes a signed head on standard input.
"""

from __future__ import annotations

import json
import os
import re
import sys

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ConfigError, load_server
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._watch.answer import make_answer
from ansible_collections.paranoid.backup.plugins.module_utils._watch.witness import (
    HANDED_LIMIT,
    WitnessError,
    keep_witness,
)

EXIT_FAILED, EXIT_USAGE = 1, 2
_SINCE = re.compile(r"since (0|[1-9][0-9]{0,17})", re.ASCII)


def main(argv: list[str]) -> int:
    """Answer: the words are the configuration's directory, the watch's name, its question. Return the exit code."""
    config_dir, name, word = argv if len(argv) == 3 else ("", "", "")
    asked = _SINCE.fullmatch(word)
    if not asked and word != "witness":
        sys.stderr.write("a watch asks: since <number>, or witness\n")
        return EXIT_USAGE
    try:
        server = load_server(config_dir)
        with Ledger.read(os.path.join(server.state_dir, NAME)) as ledger:
            if asked:
                sys.stdout.write(json.dumps(make_answer(config_dir, server, ledger, int(asked[1]), utc_now())) + "\n")
            else:
                handed = sys.stdin.buffer.read(HANDED_LIMIT + 1)
                head = keep_witness(server, ledger, name, handed, utc_now()).head
                sys.stdout.write(json.dumps({"schema": 1, "kept": str(head)}) + "\n")
    except (ConfigError, LedgerError, WitnessError, OSError) as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return EXIT_FAILED
    return 0
