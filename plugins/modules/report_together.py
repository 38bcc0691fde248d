#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action that makes one report of several runs; it works on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report_together
short_description: One report and one mail of several runs
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Reports on all runs below C(report_dir) that nobody has heard of, as if they were one, above all on those that left
    their mail to it (option C(later) of the callback P(paranoid.backup.report#callback)), such as the slices of a job.
  - It has the settings of that callback. It works on the controller, where the records are, and leaves hosts alone.
  - It fails where one of the runs failed or died, where none is there, and where the mail was not accepted.
attributes:
  check_mode:
    support: full
    description: Writes a report, and sends no mail unless the callback's option C(mail_in_check) is set.
  diff_mode:
    support: none
    description: Nothing of a host is changed.
"""

EXAMPLES = r"""
- name: Tell of all slices
  paranoid.backup.report_together:
"""

RETURN = r"""
run_id:
  description: The id of the report, below C(report_dir).
  returned: success
  type: str
  sample: 20261126T060000Z-1a2b3c4d
status:
  description: V(SUCCESS) or V(FAILURE).
  returned: success
  type: str
mail:
  description: What became of the mail, as the record says.
  returned: success
  type: str
  sample: sent
"""
