# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the report: their defaults, and what is said of one that cannot work."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants as C
from ansible.errors import AnsibleOptionsError
from ansible_collections.paranoid.backup.plugins.callback import report
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import (
    SECTION,
    Sendmail,
    Settings,
    SettingsError,
    Smtp,
    explain_error,
    explain_setting,
    load_settings,
)

OPTIONS = yaml.safe_load(report.DOCUMENTATION)["options"]
MAIL = {"mail_from": "backup@example.org", "mail_to": ["ops@example.org"]}
SMTP = {**MAIL, "method": "smtp", "smtp_host": "mail.example.org"}


def settings(**changed: Any) -> Settings:
    """Read settings with the documented defaults; an option that is not documented is a KeyError."""
    values = {name: option.get("default") for name, option in OPTIONS.items()}
    return load_settings({**values, **changed}.__getitem__)


def smtp(**changed: Any) -> Smtp:
    transport = settings(**SMTP, **changed).transport
    assert isinstance(transport, Smtp)
    return transport


def test_every_option_has_an_ini_and_an_environment_name() -> None:
    for name, option in OPTIONS.items():
        assert option["ini"] == [{"section": SECTION, "key": name}]
        (variable,) = option["env"]
        assert (
            explain_setting(name)
            == f"set it under [{SECTION}] in ansible.cfg, or as {variable['name']} in the environment"
        )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("timeout", "soon", "timeout: 'soon' is not a whole number; set it under"),
        ("keep_days", "it's", 'keep_days: "it\'s" is not a whole number; set it under'),
        ("method", "pigeon", "method: 'pigeon' is not one of smtp, sendmail, none; set it under"),
    ],
)
def test_what_ansible_refuses_is_said_in_our_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    plugin = report.__name__
    C.config.initialize_plugin_configuration_definitions("callback", plugin, OPTIONS)
    monkeypatch.setenv(OPTIONS[name]["env"][0]["name"], value)
    with pytest.raises(AnsibleOptionsError) as caught:
        C.config.get_config_value_and_origin(name, plugin_type="callback", plugin_name=plugin)
    assert explain_error(caught.value, OPTIONS).startswith(said)


def test_another_error_of_ansible_stays_as_it_is() -> None:
    assert explain_error(AnsibleOptionsError("no file"), OPTIONS) == "no file"


@pytest.mark.parametrize(("security", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_the_port_follows_from_the_security(security: str, port: int) -> None:
    assert smtp(smtp_security=security).port == port
    assert smtp(smtp_security=security, smtp_port=2525).port == 2525


def test_starttls_is_the_default() -> None:
    assert smtp().security == "starttls"


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ("Acme backup <backup@example.org>", ["Acme backup <backup@example.org>"]),
        (["ops@example.org", "Boss <boss@example.org>"], ["ops@example.org", "Boss <boss@example.org>"]),
        # Ansible splits its lists at each comma.
        (['"Doe', ' Jane" <jane@example.org>', "b@example.org"], ['"Doe, Jane" <jane@example.org>', "b@example.org"]),
        ("Jürgen (Ops) <j@example.org>", ['"Jürgen (Ops)" <j@example.org>']),
        ("<ops@example.org>", ["ops@example.org"]),
    ],
)
def test_addresses_may_have_names(given: Any, addresses: list[str]) -> None:
    assert [str(one) for one in settings(**{**SMTP, "mail_to": given}).mail_to] == addresses


@pytest.mark.parametrize("name", ["backup.example.org", "[192.0.2.7]", "[IPv6:2001:db8::7]", ""])
def test_greetings(name: str) -> None:
    assert smtp(smtp_greeting=name).greeting == name


def test_the_password_is_in_no_repr() -> None:
    assert "hush" not in repr(settings(**SMTP, smtp_user="me", smtp_password="hush"))


def test_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush hush\nsecond line\n")
    file.chmod(0o640)
    assert smtp(smtp_user="me", smtp_password_file=str(file)).password == "hush hush"
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="everybody can read"):
        smtp(smtp_user="me", smtp_password_file=str(file))


def test_sendmail_and_none(tmp_path: Path) -> None:
    assert settings(**MAIL, method="sendmail", sendmail_path="/bin/true").transport == Sendmail("/bin/true", 30.0)
    assert settings(method="none").transport is None
    assert settings(method="none", report_dir="~/x").report_dir == Path.home() / "x"


def test_a_mail_comes_of_each_run_unless_failures_alone_are_wanted() -> None:
    """Silence must never mean success to somebody who did not ask for it."""
    assert (settings(method="none").failures_only, settings(method="none", mail_when="failure").failures_only) == (
        False,
        True,
    )


@pytest.mark.parametrize(("name", "least", "most"), [("mail_days", 1, 31), ("keep_days", 0, 9), ("keep_runs", 0, 9)])
def test_limits_are_taken_as_they_are_up_to_their_ends(name: str, least: int, most: int) -> None:
    assert [getattr(settings(method="none", **{name: value}), name) for value in (least, most)] == [least, most]


@pytest.mark.parametrize("port", [1, 65535])
def test_each_port_may_be_meant(port: int) -> None:
    assert smtp(smtp_port=port).port == port


def test_a_file_of_certificates_is_the_one_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str | None] = []
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: tried.append(cafile))
    assert (smtp(smtp_ca_file="/ca.pem").ca_file, smtp().ca_file, tried) == ("/ca.pem", "", ["/ca.pem", None])


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"method": "smtp"}, "method smtp needs mail_from and mail_to"),
        ({**SMTP, "smtp_host": None}, "method smtp needs smtp_host"),
        ({**SMTP, "mail_to": []}, "method smtp needs mail_to"),
        ({**SMTP, "mail_to": ["ops@example.org\nBcc: x@example.org"]}, r'mail_to: "ops@example.org\nBcc'),
        ({**SMTP, "mail_to": ["two words"]}, 'mail_to: "two words" is not an address'),
        ({**SMTP, "mail_from": "Ops <ops>"}, 'mail_from: "Ops <ops>" is not an address'),
        ({**SMTP, "mail_from": "Ops <a@example.org> x"}, 'mail_from: "Ops <a@example.org> x" is not an address'),
        ({**SMTP, "mail_from": "a@example.org, b@example.org"}, "mail_from: is one address, not 2"),
        ({**SMTP, "mail_to": ["Ops\n <ops@example.org>"]}, r'mail_to: "Ops\n <ops'),
        ({**SMTP, "mail_to": ["<>"]}, 'mail_to: "<>" is not an address'),
        ({**SMTP, "smtp_greeting": "two words"}, "smtp_greeting: 'two words' is neither"),
        ({**SMTP, "smtp_user": "me"}, "one of them is missing"),
        ({**SMTP, "smtp_password": "hush"}, "one of them is missing"),
        ({**SMTP, "smtp_user": "me", "smtp_password_file": "/nowhere"}, "smtp_password_file: /nowhere cannot be read"),
        ({**SMTP, "smtp_ca_file": "/nowhere"}, "smtp_ca_file: /nowhere cannot be read: No such file"),
        ({**SMTP, "smtp_ca_file": "/etc/passwd"}, "smtp_ca_file: /etc/passwd holds no certificate"),
        ({**SMTP, "smtp_port": 65536}, "smtp_port: must be from 1 to 65535"),
        ({**SMTP, "smtp_port": -1}, "smtp_port: must be from 1 to 65535"),
        ({**SMTP, "timeout": 0}, "timeout: must be from 1 to 3600"),
        ({"method": "none", "keep_days": -1}, "keep_days: must be 0"),
        ({"method": "none", "mail_days": 0}, "mail_days: must be from 1 to 31"),
        ({"method": "none", "mail_days": 32}, "mail_days: must be from 1 to 31"),
        ({**SMTP, "owners_file": "/nowhere"}, "owners_file: /nowhere cannot be read: No such file"),
        ({"method": "none", "notify_file": "/nowhere"}, "notify_file: /nowhere cannot be read: No such file"),
        ({"method": "none", "keep_runs": -1}, "keep_runs: must be 0"),
        ({**MAIL, "method": "sendmail", "sendmail_path": "/nowhere"}, "sendmail_path: /nowhere is not"),
        ({**MAIL, "method": "sendmail", "sendmail_path": "/tmp"}, "sendmail_path: /tmp is not"),
        ({"method": "none", "subject": "$NONSENSE"}, "subject: NONSENSE has no meaning"),
        ({"method": "none", "subject": "100 $"}, "subject: a lone"),
    ],
)
def test_what_cannot_work_is_named(changed: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**changed)
    assert line in str(caught.value)
    place = (
        rf"; set (it|them) under \[{SECTION}\] in ansible.cfg, or as (PARANOID_REPORT_\w+( and )?)+ in the environment"
    )
    assert re.search(f"{place}$", str(caught.value))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)
