# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dataset should be against what it is: every refusal has its line, and a second look finds nothing to do."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import (
    MARK,
    Actual,
    DatasetError,
    Desired,
    Property,
    check_name,
    check_pool,
    parse_size,
    plan_dataset,
)

WEB1 = Desired("tank/backup/web1", "client web1", {"refquota": "1G", "quota": "3G", "atime": "off"})


def actual(**changed: str | Property) -> Actual:
    """The dataset as it should be, but for what is named; ``mark`` stands for the mark."""
    found: dict[str, str | Property] = {"type": "filesystem", "mounted": "yes", "used": "900", "referenced": "800"}
    found |= {"refquota": str(1 << 30), "quota": str(3 << 30), "atime": "off", "readonly": "off"}
    found |= {"sync": "standard", "logbias": "latency", MARK: Property("client web1", "local")}
    found |= {(MARK if name == "mark" else name): value for name, value in changed.items()}
    return {name: one if isinstance(one, Property) else Property(one) for name, one in found.items()}


def test_a_dataset_that_is_as_desired_is_left_alone() -> None:
    assert plan_dataset(WEB1, actual(), {}) is None


def test_a_new_one_is_made_with_all_its_properties_at_once() -> None:
    """So that one which was cut off either is there with its mark, or is not there."""
    change = plan_dataset(WEB1, None, actual())
    assert change and change.create
    assert change.properties == {"refquota": "1073741824", "quota": "3221225472", "atime": "off", MARK: "client web1"}


@pytest.mark.parametrize(
    ("drift", "repaired"),
    [
        ({"atime": "on"}, {"atime": "off"}),
        ({"quota": "0"}, {"quota": str(3 << 30)}),
        ({"refquota": str(2 << 30)}, {"refquota": str(1 << 30)}),
    ],
)
def test_what_drifted_is_set_again(drift: dict[str, str], repaired: dict[str, str]) -> None:
    change = plan_dataset(WEB1, actual(**drift), {})
    assert change and not change.create and change.properties == repaired and change.before == drift


def test_one_that_is_not_mounted_is_mounted() -> None:
    change = plan_dataset(WEB1, actual(mounted="no"), {})
    assert change and change.mount and not change.properties


INHERITED = Property("disabled", "inherited from tank")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"mark": Property("client web2", "local")}, "was made for client web2, not for client web1"),
        ({"mark": Property("client web1", "inherited from tank")}, f"zfs set {MARK}='client web1' tank/backup/web1"),
        ({"type": "volume"}, "is a volume"),
        ({"sync": Property("disabled", "local")}, "zfs set sync=standard tank/backup/web1"),
        ({"sync": INHERITED}, "zfs set sync=standard tank$"),
        ({"logbias": Property("throughput", "inherited from tank/backup")}, "zfs set logbias=latency tank/backup$"),
        ({"readonly": "on"}, "zfs set readonly=off"),
        ({"keystatus": "unavailable"}, "zfs load-key tank/backup/web1"),
        ({"used": str(4 << 30)}, "quota 3221225472 of tank/backup/web1 is below the 4294967296 bytes that it uses"),
        ({"referenced": str(2 << 30)}, "refquota 1073741824 of .* is below the 2147483648 bytes"),
    ],
)
def test_what_may_not_be_used_is_refused_in_one_line(found: dict[str, str | Property], said: str) -> None:
    with pytest.raises(DatasetError, match=said) as refused:
        plan_dataset(WEB1, actual(**found), {})
    assert "\n" not in str(refused.value)


def test_one_without_a_mark_is_taken_over_only_when_that_is_meant() -> None:
    unmarked = {name: one for name, one in actual().items() if name != MARK}
    with pytest.raises(DatasetError, match="exists and was not made for client web1"):
        plan_dataset(WEB1, unmarked, {})
    change = plan_dataset(Desired(WEB1.name, WEB1.mark, WEB1.properties, adopt=True), unmarked, {})
    assert change and change.properties == {MARK: "client web1"}
    with pytest.raises(DatasetError, match="made for client web2"):
        foreign = actual(mark=Property("client web2", "local"))
        plan_dataset(Desired(WEB1.name, WEB1.mark, WEB1.properties, adopt=True), foreign, {})


@pytest.mark.parametrize(("name", "value"), [("sync", "disabled"), ("logbias", "throughput")])
def test_no_dataset_loses_what_was_acknowledged(name: str, value: str) -> None:
    """Neither when somebody asks for it, nor when a new one would inherit it."""
    with pytest.raises(DatasetError, match=f"{name}={value}"):
        plan_dataset(Desired("tank/x", "x", {name: value}), None, {})
    with pytest.raises(DatasetError, match=f"{name}={value}, set at tank"):
        plan_dataset(Desired("tank/x", "x"), None, {name: Property(value, "local")})


@pytest.mark.parametrize(
    "name",
    [
        "tank",
        "",
        "tank/",
        "/tank",
        "tank/we b1",
        "tank/ä",
        "tank/a@b",
        "tank/a#b",
        "tank/..",
        "tank/a//b",
        "mirror/x",
        "log/x",
        "c0/x",
        "1tank/x",
        "-x/y",
        "tank/" + "a" * 200,
        "tank/%recv",
        "tank/a\nb",
    ],
)
def test_names_that_zfs_refuses(name: str) -> None:
    with pytest.raises(DatasetError):
        check_name(name)


@pytest.mark.parametrize("name", ["tank/backup/web1", "tank/a.b_c-d:e", "t/1", "logs/x", "backup2/x"])
def test_names_that_zfs_takes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("text", "size"), [("none", 0), ("0", 0), ("5", 5), ("1K", 1024), ("2g", 2 << 30), ("3 T", -1), ("10GiB", 10 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    if size >= 0:
        assert parse_size(text) == size
    else:
        with pytest.raises(DatasetError):
            parse_size(text)


def test_a_quota_below_its_refquota_is_refused() -> None:
    with pytest.raises(DatasetError, match="above quota"):
        plan_dataset(Desired("tank/x", "x", {"refquota": "2G", "quota": "1G"}), None, {})


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (None, "there is no pool tank"),
        ({"health": "FAULTED"}, "is FAULTED"),
        ({"health": "UNAVAIL"}, "is UNAVAIL"),
        ({"health": "SUSPENDED"}, "is SUSPENDED"),
        ({}, r"is \?"),
        ({"health": "ONLINE", "readonly": "on"}, "read-only"),
        ({"health": "ONLINE", "capacity": "99%"}, r"is full \(99 %\)"),
    ],
)
def test_a_pool_that_cannot_be_used(about: dict[str, str] | None, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        check_pool("tank", about, creates=True)


def test_a_pool_that_should_be_looked_at() -> None:
    assert check_pool("tank", {"health": "ONLINE", "capacity": "50%"}, creates=True) == []
    assert "one more disk" in check_pool("tank", {"health": "DEGRADED"}, creates=True)[0]
    assert "is full" in check_pool("tank", {"health": "ONLINE", "capacity": "98"}, creates=False)[0]
