"""One VCF record becomes rows of one alternate allele, spelt the same at every node."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.genome import GRCH38
from goe_lake.vcf.alleles import Record, Refused, Row, lengths_of, rows_of, rs_identifier, trim

BASES = st.text("ACGT", min_size=1, max_size=6)


def rows(ref: str, *alts: str, pos: int = 100, **facts: object) -> list[Row]:
    """The rows of a record on chr20 of which nothing is refused."""
    made, refused = rows_of(Record(1, pos, ref, alts, None, "PASS", **facts), GRCH38, "chr20")  # type: ignore[arg-type]
    assert refused == []
    return made


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("A", "C", (100, "A", "C", 100, "snv")),
        ("a", "c", (100, "A", "C", 100, "snv")),
        ("GCACA", "GCA", (100, "GCA", "G", 102, "del")),
        ("CAG", "CTG", (101, "A", "T", 101, "snv")),
        ("CTCC", "CCC", (100, "CT", "C", 101, "del")),
        ("G", "GTT", (100, "G", "GTT", 100, "ins")),
        ("AAG", "AAGTT", (102, "G", "GTT", 102, "ins")),
        ("AC", "GT", (100, "AC", "GT", 101, "mnv")),
        ("ACG", "TT", (100, "ACG", "TT", 102, "indel")),
        ("TAC", "GC", (100, "TA", "G", 101, "indel")),
    ],
)
def test_sequence_alleles_are_trimmed_and_typed(ref: str, alt: str, expected: tuple[object, ...]) -> None:
    """Common suffix off first, then common prefix, one base kept; the type follows from what is left."""
    (row,) = rows(ref, alt)
    assert (row.pos, row.ref, row.alt, row.end_pos, row.type) == expected


@given(left=BASES, right=BASES, prefix=st.text("ACGT", max_size=4), suffix=st.text("ACGT", max_size=4))
def test_trimming_keeps_the_edit_and_is_final(left: str, right: str, prefix: str, suffix: str) -> None:
    """A trimmed allele makes the same change to the reference, and trimming it again changes nothing."""
    reference = prefix + left + suffix
    pos, ref, alt = trim(1, reference, prefix + right + suffix)
    assert reference[: pos - 1] + alt + reference[pos - 1 + len(ref) :] == prefix + right + suffix
    assert trim(pos, ref, alt) == (pos, ref, alt)


def test_multi_allelic_records_are_split() -> None:
    """Each alternate allele is a row with its own number and its own shortest spelling."""
    first, second = rows("CA", "C", "TA")
    assert (first.pos, first.ref, first.alt, first.allele) == (100, "CA", "C", 1)
    assert (second.pos, second.ref, second.alt, second.allele) == (100, "C", "T", 2)


@pytest.mark.parametrize(
    "alt",
    ["G]17:198982]", "]13:123456]T", "C[<ctg1>:7[", ".[13:5[", "G.", ".TGCA", "]chr2:321681]AGTNNNNNCA"],
)
def test_breakends_are_kept_as_written(alt: str) -> None:
    """Mates on contigs or in assembled sequence, inserted bases, telomeres and single breakends."""
    (row,) = rows("T", alt)
    assert (row.pos, row.ref, row.alt, row.end_pos, row.type, row.sv_len) == (100, "T", alt, 100, "BND", None)


@pytest.mark.parametrize("alt", ["[1:100[", "G]17:x]", "G[17:5]", "A[1:5[C", "R", "A,", "<A", "."])
def test_alleles_that_are_none_are_refused(alt: str) -> None:
    """Breakends without a base or a position, ambiguity codes, half a symbol."""
    made, refused = rows_of(Record(1, 100, "T", (alt,), None, "PASS"), GRCH38, "chr20")
    assert (made, refused) == ([], [Refused("alt_not_readable", alt)])


def test_ambiguous_reference_bases_become_the_first_that_they_stand_for() -> None:
    """As VCF 4.3 asks of writers; an alternate allele that is the same then is none."""
    assert [(row.ref, row.alt) for row in rows("RyK", "C")] == [("ACG", "C")]
    made, refused = rows_of(Record(1, 100, "M", ("A", "T"), None, "PASS"), GRCH38, "chr20")
    assert [row.ref for row in made] == ["A"]
    assert refused == [Refused("alt_is_ref", "A")]


def test_placeholder_alleles_make_no_row() -> None:
    """`*`, <NON_REF> and <*> are not sites."""
    assert rows("A", "*", "<NON_REF>", "<*>") == []


@pytest.mark.parametrize(
    ("alt", "facts", "expected"),
    [
        ("<DEL>", {"end": 600, "sv_lengths": (-500,)}, (600, "DEL", -500)),
        ("<DEL>", {"sv_lengths": (500,)}, (600, "DEL", -500)),
        ("<DUP:TANDEM>", {"sv_lengths": (500,)}, (600, "DUP", 500)),
        ("<INS>", {"sv_lengths": (500,)}, (100, "INS", 500)),
        ("<INS:ME:ALU>", {"end": 100}, (100, "INS", None)),
        ("<CN0>", {"end": 700}, (700, "CNV", None)),
        ("<INV>", {}, (100, "INV", None)),
        ("<DEL>", {"end": 50}, (100, "DEL", None)),
        ("G]17:198982]", {"end": 600}, (100, "BND", None)),
        ("]13:123456]T", {}, (100, "BND", None)),
        (".TGC", {}, (100, "BND", None)),
    ],
)
def test_symbolic_alleles_keep_type_and_end(
    alt: str, facts: dict[str, object], expected: tuple[object, ...]
) -> None:
    """The end is INFO/END, else the start plus |SVLEN| where it lies on the reference, else the REF base."""
    (row,) = rows("A", alt, **facts)
    assert (row.end_pos, row.type, row.sv_len) == expected
    assert row.alt == alt


@pytest.mark.parametrize(
    ("ref", "alts", "pos", "expected"),
    [
        (".", ("C",), 100, [Refused("ref_not_a_sequence")]),
        ("A", ("A", "C"), 100, [Refused("alt_is_ref", "A")]),
        ("A", ("C D",), 100, [Refused("alt_not_readable", "C D")]),
        ("A", ("C",), 0, [Refused("pos_outside_contig")]),
        ("A", ("C",), 64_444_168, [Refused("pos_outside_contig")]),
        ("A", ("<DEL>",), 64_444_000, [Refused("end_outside_contig", "<DEL>")]),
    ],
)
def test_what_is_no_variant_is_put_aside(
    ref: str, alts: tuple[str, ...], pos: int, expected: list[Refused]
) -> None:
    """A record or an allele that cannot be a row is named with its reason."""
    _, refused = rows_of(Record(1, pos, ref, alts, None, None, sv_lengths=(-200,)), GRCH38, "chr20")
    assert refused == expected


def test_identifiers_and_lengths_are_read_leniently() -> None:
    """The first rs number of ID counts; INFO fields that no header declares arrive as text."""
    assert rs_identifier("esv1;rs12;rs13") == "rs12"
    assert rs_identifier("esv1") is None
    assert lengths_of((-5, 7), 2) == (-5, 7)
    assert lengths_of("-5,x", 2) == (-5, None)
    assert lengths_of(5, 2) == (None, None)
