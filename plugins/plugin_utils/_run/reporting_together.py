# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one report of all runs that left theirs to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible.plugins.loader import callback_loader
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import find_owners
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import load_history
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.merging import merge
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.unheard import find_parts, hold, mark_told
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.observer import make_run, make_run_id
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.publishing import Published, publish
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings, load_settings

_NOBODY = "no run waits for its report: none was started, or another report has told of them"


def load_callback_settings() -> Settings:
    """Return the settings of the callback, as it has them; raises SettingsError."""
    plugin = callback_loader.get("paranoid.backup.report")
    plugin.set_options()
    return load_settings(plugin.get_option)


def report_together(settings: Settings, groups: Mapping[str, Sequence[str]], check: bool) -> Published:
    """Make one record, report and mails of all runs that nobody has heard of; raises OSError.

    ``groups`` are the inventory's, for the owners of hosts.

    A run that died is in it with those of its clients that never ended, which have failed. Nothing to tell is a
    failure as well: it must not pass in silence.
    """
    settings = replace(settings, later=False)
    parts, sentences = find_parts(settings.report_dir)
    whole = replace(make_run(settings, make_run_id(), "report", check), unheard=sentences)
    run = merge(whole, parts)
    owners, unknown = find_owners(settings.owners, groups)
    run = replace(run, problems=(*run.problems, *unknown, *([] if parts else [_NOBODY])))
    history = load_history(settings.report_dir)
    directory = RunDir.create(settings.report_dir, run.run_id)
    directory.begin(run)
    held = hold(directory.path)
    try:
        published = publish(replace(run, finished=stamp()), directory, settings, history, owners)
        _note_told(settings, published.run, [part.run_id for part in parts])
    finally:
        os.close(held)
    return published


def _note_told(settings: Settings, run: Run, parts: list[str]) -> None:
    """Note that nobody waits any more; check mode, which sends no mail, tells of nothing but itself."""
    if run.is_told:
        is_only_tried = run.check and not run.mail.is_away
        mark_told(settings.report_dir, [run.run_id, *([] if is_only_tried else parts)])
