"""The notes tell the release's own numbers, need nothing from outside, and are the same each time."""

from __future__ import annotations

import builtins
import re
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pyarrow as pa
import pytest

from goe_lake.errors import ConfigError, LakeError
from goe_lake.products.frequencies.note_charts import quantiles
from goe_lake.products.frequencies.notes import write_notes
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.products.frequencies.summary import AF_EDGES, summarise
from tests.products.releases import real_tables, small_release, small_tables, write


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[EuropeanRelease, EuropeanRelease]:
    """Two releases, the second naming the first."""
    folder = tmp_path_factory.mktemp("pair")
    first = small_release(folder / "1")
    made = small_tables(seed=1, number=2, n_sites=40)
    return first, write(folder / "2", made, "EE", "FI", number=2, previous=first.manifest.release_id)


def totals(release: EuropeanRelease) -> list[dict]:
    """The rows of all persons of a country."""
    rows = pa.concat_tables([release.frequencies(contig) for contig in release.contigs]).to_pylist()
    return [row for row in rows if row["population"] == row["sex"] == "all"]


def least_frequency(row: dict) -> float | None:
    """What is known of a frequency from below."""
    if row["af"] is None and row["ac_lower"] is not None:
        return row["ac_lower"] / row["an"]
    return row["af"]


def test_the_summary_counts_what_the_rows_say(pair):
    """Statuses, frequency bins and shares withheld, counted again row by row."""
    release = pair[0]
    summary = summarise(release)
    rows = totals(release)
    union = {
        row["variant_id"] + row["contig"]: least_frequency(row) for row in rows if row["country"] == "all"
    }
    for place, country in enumerate(summary.countries):
        mine = [row for row in rows if row["country"] == country]
        statuses = [sum(row["status"] == word for row in mine) for word in ("ok", "bounded", "withheld")]
        assert summary.status[place].tolist() == statuses
        told = [row["af"] for row in mine if row["af"] is not None]
        for number, low in enumerate(AF_EDGES[:-1], 1):
            high = AF_EDGES[number]
            assert summary.spectrum[place, number] == sum(low <= af < high for af in told)
        assert summary.spectrum[place].sum() == len(told)
        placed = [row for row in mine if union[row["variant_id"] + row["contig"]] is not None]
        assert summary.placed[place].sum() == len(placed)
        assert summary.hidden[place].sum() == sum(row["status"] != "ok" for row in placed)
        tested = [row["hwe_p"] for row in mine if row["hwe_p"] is not None]
        assert summary.tested()[place] == len(tested)
        assert summary.departing(1e-4)[place] == sum(p <= 1e-4 for p in tested)
        assert summary.call_rates([0.5])[0, place] == pytest.approx(
            np.quantile([row["call_rate"] for row in mine], 0.5, method="inverted_cdf"), abs=0.0011
        )
    assert sum(count.rows for count in summary.contigs) == sum(
        len(release.frequencies(contig)) for contig in release.contigs
    )


def test_the_page_needs_nothing_from_outside(pair):
    """No script, no address to fetch, every id its own, every chart valid SVG with text and a description."""
    page = write_notes(pair[1], pair[0]).read_text()
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page.replace("xlink:href", "href"))
    assert "@import" not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    figures = re.findall(r'<figure role="img" aria-label="([^"]+)">(<svg.*?</svg>)', page, re.DOTALL)
    assert len(figures) == 5
    for label, svg in figures:
        assert len(label) > 20
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<text" in svg
        references = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
        assert references <= set(re.findall(r' id="([^"]+)"', svg))


def test_the_page_tells_the_numbers_and_where_they_come_from(pair):
    """Counts of each country, digests, nodes and columns stand in it."""
    first, release = pair
    page = unescape(write_notes(release, first).read_text())
    summary = summarise(release)
    for place in range(len(summary.countries)):
        told, bounded, hidden = summary.status[place]
        assert f"<td>{told:,}</td><td>{bounded:,}</td><td>{hidden:,}</td>" in page
    assert release.manifest.release_id in page
    assert first.manifest.release_id in page
    for node in release.manifest.created_from:
        assert node.id in page
    for name, text in release.manifest.columns.items():
        assert name in page
        assert text in page
    assert "Since the release before" in page
    assert "Since the release before" not in write_notes(first).read_text()


def test_same_release_same_bytes(pair, tmp_path):
    """No date, no path, no chance in the page or its charts; the release stays whole."""
    release = pair[0]
    page = write_notes(release)
    first = [page.read_bytes(), *(path.read_bytes() for path in sorted((release.root / "notes").iterdir()))]
    again = small_release(tmp_path / "elsewhere")
    page = write_notes(again)
    second = [page.read_bytes(), *(path.read_bytes() for path in sorted((again.root / "notes").iterdir()))]
    assert first == second
    assert str(tmp_path) not in page.read_text()
    again.verify()


def test_notes_of_real_frequencies(test_data, tmp_path):
    """Four countries at real sites: no sexes, nothing withheld."""
    release = write(tmp_path / "R", real_tables(test_data), "ES", "FI", "GB", "IT", assembly="GRCh37")
    page = write_notes(release).read_text()
    assert "0.00%" in page
    assert "<td>chr21</td>" in page.replace(' class="text"', "")


def test_notes_of_a_release_without_sites(tmp_path):
    """An empty release has a page too."""
    assert "0 sites" in write_notes(write(tmp_path / "R", {}, "EE")).read_text()


def test_a_release_before_must_be_the_one_named(pair):
    """Growth is told against the release that the manifest names."""
    with pytest.raises(LakeError, match="names no release"):
        write_notes(pair[0], pair[1])


def test_without_matplotlib_the_error_says_what_to_install(pair, monkeypatch):
    """Nothing is counted first, nothing is written."""
    real = builtins.__import__

    def without(name, *more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'goe-lake\[plots\]'"):
        write_notes(pair[0])


def test_quantiles_of_a_uniform_histogram_lie_on_the_line():
    """p-values that are uniform give equal expected and observed quantiles."""
    p = (np.arange(1, 100_001) - 0.5) / 100_000
    counts = np.bincount((-np.log10(p) * 100).astype(int), minlength=2001)
    expected, observed = quantiles(counts)
    assert expected[:300] == pytest.approx(observed[:300], abs=0.02)
