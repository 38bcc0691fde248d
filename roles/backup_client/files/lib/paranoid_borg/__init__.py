# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg 1.4, as borgmatic runs it on a client: no local user stops it, hangs it, or leaves files out of the archive.

Borg believes whoever owns a directory: a tag there leaves it out, a named pipe there is waited for, a file that grows
is read for ever, a tree that is deep enough ends the whole run. What is refused here is one of Borg's warnings, with
its path, and the rest is saved. Start reading in `main`, which replaces what it needs of borg.archiver and
borg.archive; tests/integration/client_borg/test_contract.py fails when Borg changes there.
"""
