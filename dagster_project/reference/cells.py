"""What one node has released of one contig: numbers, groups, drawings and the verdicts of its checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import dagster as dg
import numpy as np
import numpy.typing as npt

from dagster_project.drawing import bars, density, histogram
from dagster_project.events import Facts, Result
from dagster_project.evidence import offending, rows_from
from dagster_project.partitions import Cell
from dagster_project.place import HERE
from dagster_project.reference.bench import MEND, History
from goe_lake.engine.frequency_store import NODE_ROWS, NodeRelease
from goe_lake.errors import LakeError
from goe_lake.products.frequencies.schema import DESCRIPTIONS

RELEASED: Final = HERE.key("released_frequencies")
#: A frequency that differs by more than this from another country's is rare among neighbours.
FAR: Final = 0.3
#: A frequency that moves by more than this from one release to the next is not growth alone.
MOVED: Final = 0.1
MOST_FAR: Final = 0.01
MOST_MOVED: Final = 0.001
#: Called alleles of the others from which on a difference says something.
LEAST_ALLELES: Final = 100
#: Sites from which on a share is no chance.
LEAST_SITES: Final = 50
BINS: Final = 24

_COUNTED: Final = {
    "n_called": "Samples with a called allele",
    "n_persons": "Samples of the group",
}
COLUMNS: Final = dg.TableSchema(
    columns=[
        dg.TableColumn(
            name,
            str(NODE_ROWS.field(name).type),
            DESCRIPTIONS.get(name, _COUNTED.get(name)),
            dg.TableColumnConstraints(nullable=NODE_ROWS.field(name).nullable),
        )
        for name in NODE_ROWS.names
    ]
)
CHECKS: Final = (
    dg.AssetCheckSpec(
        "nothing_small",
        asset=RELEASED,
        blocking=True,
        description="No row, and no total less its parts, tells of fewer carriers, others or persons than "
        "the node's policy asks for; counted from the files by SQL of its own.",
    ),
    dg.AssetCheckSpec(
        "possible_counts",
        asset=RELEASED,
        blocking=True,
        description="AC is at most AN, the classes add up to AC, and no count is below 0.",
    ),
    dg.AssetCheckSpec(
        "moved_since_release_before",
        asset=RELEASED,
        description=f"At most {MOST_MOVED:.1%} of the sites moved by more than {MOVED} in allele frequency "
        "since the node's release before.",
    ),
    dg.AssetCheckSpec(
        "far_from_other_countries",
        asset=RELEASED,
        description=f"At most {MOST_FAR:.0%} of the sites lie more than {FAR} in allele frequency from the "
        "other countries' releases: more means another strand or assembly before it means history.",
    ),
)


@dataclass(frozen=True)
class Frequencies:
    """Allele frequencies (0..1) of all persons of the node by site; NaN where not told or not there."""

    own: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    others: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    before: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def beyond(self, other: npt.NDArray[np.float64], bound: float) -> tuple[int, int]:
        """Sites that both tell, and how many of them differ by more than *bound*."""
        apart = np.abs(self.own - other)
        return int(np.count_nonzero(~np.isnan(apart))), int(np.count_nonzero(apart > bound))


@dataclass(frozen=True)
class Released:
    """One contig of one node's release in numbers; no count of it is from outside the release.

    *small* and *impossible* count rows that must not be; *least* is the number of carriers that is asked
    for, 0 where protection is off; *moved* and *far* are sites compared, and sites beyond the bound.
    """

    cell: Cell
    number: int
    sites: int
    rows: int
    told: int
    least: int
    small: int
    impossible: int
    moved: tuple[int, int]
    far: tuple[int, int]
    groups: Sequence[Mapping[str, Any]]
    frequencies: Frequencies
    version: str

    @property
    def sound(self) -> bool:
        """Whether every blocking check passes."""
        return not self.small and not self.impossible


def version_of_cell(history: History, cell: Cell) -> str:
    """The data version of one contig of the node's standing release: a digest of its rows."""
    files = _standing(history, cell.node).contig(cell.contig)
    return "empty" if files is None else files.sha256[files.rows][:16]


def released_cell(history: History, cell: Cell) -> Released:
    """Read what the node has released of the contig. Raises LakeError where it has released nothing."""
    release, all_releases = _standing(history, cell.node), history[cell.node]
    version = version_of_cell(history, cell)
    files = release.contig(cell.contig)
    if files is None:
        return Released(
            cell, release.number, 0, 0, 0, _least(release), 0, 0, (0, 0), (0, 0), (), Frequencies(), version
        )
    rows = release.folder / files.rows
    groups = rows_from("released_groups", {"file": str(rows)})
    before = next((_rows(old, cell.contig) for old in reversed(all_releases[:-1])), None)
    frequencies = _frequencies(rows, _others(history, cell), before)
    return Released(
        cell=cell,
        number=release.number,
        sites=files.n_sites,
        rows=files.n_rows,
        told=sum(group["told"] for group in groups),
        least=_least(release),
        small=_small(rows, all_releases),
        impossible=offending("released_impossible", {"file": str(rows)}),
        moved=frequencies.beyond(frequencies.before, MOVED),
        far=frequencies.beyond(frequencies.others, FAR),
        groups=groups,
        frequencies=frequencies,
        version=version,
    )


def _standing(history: History, node: str) -> NodeRelease:
    found = history.get(node, ())
    if not found:
        raise LakeError(node, "the node has released no allele frequencies yet", MEND)
    return found[-1]


def _least(release: NodeRelease) -> int:
    return int(release.rules["min_carriers"]) if release.rules["protection"] == "on" else 0


def _small(rows: Path, all_releases: Sequence[NodeRelease]) -> int:
    """Rows below the threshold: the lowest that the node ever had, because earlier rows may stand."""
    rules = [release.rules for release in all_releases]
    if any(rule["protection"] != "on" for rule in rules):
        return 0
    least = {
        "k": min(int(rule["min_carriers"]) for rule in rules),
        "persons": min(int(rule["min_persons"]) for rule in rules),
    }
    return offending("released_below_threshold", {"file": str(rows), **least})


def _rows(release: NodeRelease, contig: str) -> Path | None:
    files = release.contig(contig)
    return None if files is None else release.folder / files.rows


def _others(history: History, cell: Cell) -> list[Path]:
    """What the other countries have released of the contig, where their lakes are here."""
    found = [_rows(known[-1], cell.contig) for node, known in history.items() if known and node != cell.node]
    return [path for path in found if path is not None]


def _frequencies(rows: Path, others: Sequence[Path], before: Path | None) -> Frequencies:
    # where there is nobody to be compared with, the node's own rows with no allele at all
    parameters = {
        "file": str(rows),
        "others": [str(path) for path in others] or [str(rows)],
        "least": LEAST_ALLELES if others else 1 << 60,
        "before": str(before or rows),
    }
    found = rows_from("released_totals", parameters)
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for row in found], np.float64)
        for name in ("af", "others", "before")
    }
    if before is None:
        columns["before"] = np.full(len(found), np.nan)
    return Frequencies(columns["af"], columns["others"], columns["before"])


def cell_result(released: Released, checks: Sequence[dg.AssetCheckResult] = ()) -> Result:
    """What Dagster keeps of one contig of a node's release, with the verdicts of its *checks*."""
    shown: Facts = {
        "dagster/partition_row_count": released.rows,
        "dagster/column_schema": COLUMNS,
        "release": released.number,
        "sites": released.sites,
        "told_allele_counts": released.told,
        "withheld_allele_counts": released.rows - released.told,
        "sites_compared_with_others": released.far[0],
    }
    if released.groups:
        shown["by_group"] = dg.MetadataValue.table([dg.TableRecord(dict(group)) for group in released.groups])
        shown |= {f"plot_{name}": dg.MetadataValue.md(plot) for name, plot in cell_plots(released).items()}
    return dg.MaterializeResult(
        asset_key=RELEASED,
        metadata=shown,
        check_results=list(checks),
        data_version=dg.DataVersion(released.version),
    )


def cell_plots(released: Released) -> dict[str, str]:
    """Drawings of one contig of a node's release."""
    found, name = released.frequencies, f"{released.cell.contig}, {released.cell.node}"
    shares = {
        f"{group['population']} {group['sex']}": 1 - group["told"] / group["sites"]
        for group in released.groups
    }
    plots = {
        "spectrum": histogram(f"Allele frequencies told, {name}", {"sites": found.own}, 0.0, 1.0),
        "withheld": bars(f"Share of sites whose AC is withheld, {name}", dict(list(shares.items())[:12])),
    }
    if released.far[0]:
        plots["others"] = _against(found.own, found.others, name, "all other countries")
    if released.moved[0]:
        plots["before"] = _against(found.own, found.before, name, "the release before")
    return plots


def _against(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64], name: str, against: str) -> str:
    both = ~np.isnan(own) & ~np.isnan(other)
    counts, _, _ = np.histogram2d(own[both], other[both], BINS, ((0, 1), (0, 1)))
    return density(f"AF of {name} against {against}", counts.astype(np.int64), "AF", "other AF")


def cell_checks(cells: Sequence[Released]) -> Iterator[dg.AssetCheckResult]:
    """The checks of `released_frequencies` over all *cells* of a run: Dagster keeps one of each."""
    for name, fault in (("nothing_small", "small"), ("possible_counts", "impossible")):
        faults = sum(getattr(cell, fault) for cell in cells)
        numbers: Facts = {"rows": sum(cell.rows for cell in cells), "offending": faults}
        if name == "nothing_small":
            numbers |= {"least_carriers": min((cell.least for cell in cells), default=0)}
            unprotected = sorted({cell.cell.node for cell in cells if not cell.least})
            if unprotected:
                numbers["protection_is_off"] = ", ".join(unprotected)
        yield _verdict(name, not faults, numbers, [(c, c.rows, getattr(c, fault)) for c in cells], None)
    for name, part, bound in (
        ("moved_since_release_before", "moved", MOST_MOVED),
        ("far_from_other_countries", "far", MOST_FAR),
    ):
        pairs = [(cell, *getattr(cell, part)) for cell in cells]
        compared, beyond = sum(pair[1] for pair in pairs), sum(pair[2] for pair in pairs)
        passed = all(sites < LEAST_SITES or far <= bound * sites for _, sites, far in pairs)
        other = [getattr(cell.frequencies, "before" if part == "moved" else "others") for cell in cells]
        plot = None
        if compared:
            own = np.concatenate([cell.frequencies.own for cell in cells])
            where = "the release before" if part == "moved" else "all other countries"
            plot = _against(own, np.concatenate(other), _names(cells), where)
        yield _verdict(name, passed, {"sites_compared": compared, "beyond": beyond, "accepted_share": bound},
                       pairs, plot)  # fmt: skip


def _names(cells: Sequence[Released]) -> str:
    nodes = sorted({cell.cell.node for cell in cells})
    contigs = list(dict.fromkeys(cell.cell.contig for cell in cells))
    return f"{contigs[0] if len(contigs) == 1 else f'{len(contigs)} contigs'}, {', '.join(nodes)}"


def _verdict(
    name: str, passed: bool, numbers: Facts, rows: Sequence[tuple[Released, int, int]], plot: str | None
) -> dg.AssetCheckResult:
    spec = next(spec for spec in CHECKS if spec.name == name)
    metadata = dict(numbers)
    metadata["by_node"] = dg.MetadataValue.table(_by_node(rows))
    found = [f"{cell.cell.contig} of {cell.cell.node}" for cell, _, beyond in rows if beyond]
    if found:
        metadata["found_in"] = ", ".join(found)
    if plot is not None:
        metadata["plot"] = dg.MetadataValue.md(plot)
    severity = dg.AssetCheckSeverity.ERROR if spec.blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=RELEASED, check_name=name, passed=passed, metadata=metadata, severity=severity
    )


def _by_node(rows: Sequence[tuple[Released, int, int]]) -> list[dg.TableRecord]:
    """How many rows, or sites, of each node were looked at, and how many of them were found."""
    summed: dict[str, list[int]] = {}
    for cell, looked, found in rows:
        line = summed.setdefault(cell.cell.node, [0, 0])
        line[0], line[1] = line[0] + looked, line[1] + found
    return [
        dg.TableRecord({"node": node, "looked at": looked, "found": found})
        for node, (looked, found) in summed.items()
    ]


def unsound(released: Released) -> dg.Failure:
    """The failure about rows that must not leave the node."""
    cell = f"{released.cell.contig} of {released.cell.node}"
    return dg.Failure(
        f"{cell}: release {released.number} has {released.small} rows below the node's threshold and "
        f"{released.impossible} with impossible counts; no union is made of it. Keep the release where it is "
        "and report it with the version of goe_lake",
        metadata={"rows_below_threshold": released.small, "rows_impossible": released.impossible},
        allow_retries=False,
    )
