#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the session engine, on the server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session
short_description: Hold one backup session with a client
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Opens one SSH connection from the backup server to a client, lets the client perform one verb, and receives its data
    through a reverse tunnel in that same connection.
  - It runs on the server, so delegate it there. Where the play runs on the server itself, with a local connection and
    as root, the action plugin of the same name does the same work without starting a module.
  - It reads the client's address, port, transport and repository from the configuration that the role
    P(paranoid.backup.backup_server#role) wrote on the server.
  - It checks form and size of what the client says, and believes a backup only if the server saw it arrive.
options:
  client:
    description: Name of the client, as it was provisioned.
    type: str
    required: true
  verb:
    description:
      - What the client is to do.
      - V(create) makes the repository, and is for provisioning. V(info) proves that tunnel, key and gate work.
      - V(open) keeps a read-only tunnel open for O(open_for) seconds, so that the owner of the client can restore.
      - V(escrow) makes the client encrypt its passphrase and key for its recipients, and send the ciphertext.
      - V(maintain) makes the client, or its keyholder, delete the archives that the client's retention drops, and check
        a portion of the repository. It is refused while the client is frozen.
    type: str
    choices: [create, backup, escrow, info, open, maintain]
    required: true
  run_id:
    description: Names the run that this session belongs to.
    type: str
    default: ""
  fail_fast:
    description: Do not start if an earlier client of the same O(run_id) failed; the result is then V(skipped).
    type: bool
    default: false
  config_dir:
    description: Directory of the server's configuration. The default is V(/usr/local/etc/paranoid-backup) on FreeBSD.
    type: path
    default: /etc/paranoid-backup
  connect_timeout:
    description: Seconds within which the client must begin. If it is not set, the server's configuration decides.
    type: int
  idle_timeout:
    description: Seconds without a byte and without a log line. If it is not set, the server's configuration decides.
    type: int
  total_timeout:
    description: Seconds that the whole session may take. If it is not set, the server's configuration decides.
    type: int
  open_for:
    description: Seconds that V(open) stays open.
    type: int
    default: 3600
  delete_unknown:
    description:
      - Ids of further archives that V(maintain) deletes although the ledger never saw them arrive, such as what an
        interrupted backup left behind. An earlier V(maintain) listed them, as C(unknown) in RV(maintain).
      - An archive that the ledger knows is refused. One that this client does not have is passed over.
    type: list
    elements: str
    default: []
  provisioning:
    description: It is C(site.yml) that asks. What a failure says to do is then something else than to run it.
    type: bool
    default: false
  asked_at:
    description:
      - When the session is asked for, by the controller's clock, in seconds since 1970. The action plugin says it.
      - If that is more than a day off the server's clock, nothing is let go until the two agree, or a person says which
        is right.
    type: float
  asked_on:
    description: What the controller calls its present boot. A machine that booted as the server did has the same clock.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: >-
      Instead of V(backup) it performs V(info), which proves that a backup would get through. V(maintain) returns its
      plan without a connection.
  diff_mode:
    support: none
    description: There is no text that would change.
  idempotent:
    support: partial
    description: V(create), V(info), V(open) and V(maintain) are; a backup is a new archive each time.
"""

EXAMPLES = r"""
- name: Back up one client
  paranoid.backup.session:
    client: "{{ inventory_hostname }}"
    verb: backup
  delegate_to: vault

- name: Prove that the way to the client works
  paranoid.backup.session:
    client: web1
    verb: info
  delegate_to: vault
"""

RETURN = r"""
client:
  description: Name of the client.
  returned: always
  type: str
  sample: web1
verb:
  description: The verb that was asked for.
  returned: always
  type: str
  sample: backup
session:
  description: Id of the session, 32 hexadecimal digits.
  returned: always
  type: str
  sample: 0b7ac9b8f1a54d1ea1b7f1f6c4f4a001
run_id:
  description: Id of the run, as given.
  returned: always
  type: str
  sample: 20261121T063000Z-1a2b3c
status:
  description: V(ok), V(failed) or V(skipped).
  returned: always
  type: str
  sample: ok
code:
  description: A word for the kind of failure, empty when ok.
  returned: always
  type: str
  sample: host_key_changed
reason:
  description: One line for a person, empty when ok.
  returned: always
  type: str
  sample: "192.0.2.7 refused the server's key (Permission denied (publickey).): run site.yml for it"
archive:
  description: The archive that was made, in the client's words; sizes in bytes, duration in seconds.
  returned: always
  type: dict
  sample: {"name": "web1-2026-11-21T06:30:00", "nfiles": 10012, "original_size": 214000000}
info:
  description: What the client said about its repository (V(info), and V(backup) in check mode).
  returned: always
  type: dict
  sample: {"repository_id": "5f0c", "encryption": "repokey-blake2", "last_archive": null}
maintain:
  description: >-
    What V(maintain) did. C(named) and C(deleted) are ids of archives, C(kept) is how many are left; C(missing) are
    those that the repository should hold and does not, C(unknown) those that it holds and the server never saw
    arrive, at most 100; C(found) those of them that came with a backup that failed, and that the ledger knows from now
    on; C(by) is the client that did it, its keyholder where it has one; C(check) is V(ok), V(failed) or V(skipped);
    C(waiting) says why nothing was named; C(plan) gives what goes and, with its reasons, what stays.
  returned: always
  type: dict
  sample: {"named": [], "deleted": [], "kept": 31, "missing": [], "unknown": [], "check": "ok", "waiting": ""}
remarks:
  description: >-
    What Borg and borgmatic warned of, in the client's words, null where it told of nothing. C(count) by kind
    (V(changed), V(vanished), V(unreadable), V(io_error), V(not_supported), V(excluded_by_tag), V(hooks), V(other)), how
    many of them are C(accepted), and C(paths), the first of the others.
  returned: always
  type: dict
  sample: {"changed": {"count": 1, "accepted": 0, "paths": ["/var/log/syslog"]}}
sources:
  description: >-
    What the client said of the sources of a backup, null where it said nothing. C(refused) are lines about those that
    it did not save, or not as they were meant; C(mounts) says of paths whether they lie on a file system of their own,
    C(filled) whether there is anything in them.
  returned: always
  type: dict
  sample: {"refused": [], "mounts": {"/srv/data": true}, "filled": {"/srv/data": true}}
versions:
  description: Which C(borg) and C(borgmatic) the client says that it has, null where it said nothing.
  returned: always
  type: dict
  sample: {"borg": "1.4.5", "borgmatic": "2.1.10"}
owner:
  description: >-
    What the owner of the client says by files of his own, null where he says nothing. C(off) is why he has switched
    the backup off, empty if he has not; C(request) asks for a tunnel (C(why), C(made)), null without one; C(sources),
    C(excludes) (a count) and C(hooks) are what he added, C(skipped) lines about files that have no effect.
  returned: always
  type: dict
  sample: {"off": "", "request": null, "sources": ["/srv/photos"], "excludes": 0, "hooks": ["10-shop"], "skipped": []}
content:
  description: >-
    What the server noticed of the archive, null where there is none. C(shrunk) says in what it is far smaller than the
    client's archives before it, C(meant) whether a change of C(config), the fingerprint of what is saved, explains
    that; C(unmounted) are paths that lay on a file system of their own before, C(emptied) those in which there was
    something.
  returned: always
  type: dict
  sample: {"config": "", "shrunk": "", "meant": false, "unmounted": [], "emptied": []}
escrow:
  description: >-
    The state of the client's escrow: C(state) is V(none), V(outdated) (not for whom it should be), V(unreadable) or
    V(kept), C(holders) are those who can open the newest one. Null when no session was held.
  returned: always
  type: dict
  sample: {"state": "kept", "holders": ["ana"], "digest": "5fec", "kept": "2026-11-21T06:30:00Z", "problem": ""}
rehearsals:
  description: >-
    When somebody last saw that the client's newest escrow opens (C(escrow)), and that a restore works (C(restore)),
    empty for never, and which of them is overdue. Null when the ledger was not asked.
  returned: always
  type: dict
  sample: {"escrow": "2026-11-21T06:30:00Z", "restore": "", "overdue": ["restore"]}
began:
  description: When the session began, by the server's clock.
  returned: always
  type: str
  sample: "2026-11-21T06:30:00Z"
ended:
  description: When the session had ended, by the server's clock.
  returned: always
  type: str
  sample: "2026-11-21T06:31:10Z"
duration:
  description: Seconds from begin to end, waiting for a slot included.
  returned: always
  type: float
  sample: 70.2
bytes_received:
  description: Bytes that came through the tunnel.
  returned: always
  type: int
  sample: 22010112
bytes_sent:
  description: Bytes that the server sent through the tunnel.
  returned: always
  type: int
  sample: 40112
bytes_read:
  description: Bytes of the stored objects that the client read back, of RV(bytes_sent).
  returned: always
  type: int
  sample: 39000
gate:
  description: What the gate saw, as counts of objects and transactions, and a sentence for each refusal.
  returned: always
  type: dict
  sample: {"put": 369, "delete": 0, "commits": 1, "manifests": 1, "transaction": 17, "refused": []}
log:
  description: Path of the session's log on the server, empty when there was none.
  returned: always
  type: str
  sample: /var/log/paranoid-backup/web1/20261121T063000Z-backup-0b7ac9b8.log
log_tail:
  description: Last lines of that log, printable.
  returned: always
  type: list
  elements: str
  sample: ["web1: creating archive"]
audit:
  description: Verdict of the audit after the session, null when there was none.
  returned: always
  type: dict
  sample: {"verdict": "clean", "findings": []}
alarm:
  description: What lies behind the codes V(alarm) and V(frozen), null for all others. It has the fields of RV(frozen).
  returned: always
  type: dict
  sample: null
frozen:
  description:
    - Why the client is frozen after the session, null when it is not. Backups of a frozen client go on.
    - C(kind) is V(history), V(repository), V(content), V(ledger) or V(words), C(client) a name, C(findings) sentences,
      C(since) when it was frozen.
  returned: always
  type: dict
  sample: null
stored:
  description: Objects and bytes that came and stayed, as the audit counted, null when there was none.
  returned: always
  type: dict
  sample: {"objects": 369, "bytes": 21990232}
held:
  description: Objects and bytes that lie in the repository afterwards, null when no audit ran.
  returned: always
  type: dict
  sample: {"objects": 90211, "bytes": 41190011822}
unusual:
  description: >-
    What is unlike the sessions of this client before it, null where nothing was looked at. C(signals) are measures
    (C(name), C(value)) beyond the client's own band (C(low) to C(high)); C(anomaly) says that they are more than one
    honest cause explains; C(since) is when an anomaly began that still waits for a person, C(normal) counts the backups
    without a signal since then, of C(needed); C(expected) is until when a change was announced.
  returned: always
  type: dict
  sample: {"signals": [], "anomaly": false, "expected": "", "since": "", "normal": 0, "needed": 5}
clock:
  description: >-
    What is known of the server's clock, null when the ledger took no entry. C(doubt) says why it cannot be believed,
    empty when it can; C(trusted) is the last reading that was believed.
  returned: always
  type: dict
  sample: {"trusted": null, "doubt": "", "told": false}
came:
  description: Id of the archive whose object the audit saw come in this session, empty for none.
  returned: always
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
ledger:
  description: The server, and the head of its ledger after the session, null when it took no entry or is not whole.
  returned: always
  type: dict
  sample: {"host": "vault", "head": "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._session.engine import perform
from ansible_collections.paranoid.backup.plugins.module_utils._session.options import SESSION_SPEC
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order


def main() -> None:
    """Hold the session and hand its outcome to Ansible."""
    module = AnsibleModule(argument_spec=SESSION_SPEC, supports_check_mode=True)
    outcome = perform(Order(check=module.check_mode, **module.params))
    if outcome.conclusion.status == "failed":
        module.fail_json(msg=outcome.conclusion.reason, **outcome.to_dict())
    module.exit_json(changed=outcome.changed, **outcome.to_dict())


if __name__ == "__main__":
    main()
