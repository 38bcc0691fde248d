# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a session: each attack is an alarm, each honest session is not, whatever lies on the disk."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit import changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit import full as _audit_full
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit, rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict, Budget
from fake_repository import MANIFEST_ID, FakeRepository, entry, key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def objects(first: int, count: int, size: int = 100) -> list[tuple[bytes, bytes]]:
    return [(key(number), bytes([number % 251]) * size) for number in range(first, first + count)]


def make(path: Path) -> tuple[FakeRepository, Baseline]:
    repository = FakeRepository(path)
    for number in range(3):
        repository.session(objects(number * 50, 50), manifest=500 + 60 * number)
    verdict, baseline = audit(str(path), None, "create")
    assert (verdict.verdict, verdict.findings) == ("clean", ())
    assert baseline is not None
    return repository, baseline


@pytest.fixture
def made(tmp_path: Path) -> tuple[FakeRepository, Baseline]:
    return make(tmp_path / "repo")


def judge(
    repository: FakeRepository, baseline: Baseline, policy: str = "append", budget: Budget | None = None
) -> AuditVerdict:
    return audit(str(repository.path), baseline, policy, budget)[0]


def alarm(verdict: AuditVerdict, words: str) -> None:
    assert verdict.verdict == "alarm"
    assert any(words in finding for finding in verdict.findings), verdict.findings


def test_first_baseline_knows_the_state(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    assert baseline.transaction == repository.last
    assert baseline.objects == 151
    assert baseline.manifest == 620
    assert baseline.nonce == 2**28
    assert baseline.freeable == sum(repository.compact.values())
    assert Baseline.from_dict(json.loads(json.dumps(baseline.to_dict()))) == baseline


def test_honest_sessions_are_clean_one_after_the_other(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    for number in range(5):
        repository.session(objects(1000 + 100 * number, 20), manifest=680 + 60 * number)
        repository.set_nonce(2**28 * (2 + number))
        verdict, after = audit(str(repository.path), baseline, "append")
        assert (verdict.verdict, verdict.findings) == ("clean", ())
        assert after is not None
        assert after.objects == 151 + 20 * (number + 1)
        baseline = after
    assert judge(repository, baseline, "read").verdict == "clean"


def test_checkpoints_delete_what_the_session_itself_put(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(objects(500, 5), manifest=700)
    repository.session(objects(510, 5), deletes=[key(500)], manifest=690)
    repository.session(objects(500, 1), manifest=690)
    verdict = judge(repository, baseline)
    assert (verdict.verdict, verdict.findings) == ("clean", ())
    assert verdict.changes.gone == verdict.changes.overwritten == 0


def test_uncommitted_segments_count_for_nothing(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(objects(500, 5), deletes=[key(1)], commit=False)
    verdict, after = audit(str(repository.path), baseline, "append")
    assert verdict.verdict == "clean"
    assert after is not None
    assert after.transaction == baseline.transaction


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        ({"deletes": [key(1)]}, "1 stored objects were deleted"),
        ({"deletes": [key(n) for n in range(100)]}, "100 stored objects were deleted"),
        ({"puts": [(key(1), b"garbage")]}, "1 stored objects were overwritten"),
        ({"manifest": 500}, "the list of archives shrank from 620 to 500"),
    ],
)
def test_attacks_are_alarms(made: tuple[FakeRepository, Baseline], attack: dict[str, object], words: str) -> None:
    repository, baseline = made
    repository.session(**{"manifest": 700, **attack})  # type: ignore[arg-type]
    alarm(judge(repository, baseline), words)


def test_deleting_in_one_transaction_and_putting_back_in_another_is_overwriting(
    made: tuple[FakeRepository, Baseline],
) -> None:
    repository, baseline = made
    repository.session(deletes=[key(1)], manifest=700)
    repository.session([(key(1), b"garbage")], manifest=700)
    alarm(judge(repository, baseline), "1 stored objects were overwritten")


def test_what_was_put_back_and_deleted_once_more_is_gone(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(deletes=[key(1)], manifest=700)
    repository.session([(key(1), b"garbage")], manifest=700)
    repository.session(deletes=[key(1)], manifest=700)
    verdict = judge(repository, baseline)
    assert (verdict.changes.lost, verdict.changes.overwritten) == (frozenset({key(1)}), 0)


def test_overwriting_without_delete_shows_in_the_index(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.objects.pop(key(1))
    repository.session([(key(1), b"garbage")], manifest=700)
    alarm(judge(repository, baseline), "the index holds 151 objects, the segments say 152")


def test_reading_commits_nothing(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(manifest=700)
    alarm(judge(repository, baseline, "read"), "committed 1 times")


def test_trim_within_its_budget_is_expected(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(deletes=[key(n) for n in range(50)], manifest=560)
    budget = Budget(50, 50 * 141, 1)
    verdict, after = audit(str(repository.path), baseline, "trim", budget)
    assert verdict.verdict == "expected", verdict.findings
    assert after is not None
    repository.session(objects(900, 3), manifest=620)
    assert judge(repository, after).verdict == "clean"
    alarm(judge(repository, baseline, "append", budget), "50 stored objects were deleted, 0 were allowed")


@pytest.mark.parametrize(
    ("budget", "manifest", "words"),
    [
        (Budget(49, 10**6, 1), 560, "50 stored objects were deleted, 49"),
        (Budget(50, 10, 1), 560, "the next compaction would free"),
        (Budget(50, 10**6, 1), 200, "the list of archives shrank from 620 to 200"),
    ],
)
def test_trim_beyond_its_budget_is_an_alarm(
    made: tuple[FakeRepository, Baseline], budget: Budget, manifest: int, words: str
) -> None:
    repository, baseline = made
    repository.session(deletes=[key(n) for n in range(50)], manifest=manifest)
    alarm(judge(repository, baseline, "trim", budget), words)


def test_config_may_only_change_by_a_partial_check(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    config = repository.path / "config"
    config.write_text(config.read_text() + "last_segment_checked = 4\n\n")
    assert judge(repository, baseline).verdict == "clean"
    config.write_text(config.read_text() + "append_only = 0\n")
    alarm(judge(repository, baseline), "config has changed")


@pytest.mark.parametrize(("nonce", "words"), [(2**28 - 1, "went back"), (2**60, "leapt")])
def test_nonce_moves_forward_and_not_far(made: tuple[FakeRepository, Baseline], nonce: int, words: str) -> None:
    repository, baseline = made
    repository.set_nonce(nonce)
    alarm(judge(repository, baseline), words)


def test_nonce_may_not_vanish(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    (repository.path / "nonce").unlink()
    alarm(judge(repository, baseline), "went back")


@pytest.mark.parametrize("how", ["remove", "shorten", "directory", "insert"])
def test_older_segments_stay(made: tuple[FakeRepository, Baseline], how: str) -> None:
    repository, baseline = made
    segment = repository.segment(3)
    if how == "remove":
        segment.unlink()
    elif how == "shorten":
        segment.write_bytes(segment.read_bytes()[:-1])
    elif how == "directory":
        shutil.rmtree(segment.parent)
    else:
        (repository.path / "data" / "7").mkdir()
        (repository.path / "data" / "7" / "2").write_bytes(b"BORG_SEG")
    assert judge(repository, baseline).verdict == "alarm"


def test_an_older_copy_of_the_repository_is_an_alarm(made: tuple[FakeRepository, Baseline], tmp_path: Path) -> None:
    repository, baseline = made
    shutil.copytree(repository.path, tmp_path / "old")
    repository.session(objects(900, 3), manifest=700)
    after = audit(str(repository.path), baseline, "append")[1]
    assert after is not None
    assert audit(str(tmp_path / "old"), after, "append")[0].verdict == "alarm"


@pytest.mark.parametrize(
    ("sizes", "verdicts"),
    [
        ([680, 740, 730], ["clean", "clean", "clean"]),
        ([680, 620], ["clean", "alarm"]),
        ([860, 740], ["clean", "clean"]),  # `recreate` compresses differently, begins, and is refused
        ([860, 500], ["clean", "alarm"]),
        ([860, 920, 800], ["clean", "clean", "alarm"]),  # the configuration compresses differently from now on
    ],
)
def test_archives_are_missed_when_none_came(
    made: tuple[FakeRepository, Baseline], sizes: list[int], verdicts: list[str]
) -> None:
    repository, baseline = made
    for size, expected in zip(sizes, verdicts, strict=True):
        repository.session(manifest=size)
        verdict, after = audit(str(repository.path), baseline, "append")
        assert (size, verdict.verdict) == (size, expected)
        assert after is not None
        baseline = after


@pytest.mark.parametrize(
    ("told", "sizes", "verdicts"),
    [
        (["lz4", "zstd,3"], [680, 400], ["clean", "expected"]),
        (["lz4", "zstd,3", "zstd,3"], [680, 400, 460], ["clean", "expected", "clean"]),
        (["lz4", "zstd,3", "zstd,3"], [680, 400, 350], ["clean", "expected", "alarm"]),
        (["lz4", "none", "none"], [680, 1200, 1100], ["clean", "expected", "alarm"]),
        (["lz4", "zstd,3"], [680, 200], ["clean", "alarm"]),  # by more than any compression could
        (["lz4", "lz4"], [680, 400], ["clean", "alarm"]),  # nobody told the server
        (["lz4", ""], [680, 400], ["clean", "alarm"]),
        (["zstd,3"], [400], ["alarm"]),  # a first word about compression is no change of it
    ],
)
def test_a_compression_that_the_operator_changed_explains_a_smaller_list(
    made: tuple[FakeRepository, Baseline], told: list[str], sizes: list[int], verdicts: list[str]
) -> None:
    repository, baseline = made
    for compression, size, expected in zip(told, sizes, verdicts, strict=True):
        repository.session(manifest=size)
        verdict, after = audit(str(repository.path), baseline, "append", None, compression)
        assert (size, verdict.verdict) == (size, expected)
        assert after is not None
        baseline = Baseline.from_dict(after.to_dict())


def test_only_a_backup_tells_how_the_client_compresses(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(manifest=680)
    baseline = audit(str(repository.path), baseline, "append", None, "lz4")[1] or baseline
    for policy in ("read", "append", "trim"):
        if policy == "trim":
            repository.session(manifest=500)
        verdict, after = audit(str(repository.path), baseline, policy, Budget(1, 1, 3), "zstd,3")
        assert after is not None
        assert (verdict.verdict, after.compression) == ("clean", "lz4")
        baseline = after
    old = {name: value for name, value in baseline.to_dict().items() if name != "compression"}
    assert Baseline.from_dict(old).compression == "", "one from before compression was known"


def test_rebase_wants_the_same_objects(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    assert rebase(str(repository.path), baseline)[0].verdict == "clean"
    others: list[dict[str, Any]] = [{"objects": 150}, {"config": "x"}, {"nonce": 1}, {"manifest": 1}]
    for change in others:
        assert rebase(str(repository.path), replace(baseline, **change))[0].verdict == "alarm"


def test_full_audit_tells_damage_from_tampering(made: tuple[FakeRepository, Baseline]) -> None:
    repository, _ = made
    assert full_audit(str(repository.path)).verdict == "clean"
    segment, offset, size = repository.objects[key(60)]
    place = repository.segment(segment)
    content = bytearray(place.read_bytes())
    content[offset + size - 1] ^= 1
    place.write_bytes(content)
    verdict = full_audit(str(repository.path))
    assert verdict.findings == (f"damage: segment {segment}, offset {offset}: wrong checksum",)
    content[offset + size - 1] ^= 1
    content[offset : offset + size] = entry(0, key(60), b"x" * 100)
    place.write_bytes(content)
    assert full_audit(str(repository.path)).verdict == "clean", "a whole entry of the same size takes a key to tell"
    content[offset : offset + size] = entry(0, key(7777), b"x" * 100)
    place.write_bytes(content)
    assert all(finding.startswith("tampering") for finding in full_audit(str(repository.path)).findings)


def test_full_audit_follows_deletions_and_replacements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session(objects(0, 300))
    repository.session(objects(0, 20), deletes=[key(number) for number in range(10, 40)])
    repository.session(objects(30, 3))
    with monkeypatch.context() as patch:
        patch.setattr(_audit_full, "_explain", None)  # sums alone tell that nothing is wrong
        assert full_audit(str(repository.path)).findings == ()
    place = repository.objects[key(5)]
    repository.objects[key(5)] = (place[0], place[1] + 1, place[2])
    repository.write_index()
    (finding,) = full_audit(str(repository.path)).findings
    assert finding.endswith(f"at segment {place[0]}, offset {place[1] + 1}, the segments {segment_place(place)}")
    repository.objects[key(5)] = place
    del repository.objects[key(6)]
    repository.write_index()
    (finding,) = full_audit(str(repository.path)).findings
    assert finding.endswith("is not in the index")
    repository.objects[key(6)] = repository.objects[key(35)] = repository.objects[key(7)]
    repository.write_index()
    assert len(full_audit(str(repository.path)).findings) == 2


def segment_place(place: tuple[int, int, int]) -> str:
    return f"segment {place[0]}, offset {place[1]}"


def test_full_audit_knows_no_objects_behind_a_damage(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session(objects(0, 300))
    repository.session(objects(300, 300))
    segment, offset, _ = repository.objects[key(250)]
    place = repository.segment(segment)
    place.write_bytes(place.read_bytes()[:offset] + bytes(20))
    assert full_audit(str(repository.path)).findings == (
        f"damage: segment {segment}, offset {offset}: no entry of Borg (tag 0, 0 bytes)",
    )
    repository.objects[key(100)] = (0, 7, 7)
    repository.write_index()
    assert any(finding.startswith("tampering") for finding in full_audit(str(repository.path)).findings)


BYTES = settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@BYTES
@given(
    st.sampled_from(["data/0/9", "data/0/10", "config", "nonce", "index", "hints"]),
    st.integers(0, 4000),
    st.binary(max_size=60),
    st.booleans(),
)
def test_fuzz_any_bytes_end_in_a_verdict(
    tmp_path_factory: pytest.TempPathFactory, name: str, offset: int, junk: bytes, cut: bool
) -> None:
    path = _SHARED.setdefault("path", tmp_path_factory.mktemp("fuzz") / "repo")
    if not path.exists():
        repository, baseline = make(path)
        repository.session(objects(900, 30), deletes=[key(4)], manifest=700)
        _SHARED["baseline"] = baseline  # type: ignore[assignment]
    target = next(path.glob(f"{name}.*"), path / name)
    original = target.read_bytes()
    try:
        changed = original[:offset] + junk + (b"" if cut else original[offset + len(junk) :])
        target.write_bytes(changed)
        verdict, _ = audit(str(path), _SHARED["baseline"], "append")  # type: ignore[arg-type]
        assert verdict.verdict == "alarm"
        assert audit(str(path), None, "append")[0].verdict in ("clean", "alarm")
        assert full_audit(str(path)).verdict in ("clean", "alarm")
    finally:
        target.write_bytes(original)


_SHARED: dict[str, Path] = {}


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_file_is_an_alarm(made: tuple[FakeRepository, Baseline], kind: str) -> None:
    repository, baseline = made
    place = repository.segment(repository.last + 1)
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to("/etc/passwd")
    else:
        place.mkdir()
    alarm(judge(repository, baseline), "not a plain file")


def test_manifest_that_ends_deleted(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    repository.session(deletes=[MANIFEST_ID], commit=False)
    repository.last += 1
    repository.segment(repository.last).write_bytes(b"BORG_SEG" + entry(2))
    repository.write_index()
    alarm(judge(repository, baseline), "list of archives was deleted")


def test_a_directory_of_nothing_committed_may_go_again(made: tuple[FakeRepository, Baseline]) -> None:
    """Borg removes what a session left that was cut off."""
    repository, baseline = made
    (repository.path / "data/1").mkdir()
    (repository.path / "data/1/1000").write_bytes(b"BORG_SEG")
    verdict, after = audit(str(repository.path), baseline, "append")
    assert (verdict.verdict, after is not None) == ("clean", True)
    shutil.rmtree(repository.path / "data/1")
    assert audit(str(repository.path), after, "append")[0].findings == ()


def test_a_nonce_of_more_digits_than_borg_writes_is_an_alarm(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    (repository.path / "nonce").write_text("0" * 17)
    alarm(judge(repository, baseline), "16 hexadecimal digits")


def test_a_compaction_keeps_what_the_next_backup_is_compared_with(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    before = replace(baseline, manifest_floor=610, compression="zstd,3")
    verdict, after = rebase(str(repository.path), before)
    assert (verdict.verdict, after.manifest_floor, after.compression) == ("clean", 610, "zstd,3")


def test_a_trim_lowers_the_floor_by_its_archives(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    before = replace(baseline, manifest_floor=600)
    repository.session(manifest=560)
    after = audit(str(repository.path), before, "trim", Budget(1, 1, 2))[1]
    assert after is not None
    assert after.manifest_floor == 600 - 2 * 128


def test_an_index_of_another_transaction_is_compared_with_nothing(made: tuple[FakeRepository, Baseline]) -> None:
    """A session that was cut off leaves one; the next session makes it anew."""
    repository, baseline = made
    old = repository.path / f"index.{repository.last}"
    kept = old.read_bytes()
    repository.session(objects(900, 3), manifest=700)
    (repository.path / f"index.{repository.last}").unlink()
    old.write_bytes(kept)
    verdict, after = audit(str(repository.path), baseline, "append")
    assert (verdict.verdict, after and after.objects) == ("clean", 154)
    assert full_audit(str(repository.path)).findings == ()


def test_full_audit_names_a_few_and_counts_the_rest(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session(objects(0, 30))
    for number in range(25):
        del repository.objects[key(number)]
    repository.write_index()
    findings = full_audit(str(repository.path)).findings
    assert (len(findings), findings[-1]) == (21, "tampering: 5 more")


def test_full_audit_knows_no_deletions_behind_a_damage(tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    repository.session(objects(0, 3))
    repository.session(deletes=[key(1)])
    place = repository.segment(3)
    place.write_bytes(place.read_bytes()[:8] + bytes(41))
    (finding,) = full_audit(str(repository.path)).findings
    assert finding.startswith("damage: segment 3, offset 8")


def test_a_baseline_of_another_schema_is_none() -> None:
    with pytest.raises(ValueError, match="schema 2"):
        Baseline.from_dict({"schema": 2, "directories": []})


@pytest.mark.parametrize(
    "content", [{"schema": 1}, {"schema": 1, "directories": 7}, {"schema": 1, "directories": [{}]}]
)
def test_what_is_no_baseline_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a baseline: "):
        Baseline.from_dict(content)


def test_the_highest_nonce_is_never_forgotten(made: tuple[FakeRepository, Baseline]) -> None:
    """Not when the repository went back, nor when a file was made that has none yet."""
    repository, baseline = made
    assert baseline.nonce == baseline.highest_nonce == 2**28
    for old in (replace(baseline, highest_nonce=2**40), replace(baseline, highest_nonce=None, nonce=2**40)):
        assert [
            found and found.highest_nonce for found in (_after(repository, old), rebase(*_at(repository, old))[1])
        ] == [2**40] * 2
    unknown = replace(baseline, highest_nonce=None, nonce=None)
    (repository.path / "nonce").unlink()
    assert rebase(*_at(repository, unknown))[1].highest_nonce is None


def _at(repository: FakeRepository, baseline: Baseline) -> tuple[str, Baseline]:
    return str(repository.path), baseline


def _after(repository: FakeRepository, baseline: Baseline) -> Baseline | None:
    return audit(*_at(repository, baseline), "append")[1]


def test_the_first_baseline_of_a_repository_without_an_archive(tmp_path: Path) -> None:
    """As `create` leaves it: a list of archives and nothing else, in one segment."""
    repository = FakeRepository(tmp_path / "repo")
    repository.session(manifest=300)
    verdict, baseline = audit(str(repository.path), None, "create")
    assert baseline is not None
    assert (verdict.verdict, baseline.objects, baseline.manifest) == ("clean", 1, 300)
    (repository.path / f"index.{repository.last}").unlink()
    verdict, baseline = audit(str(repository.path), None, "create")
    assert baseline is not None
    assert (baseline.objects, baseline.manifest, baseline.manifest_floor) == (None, 0, 0)


def test_a_full_audit_misses_the_index(made: tuple[FakeRepository, Baseline]) -> None:
    repository, _baseline = made
    (repository.path / f"index.{repository.last}").unlink()
    alarm(full_audit(str(repository.path)), "tampering: there is no index")


def test_more_deletions_than_an_audit_follows_are_an_alarm(
    made: tuple[FakeRepository, Baseline], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, baseline = made
    monkeypatch.setattr(changes, "_DELETED_LIMIT", 2)
    repository.session(deletes=[key(1), key(2)], manifest=700)
    assert "more than 2 objects" not in str(judge(repository, baseline).findings)
    repository.session(deletes=[key(3)], manifest=700)
    alarm(judge(repository, baseline), "more than 2 objects were deleted")


def test_two_lists_of_one_session_that_are_compressed_alike_raise_the_floor(
    made: tuple[FakeRepository, Baseline],
) -> None:
    repository, baseline = made
    repository.session(manifest=860)
    repository.session(manifest=900)
    after = audit(str(repository.path), baseline, "append")[1]
    assert after is not None
    assert after.manifest_floor == 900


def test_what_a_session_deletes_again_is_not_stored() -> None:
    assert Changes(put=5, deleted=3, size=100, freed=40).stored == {"objects": 2, "bytes": 60}
    assert Changes(put=1, deleted=3, size=10, freed=-5).stored == {"objects": 0, "bytes": 10}
    assert Changes(put=1, size=10).stored == {"objects": 1, "bytes": 10}


def test_what_cannot_be_read_after_a_compaction_is_an_alarm(made: tuple[FakeRepository, Baseline]) -> None:
    repository, baseline = made
    (repository.path / "config").unlink()
    (repository.path / "config").mkdir()
    found, kept = rebase(str(repository.path), baseline)
    alarm(found, "")
    assert kept == baseline
