# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PAM says of an account: expired, shut out by an access list, or by the host itself that admits nobody.

The same question as sshd's, with the same stack, so that no module of it has to be known here.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line

# security/_pam_types.h of Linux-PAM
_PAM_TTY, _PAM_RHOST = 3, 4


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_CONVERSE = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.POINTER(_Response)),
    ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    _fields_ = (("function", _CONVERSE), ("data", ctypes.c_void_p))


def pam_refusal(login: str, address: str, service: str = "sshd") -> str:
    """Ask PAM, as sshd does after the key (pam_acct_mgmt(3)), whether the account may log in; empty if it may.

    Without a PAM on this host there is nobody to ask.
    """
    try:
        pam, libc = ctypes.CDLL("libpam.so.0"), ctypes.CDLL(None)
    except OSError:
        return ""
    libc.calloc.restype = ctypes.c_void_p
    pam.pam_strerror.restype = ctypes.c_char_p
    said: list[str] = []

    def converse(count: int, messages: Any, responses: Any, _data: Any) -> int:
        said.extend((messages[number].contents.text or b"").decode(errors="replace") for number in range(count))
        responses[0] = ctypes.cast(libc.calloc(count, ctypes.sizeof(_Response)), ctypes.POINTER(_Response))
        return 0

    conversation = _Conversation(_CONVERSE(converse), None)
    handle = ctypes.c_void_p()
    name = login.encode()
    if pam.pam_start(service.encode(), name, ctypes.byref(conversation), ctypes.byref(handle)) != 0:
        return ""
    pam.pam_set_item(handle, _PAM_RHOST, ctypes.c_char_p(address.encode()))
    pam.pam_set_item(handle, _PAM_TTY, ctypes.c_char_p(b"ssh"))
    code = pam.pam_acct_mgmt(handle, 0)
    why = (pam.pam_strerror(handle, code) or b"").decode(errors="replace")
    pam.pam_end(handle, code)
    if code == 0:
        return ""
    return one_line(" ".join([why, *said]).strip(), 200)
