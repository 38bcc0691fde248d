# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What overrules a session's own conclusion: the audit, then the ledger. They can only make it worse.

A conclusion is decided in ranks, and what a higher one says cannot be taken back:

1. the session (`_session.verdict.decide`): what gate, clock, ssh and client say of it;
2. the audit: an alarm replaces whatever the session came to, for history was touched; and an archive that did not
   come in this session is none, whatever the client says of it;
3. the content of the archive, held against those before it: far smaller, or of a disk that is not mounted;
4. the ledger that rejects the session's entries: no success without a record; an alarm stays one;
5. the ledger that was tampered with: an alarm, in front of what was said before.

Ranks 1 to 3 are known before the entries are written and stand in them; 4 and 5 only afterwards, in the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import HISTORY, LEDGER, Alarm, alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import join_names
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import ContentVerdict

PATHS_SHOWN, PATH_LENGTH = 3, 80  # of what is lost: what is to be done stands behind it, and a reason has its limit


def overrule(
    conclusion: Conclusion,
    client: str,
    audit: AuditVerdict | None = None,
    rejected: str = "",
    tampered: str = "",
    claimed: bool = False,
) -> Conclusion:
    """Return ``conclusion`` after the evidence given: an audit, why the ledger rejects entries, who touched it.

    ``claimed``: the client says that it brought an archive, so the audit must have seen it.
    """
    if audit is not None and audit.verdict == ALARM:
        conclusion = _raise(Alarm(HISTORY, client, audit.findings))
    elif claimed and conclusion.status == "ok" and not (audit is not None and audit.presence.brought):
        reason = f"{client} said ok, but the archive that it names did not come in this session"
        conclusion = Conclusion("failed", "no_archive", reason)
    if rejected:
        code, reasons = conclusion.code or "server_error", (conclusion.reason, f"not recorded: {rejected}")
        conclusion = Conclusion("failed", code, "; ".join(filter(None, reasons)), conclusion.alarm)
    if tampered:
        conclusion = _raise(Alarm(LEDGER, client, tuple(filter(None, (tampered, conclusion.reason)))))
    return conclusion


def overrule_content(conclusion: Conclusion, client: str, content: ContentVerdict) -> Conclusion:
    """Return ``conclusion`` after what was noticed of the archive: a failure needs no second one."""
    if conclusion.status != "ok":
        return conclusion
    until = "nothing is let go meanwhile; if that is meant, run accept.yml"
    if content.unmounted:
        paths = _name_paths(content.unmounted)
        reason = f"{client}: {paths} lay on a file system of its own before, and is not mounted now: mount it; {until}"
        return Conclusion("failed", "source_unmounted", reason)
    if content.emptied:
        paths = _name_paths(content.emptied)
        reason = f"{client}: nothing is in {paths} any more, and was in the last good backup: look why; {until}"
        return Conclusion("failed", "source_emptied", reason)
    if content.shrunk and not content.meant:
        return Conclusion("failed", "shrunk", f"{client}'s archive has only {content.shrunk}: look why; {until}")
    return conclusion


def _name_paths(paths: Sequence[str]) -> str:
    """Return a few paths, and how many more there are."""
    return join_names([one_line(path, PATH_LENGTH) for path in paths], PATHS_SHOWN)


def _raise(alarm: Alarm) -> Conclusion:
    return Conclusion("failed", "alarm", alarm_line(alarm), alarm)
