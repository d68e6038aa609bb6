"""What a release holds, counted: the numbers behind its notes, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.products.frequencies import manifest as files_of
from goe_lake.products.frequencies.schema import ALL, BOUNDED, OK, coded, label_order, site_places
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.vcf.arrow import Bits, bits_of, pc

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Bounds of allele frequency bins, four a decade; bin 0 lies below the first, frequency 0 included.
AF_EDGES: Final[Floats] = np.logspace(-5, 0, 21)
#: Bounds of bins of -log10 p; the last bin is open.
P_EDGES: Final[Floats] = np.linspace(0, 20, 2001)
#: Bounds of bins of the call rate, by a thousandth.
CALL_EDGES: Final[Floats] = np.linspace(0, 1, 1001)


@dataclass(frozen=True)
class ContigCount:
    """One contig: listed sites, rows of all groups, and those whose allele count is withheld."""

    contig: str
    sites: int
    rows: int
    withheld: int


@dataclass
class Summary:
    """Counts of a release. Histograms have a row for each of *countries*; the first is the union, `all`.

    They count the rows of all persons of a country: *status* by told, bounded, withheld; *spectrum* by
    bin of its own frequency; *placed* and *hidden* all sites, and those withheld there, by bin of the
    union's frequency, or of its lower bound where that is withheld; *departures* by -log10 of the
    Hardy-Weinberg p; *called* by call rate.
    """

    countries: tuple[str, ...]
    contigs: list[ContigCount] = field(default_factory=list)
    status: Numbers = field(init=False)
    spectrum: Numbers = field(init=False)
    placed: Numbers = field(init=False)
    hidden: Numbers = field(init=False)
    departures: Numbers = field(init=False)
    called: Numbers = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.countries)
        self.status = np.zeros((size, 3), np.int64)
        self.spectrum = np.zeros((size, len(AF_EDGES) + 1), np.int64)
        self.placed, self.hidden = np.zeros_like(self.spectrum), np.zeros_like(self.spectrum)
        self.departures = np.zeros((size, len(P_EDGES)), np.int64)
        self.called = np.zeros((size, len(CALL_EDGES) - 1), np.int64)

    def departing(self, most: float) -> Numbers:
        """For each country the sites whose Hardy-Weinberg p is at most *most*, a bound of a bin."""
        return np.asarray(self.departures[:, round(-np.log10(most) * 100) :].sum(axis=1), np.int64)

    def tested(self) -> Numbers:
        """For each country the sites with a Hardy-Weinberg p."""
        return np.asarray(self.departures.sum(axis=1), np.int64)

    def call_rates(self, shares: Iterable[float]) -> Floats:
        """Quantiles of each country's call rates, shape (shares, countries), to a thousandth."""
        cumulated = self.called.cumsum(axis=1)
        found = []
        for share in shares:
            wanted = np.maximum(share * cumulated[:, -1:], 1)
            found.append(CALL_EDGES[1:][np.minimum((cumulated < wanted).sum(axis=1), len(CALL_EDGES) - 2)])
        return np.array(found)


def summarise(release: EuropeanRelease, progress: Progress | None = None) -> Summary:
    """Read the whole release once and count it."""
    countries = {ALL, *(node.country for node in release.manifest.created_from)}
    for contig in release.contigs:
        countries |= set(pc.unique(release.frequencies(contig, ["country"])["country"]).to_pylist())
    summary = Summary(tuple(sorted(countries, key=label_order)))
    steps = OneAtATime(progress)
    steps.start("count", sum(file.rows for file in release.manifest.files if file.kind == files_of.SITES))
    for contig in release.contigs:
        rows = withheld = 0
        for sites, piece in release.pieces(contig):
            rows += len(piece)
            withheld += int(pc.sum(pc.not_equal(piece["status"], OK)).as_py() or 0)
            _count(summary, sites, piece)
            steps.advance("count", len(sites))
        listed = release.manifest.file(files_of.SITES, contig).rows
        summary.contigs.append(ContigCount(contig, listed, rows, withheld))
    steps.finish("count")
    return summary


def _count(summary: Summary, sites: pa.Table, rows: pa.Table) -> None:
    """Add the rows of some sites."""
    everyone = pc.and_(pc.equal(rows["population"], ALL), pc.equal(rows["sex"], ALL))
    totals = rows.filter(pc.fill_null(everyone, False))
    order = {country: place for place, country in enumerate(summary.countries)}
    codes = coded(totals["country"], order)
    told = bits_of(pc.equal(totals["status"], OK))
    bounded = bits_of(pc.equal(totals["status"], BOUNDED))
    _add(summary.status, codes, np.where(told, 0, np.where(bounded, 1, 2)))
    af = _floats(totals, "af")
    known = ~np.isnan(af)
    _add(summary.spectrum, codes[known], _bins(af[known], AF_EDGES))
    place = site_places(sites, totals)
    union = np.full(len(sites), np.nan)
    whole = codes == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        least = _floats(totals, "ac_lower") / _floats(totals, "an")
    union[place[whole]] = np.where(known, af, least)[whole]
    _add_placed(summary, codes, union[place], told)
    p = _floats(totals, "hwe_p")
    tested = ~np.isnan(p)
    with np.errstate(divide="ignore"):
        steep = np.minimum(-np.log10(p[tested]), P_EDGES[-1])
    # a p of 1e-4 belongs to the bin above, rounding or not
    _add(summary.departures, codes[tested], _bins(steep + 1e-9, P_EDGES) - 1)
    rates = np.clip(_floats(totals, "call_rate"), 0, 1)
    has = ~np.isnan(rates)
    places = np.minimum((rates[has] * 1000).astype(np.int64), len(CALL_EDGES) - 2)
    _add(summary.called, codes[has], places)


def _add_placed(summary: Summary, codes: Numbers, union: Floats, told: Bits) -> None:
    seen = ~np.isnan(union)
    _add(summary.placed, codes[seen], _bins(union[seen], AF_EDGES))
    lost = seen & ~told
    _add(summary.hidden, codes[lost], _bins(union[lost], AF_EDGES))


def _bins(values: Floats, edges: Floats) -> Numbers:
    return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)


def _add(counts: Numbers, rows: Numbers, bins: Any) -> None:
    width = counts.shape[1]
    counts += np.bincount(rows * width + bins, minlength=counts.size).reshape(counts.shape)


def _floats(rows: pa.Table, name: str) -> Floats:
    column: Any = rows[name]
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy(), np.float64)
