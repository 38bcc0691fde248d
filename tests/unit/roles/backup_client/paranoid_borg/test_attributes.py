# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes as Borg reads them, up to a bound."""

from __future__ import annotations

import pytest
from borg import xattr
from paranoid_borg import attributes
from paranoid_borg.attributes import BYTES_MAX, Attributes


@pytest.mark.parametrize(("size", "kept"), [(10, True), (BYTES_MAX // 2 - 6, True), (BYTES_MAX // 2 - 5, False)])
def test_a_file_with_too_many_has_none_and_is_told(monkeypatch: pytest.MonkeyPatch, size: int, kept: bool) -> None:
    told: list[object] = []
    bounded = Attributes(told.append)
    monkeypatch.setattr(xattr, "listxattr", lambda *_path, **_options: [b"user.a", b"user.b"])
    monkeypatch.setattr(xattr, "getxattr", bounded.getxattr)
    monkeypatch.setattr(attributes, "_getxattr", lambda *_path, **_options: bytes(size))
    for path in ("/file", 7):
        assert len(bounded.get_all(path)) == (2 if kept else 0)
    assert told == ([] if kept else ["/file", 7])
