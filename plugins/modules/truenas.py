#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one thing of a TrueNAS as it is desired."""

from __future__ import annotations

DOCUMENTATION = r"""
module: truenas
short_description: Make a dataset, task, user, app, container or jail of a TrueNAS as desired
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Asks the middleware of TrueNAS by C(midclt call) on the NAS itself, from CORE 13 to 27. Run it there, as root.
  - It reads what is there, sets what differs, and starts what should run. Nothing is ever deleted.
  - A version, a method or a field that is not known is an error that names both.
  - A dataset that is there and was not made for O(mark), that is locked or read-only, or whose writes are not
    synchronous, fails the task.
options:
  kind:
    description: What it is.
    type: str
    required: true
    choices:
      - dataset
      - snapshot_task
      - replication
      - scrub
      - cronjob
      - group
      - user
      - app
      - instance
      - container
      - jail
  name:
    description:
      - By which it is found. For a snapshot task its dataset, for a scrub its pool, for a cron job its description.
    type: str
    required: true
  fields:
    description: The fields of the middleware's own call that makes it, as O(kind) has them.
    type: dict
    default: {}
  mark:
    description: For whom a dataset is; it carries this as C(paranoid.backup:for), on CORE as its comment.
    type: str
    default: ""
  adopt:
    description: Take over a dataset that exists and has no mark.
    type: bool
    default: false
  running:
    description: Whether an app, an instance, a container or a jail should run. Without it that is left as it is.
    type: bool
  mounts:
    description:
      - Directories of the NAS that an instance, a container or a jail sees. One that is missing is added while it is
        stopped; none is taken away.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: The directory on the NAS.
        type: path
        required: true
      target:
        description: Where it is inside.
        type: path
        required: true
  patience:
    description: Seconds that a job may take.
    type: int
    default: 3600
attributes:
  check_mode:
    support: full
    description: Reports what would change.
  diff_mode:
    support: full
    description: Shows the fields that change.
  idempotent:
    support: full
    description: What is already as desired is not touched.
"""

EXAMPLES = r"""
- name: Make a dataset of a client
  paranoid.backup.truenas:
    kind: dataset
    name: tank/backup/web1
    mark: client web1
    fields: {refquota: 500G, quota: 1500G, compression: "OFF", recordsize: 1M, atime: "OFF", exec: "OFF"}

- name: Have a container run, with the newest image when it is made
  paranoid.backup.truenas:
    kind: container
    name: vault
    fields: {pool: tank, image: {name: debian/bookworm, version: "20261101_05:24"}, autostart: true}
    running: true
"""

RETURN = r"""
version:
  description: The version of the API that was spoken.
  returned: success
  type: str
  sample: "25.10"
entry:
  description: What it is now. In check mode what it was, null if it is not there.
  returned: success
  type: dict
  sample: {"id": "tank/backup/web1"}
"""

from collections.abc import Mapping
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import MARK, DatasetError
from ansible_collections.paranoid.backup.plugins.module_utils._nas.midclt import Api, TrueNasError
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_kinds import (
    KINDS,
    Kind,
    actual_value,
    check_fields,
    create_arguments,
    desired_value,
    update_arguments,
)
from ansible_collections.paranoid.backup.plugins.module_utils._nas.truenas_mounts import ADD, LIST, missing_mounts

Entry = Optional[dict[str, Any]]
MOUNT = {"source": {"type": "path", "required": True}, "target": {"type": "path", "required": True}}


class Thing:
    """One thing of a NAS, as it is desired."""

    def __init__(self, api: Api, kind: str, name: str, fields: dict[str, Any], mark: str, adopt: bool = False) -> None:
        self.api, self.kind, self.name, self.mark, self.adopt = api, kind, name, mark, adopt
        self.fields = {**fields, **self._mark_fields()}
        self.row: Kind = check_fields(kind, self.fields, api.version)

    def _mark_fields(self) -> dict[str, Any]:
        if not self.mark:
            return {}
        return {"comments": self.mark} if self.api.version == "13" else {"user_properties": {MARK: self.mark}}

    def find(self) -> Entry:
        """Return what is there; TrueNasError if it cannot be told, or is somebody else's."""
        filters = [[self.row.identity, "=", self.name]]
        filters += [[name, "=", self.fields[name]] for name in self.row.also]
        options = [{"extra": {"retrieve_children": False, "flat": True}}] if self.kind == "dataset" else []
        found = self.api.call(f"{self.row.methods}.query", filters, *options)
        if not isinstance(found, list) or len(found) > 1:
            raise TrueNasError(f"{self.kind} {self.name}: TrueNAS {self.api.version} answered {str(found)[:80]!r}")
        if found and self.kind == "dataset":
            self._refuse(found[0])
        if not found and self.kind == "dataset" and "sync" not in self.fields:
            self._refuse_lossy_parent(self.name.rpartition("/")[0])
        if found and self.kind == "app":
            found[0]["custom_compose_config"] = self.api.call("app.config", self.name)
            self._refuse_other_app(found[0])
        return found[0] if found else None

    def _refuse_lossy_parent(self, parent: str) -> None:
        """A new one inherits from the nearest dataset above that exists."""
        options = {"extra": {"retrieve_children": False, "flat": True}}
        found = self.api.call("pool.dataset.query", [["id", "=", parent]], options) if parent else []
        if found:
            self._refuse_lossy(found[0])
        elif parent:
            self._refuse_lossy_parent(parent.rpartition("/")[0])

    def _refuse_other_app(self, entry: dict[str, Any]) -> None:
        """An app of somebody else has other services, and an update would replace them."""
        there, wanted = (
            set((config or {}).get("services") or ())
            for config in (entry["custom_compose_config"], self.fields.get("custom_compose_config"))
        )
        if there and wanted and not there & wanted:
            raise TrueNasError(f"app {self.name} exists, and is of {', '.join(sorted(there))}: choose another name")

    def _refuse(self, entry: dict[str, Any]) -> None:
        self._refuse_lossy(entry)
        found = self._found_mark(entry)
        if self.mark and found != self.mark and (found or not self.adopt):
            where = f"its comment to {self.mark!r}" if self.api.version == "13" else MARK
            raise TrueNasError(f"{self.name} exists and was not made for {self.mark}: choose another, or set {where}")
        if entry.get("locked"):
            raise TrueNasError(f"{self.name} is locked: unlock it, as nothing would be written into it")
        if "readonly" not in self.fields and actual_value(self.kind, "readonly", entry, None) == "ON":
            raise TrueNasError(f"{self.name} is read-only: set readonly to OFF")

    def _refuse_lossy(self, entry: dict[str, Any]) -> None:
        sync = entry.get("sync") or {}
        if str(sync.get("value")).upper() == "DISABLED":
            of = "" if entry["id"] == self.name else f" by {entry['id']}"
            where = f"sync is {sync.get('source', 'LOCAL').lower()}{of}"
            raise TrueNasError(f"{self.name} has sync=DISABLED ({where}): a power cut loses what was acknowledged")

    def _found_mark(self, entry: dict[str, Any]) -> str:
        """Return for whom it is; a mark that came down from the dataset above says nothing of this one."""
        known = entry.get("user_properties") or {}
        found = (entry.get("comments") if self.api.version == "13" else known.get(MARK)) or {}
        return "" if found.get("source") == "INHERITED" else str(found.get("value") or "")

    def drift(self, entry: Entry) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ: as they are, and as they should be."""
        found = {}
        for name, wanted in self.fields.items():
            if entry is not None and self.row.fields[name].fixed:
                continue
            value = desired_value(self.kind, name, wanted)
            actual = actual_value(self.kind, name, entry, value) if entry is not None else None
            if actual != value:
                found[name] = (actual, value)
        return found

    def apply(self, entry: Entry, drift: dict[str, tuple[Any, Any]]) -> None:
        """Make it, or set what differs."""
        if entry is None:
            self._call("create", create_arguments(self.kind, self._made_name(), self.fields))
        elif drift:
            changed = {name: self.fields[name] for name in drift}
            self._call("update", entry[self.row.key], update_arguments(self.kind, changed))

    def _made_name(self) -> Any:
        if self.kind != "scrub":
            return self.name
        pools = self.api.call("pool.query", [["name", "=", self.name]])
        if not pools:
            raise TrueNasError(f"there is no pool {self.name}")
        return pools[0]["id"]

    def runs(self, entry: Entry) -> bool:
        """Whether it runs."""
        state = (entry or {}).get("state")
        status = (entry or {}).get("status")  # containers of 26 say it there
        word = status.get("state") if isinstance(status, dict) else status or state
        return word in self.row.running

    def run(self, entry: dict[str, Any], running: bool) -> None:
        """Start or stop it."""
        if running:
            self._call("start", entry[self.row.key])
            return
        options: dict[str, dict[str, Any]] = {"instance": {"timeout": 60}, "container": {"force_after_timeout": True}}
        self._call("stop", entry[self.row.key], *([options[self.kind]] if self.kind in options else []))

    def mount(self, entry: Entry, mounts: list[tuple[str, str]]) -> Entry:
        """Add mounts while it is stopped; inside, they would be seen after its next start only."""
        if not mounts or entry is None:
            return entry
        if self.runs(entry):
            self.run(entry, False)
        for one in mounts:
            ADD[self.kind](self.api, entry, one)
        return self.find()

    def have_run(self, entry: Entry, running: Optional[bool]) -> Entry:
        """Start or stop it if that is desired, and return what it is then."""
        if entry is None or running is None or self.runs(entry) == running:
            return entry
        self.run(entry, running)
        return self.find()

    def _call(self, verb: str, *arguments: Any) -> Any:
        method = f"{self.row.methods}.{verb}"
        return (self.api.job if verb in self.row.jobs else self.api.call)(method, *arguments)


def main() -> None:
    """Make it as desired and report what was not."""
    spec = {
        "kind": {"type": "str", "required": True, "choices": list(KINDS)},
        "name": {"type": "str", "required": True},
        "fields": {"type": "dict", "default": {}},
        "mark": {"type": "str", "default": ""},
        "adopt": {"type": "bool", "default": False},
        "running": {"type": "bool"},
        "mounts": {"type": "list", "elements": "dict", "default": [], "options": MOUNT},
        "patience": {"type": "int", "default": 3600},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    module.get_bin_path("midclt", required=True)
    try:
        result = ensure(module, module.params)
    except (TrueNasError, DatasetError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def ensure(module: AnsibleModule, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the module tells, after all is as WANTED, but in check mode; DatasetError or TrueNasError."""
    api, running = Api(lambda argv: module.run_command(list(argv)), wanted["patience"]), wanted["running"]
    thing = Thing(api, wanted["kind"], wanted["name"], wanted["fields"], wanted["mark"], wanted["adopt"])
    if (running is not None and not thing.row.running) or (wanted["mounts"] and wanted["kind"] not in LIST):
        raise TrueNasError(f"kind {wanted['kind']} has no {'mounts' if wanted['mounts'] else 'running'}: leave it out")
    if "create" in thing.row.jobs:
        api.finish_running(f"{thing.row.methods}.create")  # of a run that was killed
    entry = thing.find()
    drift, created = thing.drift(entry), entry is None
    places = [(one["source"], one["target"]) for one in wanted["mounts"]]
    mounts = missing_mounts(api, wanted["kind"], entry, places)
    running = thing.runs(entry) if running is None and mounts and entry else running  # It is stopped for them.
    switched = running is not None and thing.runs(entry) != running
    if not module.check_mode:
        thing.apply(entry, drift)
        entry = thing.find() if drift or created else entry
        entry = thing.mount(entry, mounts)
        entry = thing.have_run(entry, running)
    texts = [{name: pair[side] for name, pair in drift.items()} for side in (0, 1)]
    shown = {"diff": {"before": texts[0], "after": texts[1]}} if module._diff else {}
    changed = bool(drift or mounts) or switched or created
    return {"changed": changed, "version": api.version, "entry": entry, **shown}


if __name__ == "__main__":
    main()
