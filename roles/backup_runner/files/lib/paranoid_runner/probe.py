# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller has, printed as JSON. A program of its own, like deliver.py: it is run by Ansible's own Python.

Argument: the inventory, empty for the one that ansible.cfg names. It sends no mail, opens no vault and changes nothing.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any

NAME = "paranoid.backup.report"
PACKAGE = "ansible_collections.paranoid.backup.plugins.plugin_utils"
GROUPS = ("backup_servers", "backup_clients", "backup_runners")


def probe(inventory: str) -> dict[str, Any]:
    """Return what is there; ``…_problem`` is one line, empty where there is none."""
    from ansible import constants as found
    from ansible.plugins.loader import init_plugin_loader
    from ansible.release import __version__

    constants: Any = found  # Ansible makes its constants when it is imported.
    init_plugin_loader()
    inventory = inventory or str((constants.DEFAULT_HOST_LIST or [""])[0])
    return {
        "inventory": inventory,
        "core": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "config": constants.CONFIG_FILE or "",
        "is_enabled": NAME in (constants.CALLBACKS_ENABLED or ()),
        "vault": _find_vault_problems(constants),
        **_probe_inventory(inventory),
        **_probe_report(),
    }


def _probe_inventory(inventory: str) -> dict[str, Any]:
    """Return who is in which group. Variables are not read, so no vault is opened."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader

    if not os.path.exists(inventory):
        return {"groups": {}, "inventory_problem": f"the inventory {inventory} is not there"}
    try:
        found = InventoryManager(loader=DataLoader(), sources=[inventory])
        groups = {name: [str(host) for host in found.get_hosts(name)] for name in GROUPS if name in found.groups}
    except Exception as error:  # Whatever an inventory plugin raises.
        return {"groups": {}, "inventory_problem": _one_line(error)}
    return {"groups": groups, "inventory_problem": ""}


def _probe_report() -> dict[str, Any]:
    """Return whether the report can be written and mailed; nothing is sent."""
    from ansible.plugins.loader import callback_loader

    plugin = callback_loader.get(NAME)
    if plugin is None:
        return {"has_collection": False, "report_problem": "", "mail": "", "mail_problem": "", "places": 0}
    found = {"has_collection": True, "report_problem": "", "mail": "", "mail_problem": "", "places": 0}
    try:
        plugin.set_options()
        settings = import_module(f"{PACKAGE}._settings").load_settings(plugin.get_option)
    except Exception as error:
        return {**found, "report_problem": _one_line(error)}
    found["places"] = len(settings.targets)
    found["mail"] = type(settings.transport).__name__.lower() if settings.transport else "none"
    if found["mail"] == "smtp":
        delivery = import_module(f"{PACKAGE}._mail.delivery")
        try:
            delivery.reach(settings.transport)
        except delivery.DeliveryError as error:
            found["mail_problem"] = _one_line(error)
    return found


def _find_vault_problems(constants: Any) -> list[str]:
    """Return one line for each file with a vault's password that cannot be read."""
    entries = [constants.DEFAULT_VAULT_PASSWORD_FILE, *(constants.DEFAULT_VAULT_IDENTITY_LIST or ())]
    paths = [str(entry).rpartition("@")[2] for entry in entries if entry]
    return [
        f"the vault's password file {path} cannot be read"
        for path in dict.fromkeys(paths)
        if path not in ("prompt", "prompt_ask_vault_pass") and not os.access(path, os.R_OK)
    ]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])))
