"""Publishing and reading: the same bytes every time, the old state or the new one, nothing between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import InputError, LakeError
from goe_lake.lake import Manifest, convert, current_id, ingest, open_snapshot, plan, publish
from goe_lake.lake.lock import only_publisher
from tests.lake.nodes import built, make_node, rows, tree, vcf_text, write_file

TABLE = "sample_id\tsex\tpopulation\na\tF\tX\nb\tM\tX\nc\tM\tY\n"


def small_node(folder: Path, *more: str) -> NodeConfig:
    """Two contigs, two deliveries, unsorted records."""
    first = vcf_text(
        ("a", "b"), ["1 200 A C | 0/1 0/0", "1 100 A C,G | 1/2 ./.", "X 5000000 A C | 0/1 1", *more]
    )
    second = vcf_text(("c",), ["1 150 AT A | 1/1"])
    return make_node(folder, [{"1.vcf.gz": first}, {"2.vcf": second}], TABLE)


def test_two_ingests_in_two_folders_give_the_same_tree(tmp_path: Path) -> None:
    """No time, no host path, no order of threads: every published byte is the same."""
    trees = []
    for name in ("here", "somewhere/else"):
        config = small_node(tmp_path / name)
        built(config)
        shutil.rmtree(config.lake / "staging")
        trees.append(tree(config.lake))
    assert trees[0] == trees[1]
    assert not any(str(tmp_path).encode() in content for content in trees[0].values())


def test_ingesting_again_reuses_what_was_converted(tmp_path: Path) -> None:
    """The same snapshot; the report names the partitions that were not converted again."""
    config = small_node(tmp_path)
    first, report = built(config)
    assert report.reused == ()
    before = tree(config.lake)
    second, report = built(config)
    assert second.snapshot_id == first.snapshot_id
    assert report.reused == ("chr1, delivery 1", "chr1, delivery 2", "chrX, delivery 1")
    assert tree(config.lake) == before


def test_converting_twice_gives_the_same_files(tmp_path: Path) -> None:
    """A partition is made anew each time, and a published file stays untouched by that."""
    config = small_node(tmp_path)
    snapshot, _ = built(config)
    planned = plan(config, min_label_persons=1)
    part = planned.partition("chr1", planned.batches[0].digest)
    before, first = tree(config.lake), convert(planned, part)
    assert convert(planned, part) == first
    after = tree(config.lake)
    added = f"staging/{part.folder}/calls.parquet"
    assert after.pop(added) == snapshot.files("calls", "chr1", part.batch)[0].read_bytes()
    assert after == before
    assert publish(planned) == snapshot
    assert tree(config.lake) == before


def test_a_crash_before_publishing_leaves_the_old_snapshot(tmp_path: Path) -> None:
    """Whatever lies in staging, readers see the old state, and the next ingest works."""
    config = small_node(tmp_path)
    old, _ = built(config)
    changed = small_node(tmp_path, "1 300 A C | 0/1 0/0")
    planned = plan(changed, min_label_persons=1)
    for part in planned.partitions[:1]:
        convert(planned, part)
    half = planned.staging / planned.partitions[1].folder
    half.mkdir(parents=True, exist_ok=True)
    (half / "calls.parquet").write_bytes(b"half a file")
    (half / "summary.json").write_text('{"half": ')
    assert open_snapshot(config.lake) == old
    old.verify()
    new, report = built(changed)
    assert new.snapshot_id != old.snapshot_id
    assert report.sites == old.manifest.contigs[0].sites + 2
    assert open_snapshot(config.lake, old.snapshot_id) == old
    old.verify()


def test_a_crash_while_publishing_leaves_the_old_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the swap of CURRENT nothing is visible; after it everything is there."""
    config = small_node(tmp_path)
    old, _ = built(config)
    changed = small_node(tmp_path, "1 300 A C | 0/1 0/0")
    planned = plan(changed, min_label_persons=1)
    for part in planned.partitions:
        convert(planned, part)
    replace, times = Path.replace, 0
    for last in range(1, 100):
        times = 0

        def crash(self: Path, target: Path, last: int = last) -> Path:
            nonlocal times
            times += 1
            if times == last:
                raise KeyboardInterrupt
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", crash)
        try:
            publish(planned)
            break
        except KeyboardInterrupt:
            assert open_snapshot(config.lake) == old
            old.verify()
    assert last > 3
    assert open_snapshot(config.lake).snapshot_id != old.snapshot_id


def test_publishing_needs_every_partition_as_it_was_converted(tmp_path: Path) -> None:
    """One that is absent, or changed since, is named with the mend."""
    config = small_node(tmp_path)
    planned = plan(config, min_label_persons=1)
    for part in planned.partitions[1:]:
        convert(planned, part)
    with pytest.raises(LakeError, match=r"was not converted\. convert it: contig chr1"):
        publish(planned)
    convert(planned, planned.partitions[0])
    calls = planned.staging / planned.partitions[0].folder / "calls.parquet"
    calls.write_bytes(calls.read_bytes() + b" ")
    with pytest.raises(LakeError, match="is absent or was changed after it was converted"):
        publish(planned)
    assert current_id(config.lake) is None


def test_an_input_error_leaves_the_old_snapshot(tmp_path: Path) -> None:
    """Nothing that fails is published."""
    config = small_node(tmp_path)
    old, _ = built(config)
    write_file(tmp_path / "2.vcf", vcf_text(("c",), ["1 150 AT A | 1/1/1"]))
    with pytest.raises(InputError):
        built(config)
    assert open_snapshot(config.lake) == old
    old.verify()


def test_a_new_delivery_and_a_new_label_need_little_work(tmp_path: Path) -> None:
    """What was converted stays; strata and samples follow the new table."""
    config = small_node(tmp_path)
    built(config)
    write_file(tmp_path / "samples.tsv", TABLE.replace("b\tM\tX", "b\tM\tY"))
    snapshot, report = built(read_node(tmp_path / "node.toml"))
    assert len(report.reused) == 3
    populations = [
        (row["population"], row["sex"], row["n_persons"]) for row in rows(snapshot, "strata", contig="chrX")
    ]
    assert populations == [("X", "F", 1), ("Y", "M", 2)]


def test_a_lake_that_is_not_as_its_manifest_says_is_refused(tmp_path: Path) -> None:
    """No lake, no such snapshot, an absent file, another size, another content, a changed manifest."""
    with pytest.raises(LakeError, match="is not a lake yet"):
        open_snapshot(tmp_path)
    config = small_node(tmp_path)
    snapshot, _ = built(config)
    for unknown in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(LakeError, match="there is no snapshot"):
            open_snapshot(config.lake, unknown)
    path = snapshot.files("variants", "chr1")[0]
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(LakeError, match="lists this file and it is absent"):
        open_snapshot(config.lake)
    path.write_bytes(content + b" ")
    with pytest.raises(LakeError, match=r"has \d+ bytes, the manifest says"):
        open_snapshot(config.lake)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(LakeError, match="content is not what the manifest says"):
        open_snapshot(config.lake).verify()
    path.write_bytes(content)
    open_snapshot(config.lake).verify()
    listed = config.lake / "snapshots" / f"{snapshot.snapshot_id}.json"
    listed.write_text(listed.read_text().replace('"samples": 3', '"samples": 4', 1))
    with pytest.raises(LakeError, match="does not give the snapshot id"):
        open_snapshot(config.lake)


@pytest.mark.parametrize("table", ["calls", "variants", "samples"])
def test_ingesting_again_mends_a_damaged_lake(table: str, tmp_path: Path) -> None:
    """What the message proposes works, for a file that is gone and for one that was changed."""
    config = small_node(tmp_path)
    snapshot, _ = built(config)
    path = snapshot.files(table)[0]
    content = path.read_bytes()
    path.unlink()
    assert built(config)[0] == snapshot
    path.write_bytes(content[:-1] + b"x")
    assert built(config)[0] == snapshot
    snapshot.verify()


def test_the_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    """Its JSON holds everything, sources by their path beside node.toml, and gives its own id."""
    snapshot, _ = built(small_node(tmp_path))
    manifest = snapshot.manifest
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json())["version"] == "manifest/2"
    assert [source.path for source in manifest.sources] == ["1.vcf.gz", "2.vcf", "samples.tsv"]
    assert {file.path.rsplit("/", 1)[0] for file in manifest.files if file.contig == "chrX"} == {
        "variants/contig=chrX",
        "strata/contig=chrX",
        f"calls/contig=chrX/batch={snapshot.batches[0].digest}",
        f"ploidy/contig=chrX/batch={snapshot.batches[0].digest}",
    }
    assert all(
        (file.min_pos, file.max_pos) == (100, 200)
        for file in manifest.files
        if file.path.startswith("variants/contig=chr1/")
    )


def test_files_are_found_by_table_contig_and_batch(tmp_path: Path) -> None:
    """Readers open only what the manifest lists."""
    snapshot, _ = built(small_node(tmp_path))
    first, second = (batch.digest for batch in snapshot.batches)
    assert len(snapshot.files("calls")) == 3
    assert len(snapshot.files("calls", "chr1")) == 2
    assert len(snapshot.files("calls", batch=first)) == 2
    assert snapshot.files("calls", "chrX", second) == ()
    assert snapshot.contigs == ("chr1", "chrX")
    assert [(batch.persons, batch.absent_sites) for batch in snapshot.batches] == [
        (2, "not_called"),
        (1, "not_called"),
    ]
    assert all(path.is_relative_to(snapshot.root) for path in snapshot.files("variants"))


class Steps:
    """Collects what an ingest says about its progress."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.finished: list[str] = []

    def start(self, step: str, total: int) -> None:
        self.totals[step], self.done[step] = total, 0

    def advance(self, step: str, done: int) -> None:
        self.done[step] += done

    def finish(self, step: str) -> None:
        self.finished.append(step)


def test_progress_tells_steps_and_totals(tmp_path: Path) -> None:
    """Every step that begins also ends, with all of its units done."""
    steps = Steps()
    ingest(small_node(tmp_path), min_label_persons=1, progress=steps)
    assert steps.totals == {
        "read files": 2, "convert chr1, delivery 1": 2, "convert chr1, delivery 2": 1,
        "convert chrX, delivery 1": 1, "publish": 2, "compare persons": 1,
    }  # fmt: skip
    assert steps.done == steps.totals
    assert sorted(steps.finished) == sorted(steps.totals)


def test_two_processes_do_not_publish_at_once(tmp_path: Path) -> None:
    """The second is told; the lock ends with its holder."""
    config = small_node(tmp_path)
    planned = plan(config, min_label_persons=1)
    for part in planned.partitions:
        convert(planned, part)
    with only_publisher(planned.staging), pytest.raises(LakeError, match="another ingest is publishing"):
        publish(planned)
    assert publish(planned).contigs == ("chr1", "chrX")
