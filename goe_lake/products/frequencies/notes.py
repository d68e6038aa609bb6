"""The notes of a release: one HTML page for people, made from the release alone.

Self-contained and printable: charts are inline SVG, no script, nothing to fetch. The same release gives
the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from goe_lake.errors import LakeError
from goe_lake.lake.progress import Progress
from goe_lake.products.frequencies import note_charts
from goe_lake.products.frequencies.diff import Difference, diff_releases
from goe_lake.products.frequencies.manifest import NodeSource, ReleaseManifest
from goe_lake.products.frequencies.schema import ALL
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.products.frequencies.summary import Summary, summarise
from goe_lake.products.plots import Drawing, matplotlib_for
from goe_lake.products.staging import put_in_place, sync_all

PAGE: Final = "notes.html"
CHARTS: Final = "notes"
STYLE: Final = files("goe_lake.products.reports").joinpath("report.css").read_text(encoding="utf-8")
#: Bounds of the Hardy-Weinberg p whose departures the notes count.
DEPARTURES: Final = (1e-4, 1e-6)
#: Largest changes of an allele frequency that the notes show.
LARGEST: Final = 10

Cell = str | int | float | None


def write_notes(
    release: EuropeanRelease, previous: EuropeanRelease | None = None, *, progress: Progress | None = None
) -> Path:
    """Write the notes of *release*, and its charts one by one below `notes/`; the page's path.

    With *previous* they tell what changed since. Raises ConfigError where matplotlib is not installed,
    LakeError where *previous* is not the release that the manifest names as the one before.
    """
    matplotlib_for(release.root / PAGE)  # before the long part
    _check_previous(release, previous)
    summary = summarise(release, progress)
    difference = diff_releases(previous, release, largest=LARGEST, progress=progress) if previous else None
    charts = _charts(release, summary, difference)
    text = page(release, summary, difference, charts)
    with TemporaryDirectory(prefix=".notes.", dir=release.root) as folder:
        fresh = Path(folder)
        (fresh / PAGE).write_text(text, encoding="utf-8")
        (fresh / CHARTS).mkdir()
        for name, drawing in charts.items():
            (fresh / CHARTS / f"{name}.svg").write_text(drawing.svg, encoding="utf-8")
        sync_all(fresh)
        for name in (CHARTS, PAGE):
            put_in_place(fresh / name, release.root / name)
    return release.root / PAGE


def _check_previous(release: EuropeanRelease, previous: EuropeanRelease | None) -> None:
    named = release.manifest.previous
    if previous is not None and previous.manifest.release_id != named:
        told = f"release {named[:16]}…" if named else "no release"
        raise LakeError(
            previous.root,
            f"is not the release before: {release.root} names {told}",
            "name the folder of that release, or compare any two with goe release diff",
        )


def _charts(release: EuropeanRelease, summary: Summary, difference: Difference | None) -> dict[str, Drawing]:
    root = release.root
    charts = {
        "spectrum": note_charts.spectrum(summary, root),
        "withheld": note_charts.withheld(summary, root),
        "hardy-weinberg": note_charts.hardy_weinberg(summary, root),
        "call-rate": note_charts.call_rates(summary, root),
    }
    if difference is not None:
        charts["growth"] = note_charts.growth(difference, root)
    return charts


def page(
    release: EuropeanRelease, summary: Summary, difference: Difference | None, charts: dict[str, Drawing]
) -> str:
    """The text of the page."""
    manifest = release.manifest
    title = f"Allele frequencies of the Genome of Europe, release {manifest.number}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="about">{escape(_about(manifest, summary))}</p>',
        *_countries(summary, manifest),
        *_contigs(summary),
        "<h2>Allele frequencies</h2>",
        charts["spectrum"].figure(),
        "<h2>What is withheld</h2>",
        charts["withheld"].figure(),
        *_changes(difference, charts),
        "<h2>Quality</h2>",
        *_departures(summary),
        charts["hardy-weinberg"].figure(),
        charts["call-rate"].figure(),
        *_provenance(manifest),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    text = "\n".join(body)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{text}\n</body></html>\n'


def _about(manifest: ReleaseManifest, summary: Summary) -> str:
    persons = sum(node.persons for node in manifest.created_from)
    sites = sum(count.sites for count in summary.contigs)
    countries = len({node.country for node in manifest.created_from})
    return (
        f"{sites:,} sites of {manifest.assembly}, {persons:,} persons of {countries} countries. Genomes stay "
        "in their country: only counts that rest on enough persons leave it."
    )


def _countries(summary: Summary, manifest: ReleaseManifest) -> list[str]:
    persons: dict[str, int] = {}
    for node in manifest.created_from:
        persons[node.country] = persons.get(node.country, 0) + node.persons
    persons[ALL] = sum(persons.values())
    (median,) = summary.call_rates([0.5])
    rows: list[Sequence[Cell]] = []
    for place, country in enumerate(summary.countries):
        told, bounded, hidden = map(int, summary.status[place])
        total = told + bounded + hidden
        share = (bounded + hidden) / total if total else None
        rate = float(median[place]) if total else None
        name = note_charts.UNION if country == ALL else country
        rows.append(
            (name, persons.get(country, 0), total, told, bounded, hidden, _percent(share), _percent(rate))
        )
    titles = ("country", "persons", "sites", "told", "bounds", "withheld", "not told", "median call rate")
    note = (
        "Sites with a row for all persons of a country. Told: the allele count is given; bounds: a part of "
        "it is withheld, and a lower bound is given; withheld: only the number of called alleles is told."
    )
    return ["<h2>Countries</h2>", _table(titles, rows), f'<p class="remark">{escape(note)}</p>']


def _contigs(summary: Summary) -> list[str]:
    rows: list[Sequence[Cell]] = [
        (count.contig, count.sites, count.rows, count.withheld, _share(count.withheld, count.rows))
        for count in summary.contigs
    ]
    sites, all_rows, hidden = (
        sum(getattr(count, name) for count in summary.contigs) for name in ("sites", "rows", "withheld")
    )
    rows.append(("all", sites, all_rows, hidden, _share(hidden, all_rows)))
    titles = ("chromosome", "sites", "rows", "rows not told", "share")
    note = "A row is one site and one group: country, population and sex, with their totals."
    return ["<h2>Chromosomes</h2>", _table(titles, rows), f'<p class="remark">{note}</p>']


def _changes(difference: Difference | None, charts: dict[str, Drawing]) -> list[str]:
    if difference is None:
        return []
    by_country: dict[str, list[int]] = {}
    names = ("rows", "added", "afresh", "stand", "newly_told", "newly_withheld")
    for row in difference.rows:
        counts = by_country.setdefault(row.country, [0] * len(names))
        for place, name in enumerate(names):
            counts[place] += getattr(row, name)
    titles = ("country", "rows", "added", "computed afresh", "standing", "newly told", "newly withheld")
    rows: list[Sequence[Cell]] = [
        (note_charts.UNION if name == ALL else name, *counts) for name, counts in by_country.items()
    ]
    note = (
        "Rows are computed afresh where enough persons joined or left since every release that told them; "
        "others stand as they were, so that no difference between releases tells of a few persons."
    )
    lines = ["<h2>Since the release before</h2>", charts["growth"].figure(), _table(titles, rows)]
    lines.append(f'<p class="remark">{escape(note)}</p>')
    if difference.largest:
        lines += ["<h3>Largest changes of a frequency</h3>", _largest(difference)]
    return lines


def _largest(difference: Difference) -> str:
    rows = []
    for change in difference.largest:
        labels = [change.country, change.population, change.sex]
        group = " ".join("not recorded" if label is None else label for label in labels)
        site = f"{change.contig}:{change.pos} {change.ref}>{change.alt}"
        rows.append(
            (site, group, f"{change.af_before:.4g}", f"{change.af_after:.4g}", f"{change.change:+.4g}")
        )
    return _table(("site", "country, population, sex", "before", "now", "change"), rows, texts=2)


def _departures(summary: Summary) -> list[str]:
    tested, counted = summary.tested(), [summary.departing(most) for most in DEPARTURES]
    rows: list[Sequence[Cell]] = []
    for place, country in enumerate(summary.countries):
        found = [int(counts[place]) for counts in counted]
        shares = [_share(count, int(tested[place])) for count in found]
        name = note_charts.UNION if country == ALL else country
        rows.append((name, int(tested[place]), found[0], shares[0], found[1], shares[1]))
    titles = ("country", "sites tested", "p ≤ 1e-4", "share", "p ≤ 1e-6", "share")
    return ["<h3>Departures from Hardy-Weinberg proportions</h3>", _table(titles, rows)]


def _provenance(manifest: ReleaseManifest) -> list[str]:
    facts = [
        f"Release {manifest.number}: <code>{manifest.release_id}</code>.",
        f"Site list: <code>{escape(manifest.site_list)}</code>.",
        f"The release before: <code>{manifest.previous}</code>."
        if manifest.previous
        else "The first release.",
        "Check the files with <code>sha256sum -c SHA256SUMS</code> or <code>goe release verify</code>.",
    ]
    columns = "".join(
        f"<tr><td class='text'><code>{escape(name)}</code></td><td class='text'>{escape(text)}</td></tr>"
        for name, text in manifest.columns.items()
    )
    listed = [(file.path, file.rows, file.bytes, f"{file.sha256[:16]}…") for file in manifest.files]
    return [
        "<h2>Where these numbers come from</h2>",
        f'<p class="remark">{" ".join(facts)}</p>',
        _table(
            ("node", "country", "name", "snapshot", "persons", "fewest carriers", "release of the node"),
            [_node(node) for node in manifest.created_from],
            texts=4,
        ),
        "<h3>Files</h3>",
        _table(("file", "rows", "bytes", "SHA-256 begins"), listed),
        "<h3>Columns</h3>",
        f"<table><tbody>{columns}</tbody></table>",
    ]


def _node(node: NodeSource) -> Sequence[Cell]:
    least = node.min_carriers if node.protection == "on" else "protection is off"
    return (node.id, node.country, node.name, node.snapshot_id[:16], node.persons, least, node.release)


def _table(titles: Sequence[str], rows: Iterable[Sequence[Cell]], *, texts: int = 1) -> str:
    """A table whose first *texts* columns are text."""
    head = "".join(f'<th scope="col"{_side(place, texts)}>{escape(t)}</th>' for place, t in enumerate(titles))
    lines = []
    for row in rows:
        cells = "".join(f"<td{_side(place, texts)}>{_cell(value)}</td>" for place, value in enumerate(row))
        lines.append(f"<tr>{cells}</tr>")
    body = "\n".join(lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _side(place: int, texts: int) -> str:
    return ' class="text"' if place < texts else ""


def _cell(value: Cell) -> str:
    if value is None:
        return "–"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _share(part: int, whole: int) -> str | None:
    return _percent(part / whole) if whole else None


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"
