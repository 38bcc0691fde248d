# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verb's work between the hooks of hooks.d: whatever ends it, those that were begun come to their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.hooks import Hook
from paranoid_dispatcher.owner import HOOKS
from paranoid_dispatcher.owner_hooks import OwnerHooks, explain_start, find_hooks, hook_environment
from paranoid_dispatcher.process import run_hook
from paranoid_dispatcher.toolbox import Toolbox

Record = dict[str, Any]


def work_between_hooks(tools: Toolbox, operation: str, work: Callable[[OwnerHooks], Record]) -> Record:
    """Return what WORK returns; Failed if it fails or a hook does, with what the work has told."""
    directory = tools.config.owner_dir
    if not directory:
        return work(OwnerHooks())
    found = find_hooks(Path(directory) / HOOKS)
    tools.owner.hooks = tuple(path.name for path in found.hooks)
    tools.owner.skipped += found.skipped
    hooks = OwnerHooks(found, operation, lambda hook, told: _run(tools, hook, told), _remembering(tools))
    try:
        hooks.begin()
        result = work(hooks)
    except Failed as exc:
        raise Failed("; ".join([str(exc), *hooks.end(str(exc))]), exc.told) from exc
    except BaseException as exc:
        hooks.end(repr(exc))
        raise
    failures = hooks.end("")
    if failures:
        raise Failed("; ".join(failures), result)
    return result


def _remembering(tools: Toolbox) -> Callable[[Any, Any], None]:
    return lambda owed, failures: tools.journal.write(owed, failures, part=HOOKS)


def _run(tools: Toolbox, hook: Hook, told: Mapping[str, str]) -> str:
    """Run one; return what is wrong with it, as a sentence."""
    seconds = tools.config.hook_seconds
    environment = {**hook_environment(tools.config.client), **told}
    tools.note(f"its {hook}", seconds)
    try:
        failure = run_hook(hook, environment, seconds, tools.link)
    except OSError as exc:
        return explain_start(hook, exc)
    finally:
        tools.note("", 0)
    return f"the {hook} {failure}" if failure else ""
