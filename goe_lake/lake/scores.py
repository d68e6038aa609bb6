"""Scores that a node has already computed: from its files to the columns of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pyarrow as pa

from goe_lake.catalog import Score
from goe_lake.config import NodeConfig
from goe_lake.errors import InputError
from goe_lake.lake.layout import SCORES
from goe_lake.lake.quarantine import Entry
from goe_lake.lake.samples import toml_text
from goe_lake.lake.tables import column_of, read_text_table, require_columns
from goe_lake.lake.values import Misfit, Scale, Unfit, check_fits, check_share
from goe_lake.vcf.arrow import Vector, array, pc, same_as_next


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The scores of a node in stored form, sorted by sample_id and pgs_id."""

    table: pa.Table
    quarantined: tuple[Entry, ...]


def read_scores(
    config: NodeConfig, names: Mapping[Path, str], samples: Iterable[str], known: Iterable[str]
) -> ScoreTable:
    """Read all score files of *config*; *names* are the files as quarantine entries call them.

    *samples* are the sample ids that the lake will hold; rows of others who are *known* are left out,
    since they have withdrawn. Each score is rounded at its own resolution and stored in the steps of
    the table's column. Raises InputError.
    """
    facts = {score.pgs_id: score for score in config.scores}
    step = config.catalog().column("scores", "score").step
    for score in config.scores:
        check_fits(config, f"scores.columns.{score.pgs_id}", score.bounds, step)
    persons = _Persons(array(list(samples), pa.string()), array(list(known), pa.string()))
    tables: list[pa.Table] = []
    entries: list[Entry] = []
    for path in config.score_files:
        table, found = _read_file(config, path, names[path], facts, step, persons)
        tables.append(table)
        entries += found
    merged = pa.concat_tables(tables) if tables else SCORES.empty_table()
    ordered = merged.sort_by([("sample_id", "ascending"), ("pgs_id", "ascending")])
    _check_once(config, ordered)
    return ScoreTable(ordered, tuple(entries))


@dataclass(frozen=True, eq=False)
class _Persons:
    """Sample ids: of those who stay, and of all who are known."""

    staying: Vector
    known: Vector

    def leave_out(self, texts: pa.Table) -> pa.Table:
        """The rows of samples that stay, or that nobody knows."""
        ids = column_of(texts, "sample_id")
        return texts.filter(pc.or_(pc.is_in(ids, self.staying), pc.invert(pc.is_in(ids, self.known))))


def _read_file(
    config: NodeConfig, path: Path, name: str, facts: Mapping[str, Score], step: Fraction, samples: _Persons
) -> tuple[pa.Table, list[Entry]]:
    whole = read_text_table(path)
    require_columns(path, whole, ("sample_id", "pgs_id", "score"))
    texts = samples.leave_out(whole)
    persons, ids, values = (column_of(texts, column) for column in ("sample_id", "pgs_id", "score"))
    _check_ids(path, ids, facts)
    if persons.null_count:
        raise InputError(path, "a sample_id is empty", "name the sample in every row")
    unknown = persons.filter(pc.invert(pc.is_in(persons, samples.staying))).unique().to_pylist()
    if unknown:
        shown = ", ".join(str(sample) for sample in unknown[:5])
        raise InputError(
            path,
            f"{len(unknown)} samples are not in the samples table: {shown}",
            "add them there, or remove them here",
        )
    stored, misfits = _scale(ids, values, facts, step)
    check_share(config, path, "score", misfits, len(values) - values.null_count, "scores.columns")
    entries = [
        Entry(
            name,
            misfit.reason,
            f"sample {persons[misfit.row]}",
            column=str(ids[misfit.row]),
            value=misfit.value,
        )
        for misfit in misfits
    ]
    return pa.table([persons, ids, stored], schema=SCORES), entries


def _check_ids(path: Path, ids: Vector, facts: Mapping[str, Score]) -> None:
    found = ids.unique()
    if found.null_count:
        raise InputError(path, "a pgs_id is empty", "name the score in every row")
    missing = sorted(pgs_id for pgs_id in found.to_pylist() if pgs_id not in facts)
    if missing:
        lines = "".join(
            f"[scores.columns.{toml_text(pgs_id)}]\nbounds = [lowest, highest]\nresolution = 0.0001\n"
            for pgs_id in missing
        )
        raise InputError(
            path,
            f"node.toml states no bounds and resolution for {', '.join(missing[:5])}",
            f"add below the [[scores]] entry, with the extreme sums of each score:\n{lines}",
        )


def _scale(
    ids: Vector, values: Vector, facts: Mapping[str, Score], step: Fraction
) -> tuple[Vector, list[Misfit]]:
    scales = {pgs_id: Scale(Fraction(score.resolution), score.bounds) for pgs_id, score in facts.items()}
    times = {pgs_id: int(scale.step / step) for pgs_id, scale in scales.items()}
    stored: list[int | None] = []
    misfits: list[Misfit] = []
    for row, (pgs_id, text) in enumerate(zip(ids.to_pylist(), values.to_pylist(), strict=True)):
        try:
            number = None if text is None else scales[pgs_id].read(text) * times[pgs_id]
        except Unfit as misfit:
            number = None
            misfits.append(Misfit(row, str(misfit), text))
        stored.append(number)
    return array(stored, pa.int64()), misfits


def _check_once(config: NodeConfig, ordered: pa.Table) -> None:
    """Raise InputError where a sample has two scores of one id."""
    same = same_as_next(ordered, ("sample_id", "pgs_id"))
    if same.any():
        row = int(same.argmax())
        raise InputError(
            ", ".join(str(path) for path in config.score_files),
            f"sample {ordered['sample_id'][row]} has {ordered['pgs_id'][row]} twice",
            "keep one row for each sample_id and pgs_id",
        )
