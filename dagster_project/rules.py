"""The rules that every published snapshot keeps, each judged over the lakes of all nodes at once.

Dagster shows the newest verdict of a check, so a verdict about one node would hide another's.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from dagster_project.contigs import LOWEST_CALL_RATE
from dagster_project.evidence import (
    disordered_sites,
    impossible_counts,
    persons_without_sample,
    rows_of,
    unknown_scores,
)
from dagster_project.place import HERE
from dagster_project.snapshots import Lake
from goe_lake.lake import Snapshot, find_duplicates

#: Files that have waited longer than this to be published are worth a look.
MOST_HOURS_WAITING: Final = 12.0
#: A larger share of samples without genotypes is more than a few that were sequenced later.
MOST_WITHOUT_GENOTYPES: Final = 0.1

Numbers = Mapping[str, float | str]
#: Whether all is well, and the numbers behind it.
Verdict = tuple[bool, Numbers]


@dataclass(frozen=True)
class Rule:
    """One check of a snapshot: what Dagster says of it, who judges, and how bad a breach is."""

    spec: dg.AssetCheckSpec
    judge: Callable[[Sequence[Lake]], Verdict]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


def judge_rules(
    lakes: Sequence[Lake], chosen: Container[dg.AssetCheckKey] | None = None
) -> Iterator[dg.AssetCheckResult]:
    """The results of the *chosen* rules, or of all, over every lake that has a snapshot."""
    for rule in RULES:
        if chosen is None or rule.spec.key in chosen:
            passed, numbers = rule.judge(lakes)
            yield dg.AssetCheckResult(
                asset_key=rule.spec.asset_key,
                check_name=rule.spec.name,
                passed=passed,
                metadata=dict(numbers),
                severity=rule.severity,
            )


def _built(lakes: Sequence[Lake]) -> list[Snapshot]:
    return [lake.snapshot for lake in lakes if lake.snapshot is not None]


def _rows(lakes: Sequence[Lake], table: str) -> int:
    return sum(
        file.rows for snapshot in _built(lakes) for file in snapshot.manifest.files if file.table == table
    )


def settings_read(lakes: Sequence[Lake]) -> Verdict:
    """What is wrong with the settings of each node that cannot be read."""
    unread = {lake.node: lake.unread for lake in lakes if lake.unread}
    return not unread, {"nodes": len(lakes), "offending": len(unread), **unread}


def delivered_is_published(lakes: Sequence[Lake]) -> Verdict:
    """For how many hours files have waited that are in no snapshot, the longest wait first."""
    waiting = {lake.node: round(lake.waits, 1) for lake in lakes if lake.waits}
    longest = max(waiting.values(), default=0.0)
    return longest <= MOST_HOURS_WAITING, {"longest": longest, "accepted": MOST_HOURS_WAITING, **waiting}


def samples_with_genotypes(lakes: Sequence[Lake]) -> Verdict:
    """How many samples of the samples tables have no genotypes."""
    manifests = [snapshot.manifest for snapshot in _built(lakes)]
    samples, genotyped = sum(m.samples for m in manifests), sum(m.genotyped for m in manifests)
    share = (samples - genotyped) / samples if samples else 0.0
    numbers = {"samples": samples, "without_genotypes": samples - genotyped, "share": share}
    return share <= MOST_WITHOUT_GENOTYPES, {**numbers, "accepted": MOST_WITHOUT_GENOTYPES}


def every_node_published(lakes: Sequence[Lake]) -> Verdict:
    """Which nodes have no snapshot that can be read."""
    without = [lake.node for lake in lakes if lake.snapshot is None]
    return not without, {"nodes": len(lakes), "without": len(without), "which": ", ".join(without)}


def scores_of_known_samples(lakes: Sequence[Lake]) -> Verdict:
    """How many scores are of a sample that the samples table lacks, or stand twice."""
    offending = sum(
        unknown_scores(snapshot.files("scores"), snapshot.files("samples")) for snapshot in _built(lakes)
    )
    return not offending, {"scores": _rows(lakes, "scores"), "offending": offending}


def files_as_listed(lakes: Sequence[Lake]) -> Verdict:
    """Sizes were compared when the snapshot was opened; here the rows are."""
    troubles = {lake.node: lake.trouble for lake in lakes if lake.trouble}
    files = [(snapshot.root, file) for snapshot in _built(lakes) for file in snapshot.manifest.files]
    other = sum(rows_of(root / file.path) != file.rows for root, file in files)
    return not troubles and not other, {"files": len(files), "offending": other + len(troubles), **troubles}


def call_rate(lakes: Sequence[Lake]) -> Verdict:
    """The lowest call rate of a contig of a node, and where it is."""
    rates = {
        f"{counts.contig} of {lake.node}": 1 - counts.no_call_rate
        for lake in lakes
        if lake.snapshot is not None
        for counts in lake.snapshot.manifest.contigs
        if counts.no_call_rate is not None
    }
    if not rates:
        return True, {"lowest_accepted": LOWEST_CALL_RATE}
    lowest = min(rates, key=rates.__getitem__)
    numbers: Numbers = {"lowest": rates[lowest], "at": lowest, "lowest_accepted": LOWEST_CALL_RATE}
    return rates[lowest] >= LOWEST_CALL_RATE, numbers


def persons_in_samples(lakes: Sequence[Lake]) -> Verdict:
    """How many genotyped persons the samples tables lack."""
    built = _built(lakes)
    unknown = sum(
        persons_without_sample(snapshot.files("persons"), snapshot.files("samples")) for snapshot in built
    )
    return not unknown, {
        "genotyped": sum(snapshot.manifest.genotyped for snapshot in built),
        "offending": unknown,
    }


def everybody_once(lakes: Sequence[Lake]) -> Verdict:
    """How many pairs of persons are one by their genotypes, and pairs of samples of one that are two.

    In numbers only: `goe lake duplicates` names them.
    """
    found = [find_duplicates(snapshot) for snapshot in _built(lakes)]
    pairs = sum(len(check.duplicates) + len(check.mismatched) for check in found)
    return not pairs, {
        "offending": pairs,
        "pairs_compared": sum(check.compared for check in found),
        "pairs_with_too_few_sites": sum(check.too_few for check in found),
    }


def sorted_unique_keys(lakes: Sequence[Lake]) -> Verdict:
    """How many rows of `variants` do not come after the row before them."""
    offending = sum(
        disordered_sites(file) for snapshot in _built(lakes) for file in snapshot.files("variants")
    )
    return not offending, {"sites": _rows(lakes, "variants"), "offending": offending}


def ac_within_an(lakes: Sequence[Lake]) -> Verdict:
    """How many rows of `strata` have an AC above their AN, or a count below 0."""
    offending = sum(
        impossible_counts(file) for snapshot in _built(lakes) for file in snapshot.files("strata")
    )
    return not offending, {"rows": _rows(lakes, "strata"), "offending": offending}


def every_site_counted(lakes: Sequence[Lake]) -> Verdict:
    """On how many contigs `strata` does not hold each site once for every stratum."""
    offending = sum(_uneven_contigs(snapshot) for snapshot in _built(lakes))
    return not offending, {"sites": _rows(lakes, "variants"), "contigs_offending": offending}


def _uneven_contigs(snapshot: Snapshot) -> int:
    sites, strata = (
        {file.contig: file.rows for file in snapshot.manifest.files if file.table == table}
        for table in ("variants", "strata")
    )
    times = [strata.get(contig, 0) / count for contig, count in sites.items() if count]
    return sum(number != times[0] or number != int(number) or not number for number in times)


def _spec(asset: str, name: str, description: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=HERE.key(asset), description=description, blocking=blocking)


RULES: Final = (
    Rule(
        _spec(
            "checked_input",
            "samples_with_genotypes",
            f"At most {MOST_WITHOUT_GENOTYPES:.0%} of the samples in the samples tables have no genotypes.",
        ),
        samples_with_genotypes,
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        _spec("lake_inventory", "every_node_published", "Every node has a snapshot that can be read."),
        every_node_published,
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        _spec(
            "scores",
            "scores_of_known_samples",
            "Each score stands once, and is of a sample that the samples table holds.",
            blocking=True,
        ),
        scores_of_known_samples,
    ),
    Rule(
        _spec("published_snapshot", "settings_read", "The settings of every node can be read."),
        settings_read,
    ),
    Rule(
        _spec(
            "published_snapshot",
            "delivered_is_published",
            f"No file has waited for more than {MOST_HOURS_WAITING:g} hours to be in the published snapshot.",
        ),
        delivered_is_published,
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        _spec(
            "published_snapshot",
            "files_as_listed",
            "Every file that the manifest lists is there, with its size and its rows.",
            blocking=True,
        ),
        files_as_listed,
    ),
    Rule(
        _spec(
            "published_snapshot",
            "call_rate",
            f"On every contig at least {LOWEST_CALL_RATE:.0%} of the genotypes have a called allele.",
        ),
        call_rate,
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        _spec(
            "samples",
            "persons_in_samples",
            "Everybody with genotypes is in the samples table, so that consent is known.",
            blocking=True,
        ),
        persons_in_samples,
    ),
    Rule(
        _spec(
            "samples",
            "everybody_once",
            "No two persons of a node have the genotypes of one, and no one those of two.",
        ),
        everybody_once,
        dg.AssetCheckSeverity.WARN,
    ),
    Rule(
        _spec(
            "variants",
            "sorted_unique_keys",
            "Every (pos, ref, alt, end_pos) comes after the one before it, so each stands once.",
            blocking=True,
        ),
        sorted_unique_keys,
    ),
    Rule(
        _spec("strata", "ac_within_an", "In no stratum is AC above AN, or a count below 0.", blocking=True),
        ac_within_an,
    ),
    Rule(
        _spec(
            "strata",
            "every_site_counted",
            "Each site of `variants` has a row in `strata` for every stratum of the node.",
            blocking=True,
        ),
        every_site_counted,
    ),
)
SPECS: Final = tuple(rule.spec for rule in RULES)
