# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was stored of a file that could not be read to its end is taken back, for no archive needs it.

Borg leaves it. Later archives with the same content would share it, and then no maintenance may delete it: it came with
an archive that stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from borg.archive import ChunksProcessor, FilesystemObjectProcessors
from borg.helpers import BackupError

_create_helper, _write_part_file = FilesystemObjectProcessors.create_helper, ChunksProcessor.write_part_file


class HalfRead:
    """Borg's own functions for one file after the other; the first chunks may be in the archive already, as parts."""

    def __init__(self) -> None:
        self._in_parts = 0

    @contextmanager
    def create_helper(self, processors: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Yield what Borg yields for a file, and take its chunks back if the file is given up."""
        self._in_parts = 0
        with _create_helper(processors, *arguments, **options) as made:
            try:
                yield made
            except BackupError:
                chunks = (made[0].get("chunks") or []) if made[0] is not None else []
                for chunk in chunks[self._in_parts :]:
                    processors.cache.chunk_decref(chunk.id, processors.stats, wait=False)
                raise

    def write_part_file(self, processor: Any, item: Any, *arguments: Any) -> Any:
        """Put what was read so far into the archive."""
        made = _write_part_file(processor, item, *arguments)
        self._in_parts = len(item.chunks)
        return made
