"""How much memory a daemon may take: of its control groups, of either version, and of the machine."""

from pathlib import Path

import pytest

from asyncjobd.engine import memory

MB = 1_000_000
NEVER = 2**63 - 4096  # what version 1 writes for no limit


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "UNIFIED", memory.UNIFIED._replace(root=tmp_path / "unified"))
    monkeypatch.setattr(memory, "LEGACY", memory.LEGACY._replace(root=tmp_path / "legacy"))
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    return tmp_path


def unified(group: Path, taken: int, high: str = "max", highest: str = "max") -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.current").write_text(f"{taken}\n")
    (group / "memory.stat").write_text(f"anon 5\ninactive_file {MB}\n")
    (group / "memory.high").write_text(f"{high}\n")
    (group / "memory.max").write_text(f"{highest}\n")


@pytest.mark.parametrize(
    ("high", "highest", "limit"), [("max", "5000000", 5), ("4000000", "5000000", 4), ("4000000", "max", 4)]
)
def test_limit_of_a_unit_counts_all_its_processes(root: Path, high: str, highest: str, limit: int) -> None:
    unified(root / "unified/system.slice/asyncjobd.service", 5 * MB, high, highest)
    unified(root / "unified/system.slice", 6 * MB)
    (root / "own").write_text("0::/system.slice/asyncjobd.service\n")
    assert memory.memory_share() == (4 * MB, limit * MB)


def test_tightest_group_counts(root: Path) -> None:
    unified(root / "unified/a/b", 3 * MB, highest="100000000")
    unified(root / "unified/a", 9 * MB, highest="10000000")
    (root / "own").write_text("0::/a/b\n")
    assert memory.memory_share() == (8 * MB, 10 * MB)


def test_groups_of_version_1_count(root: Path) -> None:
    group = root / "legacy/unit"
    group.mkdir(parents=True)
    (group / "memory.usage_in_bytes").write_text(f"{9 * MB}")
    (group / "memory.stat").write_text(f"inactive_file 7\ntotal_inactive_file {MB}\n")
    (group / "memory.limit_in_bytes").write_text(f"{10 * MB}")
    (root / "own").write_text("4:cpu,cpuacct:/unit\n3:cpuset,memory:/unit\n1:name=systemd:/x\x0b:y\n0::/\n")
    assert memory.memory_share() == (8 * MB, 10 * MB)


@pytest.mark.parametrize("own", ["0::/not/seen/in/this/container\n", "", "3:memory:/unit\n"])
def test_without_a_limit_the_machine_counts(root: Path, own: str) -> None:
    group = root / "legacy/unit"
    group.mkdir(parents=True)
    (group / "memory.usage_in_bytes").write_text("9")
    (group / "memory.stat").write_text("total_inactive_file 0\n")
    (group / "memory.limit_in_bytes").write_text(f"{NEVER}")
    (root / "own").write_text(own)
    taken, limit = memory.memory_share()
    assert taken == pytest.approx(memory.process_size(), rel=0.2) and limit < NEVER


def test_group_that_may_take_nothing_is_full(root: Path) -> None:
    unified(root / "unified/a", 2 * MB, high="0")
    (root / "own").write_text("0::/a\n")
    assert memory.memory_share() == (MB, 0)


def test_group_whose_statistics_are_others_is_left_out(root: Path) -> None:
    unified(root / "unified/a", 9 * MB, highest=f"{10 * MB}")
    (root / "unified/a/memory.stat").write_text("anon 5\n")
    (root / "own").write_text("0::/a\n")
    assert memory.memory_share().limit > 10 * MB
