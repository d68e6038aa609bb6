"""Gene and most severe consequence of each allele, from what VEP, SnpEff or bcftools csq wrote into INFO.

Of all transcripts of an allele the most severe Sequence Ontology term stands. Its gene is that of the
transcript which has the term; among several, the one that PICK names, else MANE_SELECT, else CANONICAL,
else the first in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from goe_lake.vcf.alleles import Record

#: Terms from the most to the least severe, as Ensembl VEP ranks them (release 115):
#: https://www.ensembl.org/info/genome/variation/prediction/predicted_data.html
SEVERITY: Final = (
    "transcript_ablation",
    "splice_acceptor_variant",
    "splice_donor_variant",
    "stop_gained",
    "frameshift_variant",
    "stop_lost",
    "start_lost",
    "transcript_amplification",
    "feature_elongation",
    "feature_truncation",
    "inframe_insertion",
    "inframe_deletion",
    "missense_variant",
    "protein_altering_variant",
    "splice_donor_5th_base_variant",
    "splice_region_variant",
    "splice_donor_region_variant",
    "splice_polypyrimidine_tract_variant",
    "incomplete_terminal_codon_variant",
    "start_retained_variant",
    "stop_retained_variant",
    "synonymous_variant",
    "coding_sequence_variant",
    "mature_miRNA_variant",
    "5_prime_UTR_variant",
    "3_prime_UTR_variant",
    "non_coding_transcript_exon_variant",
    "intron_variant",
    "NMD_transcript_variant",
    "non_coding_transcript_variant",
    "coding_transcript_variant",
    "upstream_gene_variant",
    "downstream_gene_variant",
    "TFBS_ablation",
    "TFBS_amplification",
    "TF_binding_site_variant",
    "regulatory_region_ablation",
    "regulatory_region_amplification",
    "regulatory_region_variant",
    "intergenic_variant",
    "sequence_variant",
)
#: What SnpEff and bcftools csq write where VEP has another word; finer terms become VEP's parent term.
SYNONYMS: Final[Mapping[str, str]] = {
    "intergenic_region": "intergenic_variant",
    "intragenic_variant": "coding_transcript_variant",
    "conservative_inframe_insertion": "inframe_insertion",
    "disruptive_inframe_insertion": "inframe_insertion",
    "conservative_inframe_deletion": "inframe_deletion",
    "disruptive_inframe_deletion": "inframe_deletion",
    "initiator_codon_variant": "start_retained_variant",
    "5_prime_UTR_premature_start_codon_gain_variant": "5_prime_UTR_variant",
    "5_prime_UTR_truncation": "5_prime_UTR_variant",
    "3_prime_UTR_truncation": "3_prime_UTR_variant",
    "exon_loss_variant": "feature_truncation",
    "non_coding_exon_variant": "non_coding_transcript_exon_variant",
    "nc_transcript_variant": "non_coding_transcript_variant",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "frameshift": "frameshift_variant",
    "missense": "missense_variant",
    "synonymous": "synonymous_variant",
    "start_retained": "start_retained_variant",
    "stop_retained": "stop_retained_variant",
    "inframe_altering": "protein_altering_variant",
    "coding_sequence": "coding_sequence_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "non_coding": "non_coding_transcript_exon_variant",
    "intron": "intron_variant",
    "intergenic": "intergenic_variant",
}
_RANKS: Final[Mapping[str, int]] = {term: rank for rank, term in enumerate(SEVERITY)}
_UNKNOWN: Final = len(SEVERITY)
_FORMAT: Final = re.compile(r"Format:\s*(.+)", re.IGNORECASE)
_BCSQ_COLUMNS: Final = ("Consequence", "gene", "transcript", "biotype", "strand", "amino_acid", "dna_change")
_ANN_COLUMNS: Final = ("Allele", "Annotation", "Annotation_Impact", "Gene_Name", "Gene_ID")
_TERM_COLUMNS: Final = ("Consequence", "Annotation")
_GENE_COLUMNS: Final = ("SYMBOL", "Gene_Name", "gene", "Gene", "Gene_ID")


class Effect(NamedTuple):
    """What is known about one allele: a gene symbol and one Sequence Ontology term."""

    gene: str | None
    consequence: str | None


NO_EFFECT: Final = Effect(None, None)


@dataclass(frozen=True)
class ConsequenceFormat:
    """The INFO field *name* of a file that holds consequences, and the *columns* of its entries."""

    name: str
    columns: tuple[str, ...]

    def effects(self, text: str, record: Record) -> tuple[Effect, ...]:
        """The effect of each alternate allele of *record*; *text* is the value of the field."""
        entries = [
            dict(zip(self.columns, entry.split("|"), strict=False))
            for entry in text.split(",")
            # an entry of bcftools csq that begins with @ points at another record of the same haplotype
            if entry and not entry.startswith("@")
        ]
        return tuple(_effect(list(_of_allele(entries, record, place))) for place in range(len(record.alts)))


def consequence_format(name: str, description: str) -> ConsequenceFormat | None:
    """How field *name* is written, by its header *description*; None where that does not say it."""
    if name == "BCSQ":
        return ConsequenceFormat(name, _BCSQ_COLUMNS)
    said = _FORMAT.search(description)
    if name == "ANN":
        return ConsequenceFormat(name, _ANN_COLUMNS)
    if said is None:
        return None
    columns = tuple(column.strip(" '\"") for column in said.group(1).split("|"))
    return ConsequenceFormat(name, columns) if "Consequence" in columns else None


def _of_allele(
    entries: Sequence[Mapping[str, str]], record: Record, place: int
) -> Iterator[Mapping[str, str]]:
    """The entries about the alternate allele at 0-based *place*; all of them where there is only one."""
    if len(record.alts) == 1:
        yield from entries
        return
    changes = {f"{record.pos}{record.ref}>{alt}" for alt in record.alts}
    mine = f"{record.pos}{record.ref}>{record.alts[place]}"
    for entry in entries:
        if entry.get("ALLELE_NUM"):
            wanted = entry["ALLELE_NUM"] == str(place + 1)
        elif "Annotation" in entry:
            # SnpEff spells alleles as the file, and adds behind a hyphen what one is compared with
            wanted = entry["Allele"].split("-", 1)[0] == record.alts[place]
        elif "Allele" in entry:
            wanted = entry["Allele"] == _spelt_by_vep(record, place)
        else:
            # bcftools csq names the allele only where it changes the protein
            named = set(entry.get("dna_change", "").split("+"))
            wanted = mine in named or not changes & named
        if wanted:
            yield entry


def _spelt_by_vep(record: Record, place: int) -> str:
    """An allele without the first base, where all alleles share it and one has another length."""
    alt = record.alts[place]
    alleles = [record.ref, *(other for other in record.alts if not other.startswith(("<", "*")))]
    shared = len({allele[:1] for allele in alleles}) == 1 and len({len(allele) for allele in alleles}) > 1
    return (alt[1:] or "-") if shared else alt


def _effect(entries: Sequence[Mapping[str, str]]) -> Effect:
    best: tuple[tuple[int, bool, bool, bool], Effect] | None = None
    for entry in entries:
        rank, term = most_severe(next((entry[name] for name in _TERM_COLUMNS if entry.get(name)), ""))
        order = (
            rank,
            entry.get("PICK") != "1",
            not entry.get("MANE_SELECT"),
            entry.get("CANONICAL") != "YES",
        )
        if best is None or order < best[0]:
            gene = next((entry[name] for name in _GENE_COLUMNS if entry.get(name)), None)
            # between genes SnpEff names both neighbours, which is no gene
            best = order, Effect(None if term == "intergenic_variant" else gene, term)
    return best[1] if best is not None else NO_EFFECT


@lru_cache(maxsize=4096)
def most_severe(terms: str) -> tuple[int, str | None]:
    """The rank and the name of the most severe of *terms*, joined by &; a term nobody ranks comes last.

    >>> most_severe("intron_variant&splice_region_variant")
    (15, 'splice_region_variant')
    """
    # bcftools csq puts a star before what lies behind a stop
    named = [SYNONYMS.get(term, term) for term in (part.lstrip("*") for part in terms.split("&")) if term]
    ranked = [(_RANKS.get(term, _UNKNOWN), place, term) for place, term in enumerate(named)]
    return (min(ranked)[0], min(ranked)[2]) if ranked else (_UNKNOWN + 1, None)
