"""The samples table and the scores: exact values, public facts, and what is put aside."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.config import read_node
from goe_lake.errors import ConfigError, InputError
from goe_lake.lake import IngestReport, Snapshot, ingest, plan
from goe_lake.lake.values import Scale, Unfit
from tests.lake.nodes import built, make_node, quarantined, rows, vcf_text

BMI = '[samples.columns.bmi]\ntype = "double"\nunit = "kg/m2"\nbounds = [10, 80]\nresolution = 0.01\n'
ANYTHING = "[ingest]\nmax_quarantined = 1\n"


@pytest.mark.parametrize(
    ("text", "step", "expected"),
    [
        ("24.565", "0.01", 2456), ("24.575", "0.01", 2458), ("-0.005", "0.01", 0), ("1e2", "0.5", 200),
        ("3", "0.3", 10), ("0.45", "0.3", 2), (".5", "1", 0), ("1.", "1", 1), ("+2", "1", 2),
    ],
)  # fmt: skip
def test_numbers_are_scaled_in_decimal(text: str, step: str, expected: int) -> None:
    """Half to even, from the text of the value."""
    assert Scale(Fraction(step)).read(text) == expected


@pytest.mark.parametrize("text", ["", " 1", "1_0", "nan", "inf", "0x1", "1e9999", "1,5", "٣", "--1", "."])
def test_what_is_no_decimal_number_is_not_read(text: str) -> None:
    """Python would take some of these."""
    with pytest.raises(Unfit, match="not_a_number"):
        Scale(Fraction(1)).read(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=5))
def test_scaling_never_moves_a_value_by_more_than_half_a_step(value: Decimal) -> None:
    """And a value inside bounds that are whole steps stays inside."""
    step = Fraction(1, 100)
    steps = Scale(step, (Decimal(-1000), Decimal(1000))).read(str(value))
    assert abs(steps * step - Fraction(value)) <= step / 2


def test_every_column_type_is_stored_as_documented(tmp_path: Path) -> None:
    """Measured values as whole steps, truths, labels and dates as themselves, empty fields NULL."""
    toml = BMI + (
        '[samples.columns.visits]\ntype = "integer"\nbounds = [0, 100]\n'
        '[samples.columns.t2d]\ntype = "boolean"\n'
        '[samples.columns.seen]\ntype = "date"\n'
        '[samples.columns.cohort]\nvalues = ["EstBB", "Other"]\n'
    )
    table = (
        "sample_id\tsex\tbirth_year\tpopulation\tcohort\tbmi\tvisits\tt2d\tseen\n"
        "s2\tF\t1950\tEST\tEstBB\t24.565\t3\ttrue\t2020-02-29\n"
        "s1\tM\t\tEST\t\t\t\tFALSE\t\n"
    )
    snapshot, report = built(make_node(tmp_path, [], table, toml=toml))
    second = {
        "sample_id": "s2", "person_id": "s2", "country": "EE", "sex": "F", "birth_year": 1950,
        "population": "EST", "cohort": "EstBB", "consent": None, "bmi": 2456, "visits": 3, "t2d": True,
        "seen": date(2020, 2, 29),
    }  # fmt: skip
    first = dict.fromkeys(second) | {
        "sample_id": "s1", "person_id": "s1", "country": "EE", "sex": "M", "population": "EST", "t2d": False,
    }  # fmt: skip
    assert rows(snapshot, "samples") == [first, second]
    assert list(rows(snapshot, "samples")[0]) == list(second)
    assert pq.read_schema(snapshot.files("samples")[0]).field("bmi").type == pa.int64()
    assert snapshot.catalog.column("samples", "population").values == ("EST",)
    assert snapshot.catalog.column("samples", "consent").values == ()
    assert snapshot.catalog.column("samples", "sex").values == ("F", "M")
    assert snapshot.catalog.column("samples", "country").values == ("EE",)
    assert (report.samples, report.genotyped, report.contigs, snapshot.contigs) == (2, 0, (), ())


@pytest.mark.parametrize("kind", ["tsv", "csv", "parquet"])
def test_the_same_table_in_every_format_is_the_same(kind: str, tmp_path: Path) -> None:
    """Parquet doubles count with their shortest spelling; a byte order mark and quotes do not matter."""
    config = make_node(tmp_path, [], "", toml=BMI)
    if kind == "parquet":
        labels = pa.array(["X", None]).dictionary_encode()
        table = pa.table({"sample_id": ["s1", "s2"], "bmi": [24.565, 30.0], "population": labels})
        pq.write_table(table, tmp_path / "samples.tsv")
    else:
        text = "sample_id\tbmi\tpopulation\ns1\t24.565\tX\ns2\t30.0\t\n"
        csv = '\ufeff"sample_id",bmi,"population"\r\ns1,24.565,"X"\r\ns2,30.0,\r\n'
        (tmp_path / "samples.tsv").write_text(text if kind == "tsv" else csv, newline="")
    snapshot, _ = built(config)
    facts = [(row["sample_id"], row["bmi"], row["population"]) for row in rows(snapshot, "samples")]
    assert facts == [("s1", 2456, "X"), ("s2", 3000, None)]


def test_values_that_cannot_be_used_become_null_and_are_listed(tmp_path: Path) -> None:
    """Out of bounds, not a number, an unknown label, a sex other than F and M, no date, no truth."""
    toml = BMI + (
        '[samples.columns.t2d]\ntype = "boolean"\n[samples.columns.seen]\ntype = "date"\n'
        '[samples.columns.visits]\ntype = "integer"\nbounds = [0, 100]\n'
        '[samples.columns.cohort]\nvalues = ["EstBB"]\n'
    )
    table = (
        "sample_id\tsex\tcohort\tbmi\tt2d\tseen\tvisits\n"
        "s1\tfemale\tother\t9.999\t1\t2021-02-29\t1.5\n"
        "s2\tF\tEstBB\tNA\ttrue\t2021-02-28\t2.0\n"
    )
    snapshot, report = built(make_node(tmp_path, [], table, toml=toml + ANYTHING))
    found = {(row["record"], row["column"], row["reason"], row["value"]) for row in quarantined(snapshot)}
    assert found == {
        ("sample s1", "sex", "not_a_declared_value", "female"),
        ("sample s1", "cohort", "not_a_declared_value", "other"),
        ("sample s1", "bmi", "out_of_bounds", "9.999"),
        ("sample s2", "bmi", "not_a_number", "NA"),
        ("sample s1", "t2d", "not_true_or_false", "1"),
        ("sample s1", "seen", "not_a_date", "2021-02-29"),
        ("sample s1", "visits", "not_a_whole_number", "1.5"),
    }
    assert report.quarantined["not_a_declared_value"] == 2
    assert [row["bmi"] for row in rows(snapshot, "samples")] == [None, None]
    assert [row["visits"] for row in rows(snapshot, "samples")] == [None, 2]


def test_too_many_values_put_aside_stop_the_ingest(tmp_path: Path) -> None:
    """The message shows one of them, where it stands, and what may be changed."""
    table = "sample_id\tbmi\n" + "".join(
        f"s{number}\t{'NA' if number < 3 else 20}\n" for number in range(110)
    )
    with pytest.raises(
        InputError, match=r"row 1: 3 of 110 values of bmi cannot be used, e\.g\. 'NA'.*max_quarantined"
    ):
        built(make_node(tmp_path, [], table, toml=BMI))
    (tmp_path / "samples.tsv").write_text(table.replace("s1\tNA", "s1\t").replace("s2\tNA", "s2\t"))
    assert built(read_node(tmp_path / "node.toml"))[1].quarantined == {"not_a_number": 1}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("person\tsex\na\tF\n", "has no column sample_id"),
        ("sample_id\tsex\na\tF\na\tM\n", "sample a: has 2 rows"),
        ("sample_id\tsex\n\tF\n", "row 1: sample_id is empty"),
        ("sample_id\tsample_id\na\tb\n", "names the column 'sample_id' twice"),
        ("sample_id\tcountry\na\tFI\n", "sample a: country is 'FI', and this node holds persons of EE"),
        ("sample_id\tsex\na\n", "cannot be read as a table"),
        ("sample_id\n\xff\n", "cannot be read as a table"),
        ("PAR1 is no Parquet", "cannot be read as a table"),
    ],
)
def test_samples_tables_that_cannot_be_used_are_refused(table: str, problem: str, tmp_path: Path) -> None:
    """Each message names the file and what to mend."""
    config = make_node(tmp_path, [], "")
    (tmp_path / "samples.tsv").write_bytes(table.encode("latin-1"))
    with pytest.raises(InputError, match=problem):
        built(config)


def test_a_declared_column_must_be_there(tmp_path: Path) -> None:
    """A misspelt column must not become NULL."""
    with pytest.raises(InputError, match="has no column bmi"):
        built(make_node(tmp_path, [], "sample_id\tBMI\na\t20\n", toml=BMI))


def test_a_column_that_may_not_be_missing_must_be_filled(tmp_path: Path) -> None:
    """nullable = false is a promise to analysts."""
    toml = '[samples.columns.cohort]\nvalues = ["EstBB"]\nnullable = false\n'
    with pytest.raises(InputError, match="sample b: cohort is missing or cannot be used for 1 samples"):
        built(make_node(tmp_path, [], "sample_id\tcohort\na\tEstBB\nb\t\n", toml=toml))


def test_sexes_are_f_and_m(tmp_path: Path) -> None:
    """The rules for ploidy rest on these two words."""
    with pytest.raises(ConfigError, match=r"samples\.columns\.sex\.values: are not F and M"):
        built(
            make_node(
                tmp_path, [], "sample_id\tsex\na\tF\n", toml='[samples.columns.sex]\nvalues = ["female"]\n'
            )
        )


def test_a_value_must_fit_64_bits(tmp_path: Path) -> None:
    """Bounds and resolution together decide that before a value is read."""
    toml = BMI.replace("80", "1e12").replace("0.01", "0.0000001")
    with pytest.raises(ConfigError, match=r"samples\.columns\.bmi\.resolution: is too fine"):
        built(make_node(tmp_path, [], "sample_id\tbmi\na\t20\n", toml=toml))


def test_labels_are_derived_where_enough_persons_hold_each(tmp_path: Path) -> None:
    """Persons count, not samples; below the number the exact lines for node.toml are shown."""
    labels = ["X", "X", "X", '"say ""Y"""', '"say ""Y"""']
    lines = [f"s{number}\t{label}\tp{number}" for number, label in enumerate(labels)]
    table = "\n".join(["sample_id\tpopulation\tperson_id", *lines]) + "\n"
    config = make_node(tmp_path, [], table)
    assert ingest(config, min_label_persons=2).samples == 5
    catalog = plan(config, min_label_persons=2).catalog
    assert catalog.column("samples", "population").values == ("X", 'say "Y"')
    with pytest.raises(InputError) as caught:
        ingest(config, min_label_persons=3)
    mend = str(caught.value)
    assert "1 of them are held by fewer than 3 persons" in mend
    lines_to_paste = '[samples.columns.population]\nvalues = ["X", "say \\"Y\\""]\n'
    assert lines_to_paste in mend
    (tmp_path / "node.toml").write_text((tmp_path / "node.toml").read_text() + lines_to_paste)
    assert ingest(read_node(tmp_path / "node.toml"), min_label_persons=3).samples == 5


def test_columns_nobody_declared_are_left_out_with_a_warning(tmp_path: Path) -> None:
    """They are named, so that a misspelt name shows."""
    snapshot, report = built(make_node(tmp_path, [], "sample_id\tldl\tBMI\na\t3\t4\n"))
    assert report.warnings == ("samples.tsv: columns that node.toml does not declare are left out: ldl, BMI",)
    assert "ldl" not in rows(snapshot, "samples")[0]


def test_samples_and_genotypes_must_fit(tmp_path: Path) -> None:
    """A genotyped sample without a row is refused; a row without genotypes is counted in a warning."""
    text = vcf_text(tuple(f"s{number}" for number in range(7)), ["1 5 A C | " + "0/1 " * 7])
    with pytest.raises(
        InputError, match=r"x\.vcf: 6 samples are not in samples\.tsv: s1, s2, s3, s4, s5\. add"
    ):
        built(make_node(tmp_path, [{"x.vcf": text}], people=("s0",)))
    people = tuple(f"s{number}" for number in range(9))
    _, report = built(make_node(tmp_path, [{"x.vcf": text}], people=people))
    assert report.warnings == ("2 samples of the samples table have no genotypes",)
    assert (report.samples, report.genotyped) == (9, 7)


SCORES = '[[scores]]\nfile = "scores.tsv"\n[scores.columns.PGS1]\nbounds = [-1, 1]\nresolution = 0.01\n'


def scored(folder: Path, text: str, toml: str = SCORES) -> tuple[Snapshot, IngestReport]:
    """A node of two samples with a scores file."""
    (folder / "scores.tsv").write_text(text)
    return built(make_node(folder, [], people=("a", "b"), toml=toml + ANYTHING))


def test_scores_are_rounded_at_their_own_resolution(tmp_path: Path) -> None:
    """Ids of other resolutions share the steps of the column; values out of bounds keep their row."""
    toml = SCORES + "[scores.columns.PGS2]\nbounds = [-9, 9]\nresolution = 0.005\n"
    text = "sample_id\tpgs_id\tscore\nb\tPGS1\t0.015\na\tPGS2\t0.0125\na\tPGS1\t5\nb\tPGS2\t\n"
    snapshot, report = scored(tmp_path, text, toml)
    assert snapshot.catalog.column("scores", "score").resolution == Decimal("0.005")
    assert snapshot.catalog.column("scores", "pgs_id").values == ("PGS1", "PGS2")
    facts = [tuple(row.values()) for row in rows(snapshot, "scores")]
    # 0.015 at 0.01 is 0.02, i.e. 4 steps of 0.005; 0.0125 at 0.005 is 2.5 steps, i.e. 2
    assert facts == [("a", "PGS1", None), ("a", "PGS2", 2), ("b", "PGS1", 4), ("b", "PGS2", None)]
    assert report.quarantined == {"out_of_bounds": 1}
    assert quarantined(snapshot)[0]["column"] == "PGS1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sample_id\tpgs_id\na\tPGS1\n", "has no column score"),
        ("sample_id\tpgs_id\tscore\nz\tPGS1\t0\n", "1 samples are not in the samples table: z"),
        ("sample_id\tpgs_id\tscore\n\tPGS1\t0\n", "a sample_id is empty"),
        ("sample_id\tpgs_id\tscore\na\t\t0\n", "a pgs_id is empty"),
        ("sample_id\tpgs_id\tscore\na\tPGS1\t0\na\tPGS1\t0.5\n", "sample a has PGS1 twice"),
        ("sample_id\tpgs_id\tscore\na\tPGS9\t0\n", r'for PGS9(.|\n)*\[scores\.columns\."PGS9"\]\nbounds'),
    ],
)  # fmt: skip
def test_scores_that_cannot_be_used_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    """Unknown ids come with the lines for node.toml."""
    with pytest.raises(InputError, match=problem):
        scored(tmp_path, text)
