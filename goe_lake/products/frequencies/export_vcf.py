"""A release as a sites-only VCF: one line a site, and INFO fields for each group of persons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.genome import ASSEMBLIES, CONTIGS
from goe_lake.products.frequencies.group_names import TOTAL, Group, describe, group_names
from goe_lake.products.frequencies.manifest import ReleaseManifest
from goe_lake.products.frequencies.schema import ALL, GROUP, OK, group_ranks, site_places
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.vcf.arrow import array, pc
from goe_lake.vcf.bgzf import BgzfWriter
from goe_lake.vcf.index import RecordPlaces, write_tabix

COLUMNS: Final = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
#: Threads that compress; the file is the same with any number.
THREADS: Final = 2
_pa: Any = pa


@dataclass(frozen=True)
class InfoField:
    """One statistic of a group: its *column* in the reference and its INFO field."""

    column: str
    name: str
    number: str
    type: str
    text: str


#: In the order in which a record has them. Floats are single precision, as in every VCF.
FIELDS: Final = (
    InfoField("ac", "AC", "A", "Integer", "Alternate alleles; . where withheld"),
    InfoField("an", "AN", "1", "Integer", "Called alleles"),
    InfoField("af", "AF", "A", "Float", "Alternate allele frequency"),
    InfoField("ac_lower", "AC_lower", "A", "Integer", "Lower bound of a withheld AC"),
    InfoField("ac_upper", "AC_upper", "A", "Integer", "Upper bound of a withheld AC"),
    InfoField("n_het", "nhet", "A", "Integer", "Heterozygous persons; absent where withheld"),
    InfoField("n_hom_alt", "nhomalt", "A", "Integer", "Homozygous persons; absent where withheld"),
    InfoField("n_hemi", "nhemi", "A", "Integer", "Hemizygous persons; absent where withheld"),
    InfoField("call_rate", "call_rate", "1", "Float", "Persons with a called allele / persons"),
    InfoField("hwe_p", "HWE", "A", "Float", "Exact Hardy-Weinberg p-value over diploid persons"),
    InfoField("faf95", "faf95", "A", "Float", "Filtering allele frequency (95 %, Whiffin 2017)"),
    InfoField("grpmax", "grpmax", "A", "String", "Population with the largest faf95"),
    InfoField("grpmax_faf95", "faf95_grpmax", "A", "Float", "faf95 of that population"),
    InfoField("release", "release", "1", "Integer", "Release in which these numbers were last computed"),
)
_SITE_FIELDS: Final = (
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of the variant, of symbolic alleles">',
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type of a structural variant">',
    '##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length difference of a structural variant">',
    '##INFO=<ID=gene,Number=1,Type=String,Description="Gene of the site">',
    '##INFO=<ID=consequence,Number=1,Type=String,Description="Most severe consequence of the site">',
    '##INFO=<ID=withheld,Number=0,Type=Flag,Description="AC of all persons of all countries is withheld: '
    'a part of it rests on too few persons of a country">',
)
_ESCAPED: Final = tuple((character, f"%{ord(character):02X}") for character in "%;=, \t\r\n")


def write_vcf(release: EuropeanRelease, path: Path, contigs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Write *contigs* to the block-compressed VCF at *path*, with a tabix index beside it.

    Yields the sites and lines of each piece.
    """
    groups = groups_of(release, contigs)
    names = group_names(groups)
    places: dict[str, list[tuple[np.ndarray[Any, Any], ...]]] = {contig: [] for contig in contigs}
    with BgzfWriter(path, THREADS) as file:
        file.write(vcf_header(release, contigs, names).encode())
        for contig in contigs:
            for sites, rows in release.pieces(contig):
                lines = record_lines(sites, rows, names)
                sizes = pc.binary_length(lines).to_numpy(zero_copy_only=False).astype(np.int64)
                ends = file.offset + np.cumsum(sizes)
                file.write(_bytes_of(lines))
                start = sites["pos"].to_numpy().astype(np.int64) - 1
                end = sites["end_pos"].to_numpy().astype(np.int64)
                places[contig].append((start, np.maximum(end, start + 1), ends - sizes, ends))
                yield len(sites), len(sites)
    found = [_record_places(parts, file) for parts in places.values()]
    write_tabix(path.with_name(path.name + ".tbi"), list(places), found)


def _record_places(parts: list[tuple[np.ndarray[Any, Any], ...]], file: BgzfWriter) -> RecordPlaces:
    columns = [np.concatenate(part) for part in zip(*parts, strict=True)] or [np.empty(0, np.int64)] * 4
    start, end, before, after = columns
    return RecordPlaces(start, end, file.virtual_offsets(before), file.virtual_offsets(after))


def groups_of(release: EuropeanRelease, contigs: Iterable[str]) -> list[Group]:
    """Every group that has a row on *contigs*."""
    found: set[Group] = {TOTAL}
    for contig in contigs:
        labels = release.frequencies(contig, GROUP).group_by(list(GROUP)).aggregate([])
        found |= {tuple(row[name] for name in GROUP) for row in labels.to_pylist()}
    return list(found)


def vcf_header(release: EuropeanRelease, contigs: Sequence[str], names: dict[Group, str]) -> str:
    """The header of the VCF, without the line of columns' own text repeated: it ends with it."""
    manifest = release.manifest
    assembly = ASSEMBLIES[manifest.assembly]
    lines = ["##fileformat=VCFv4.3", *_provenance(manifest)]
    lines += [
        f"##contig=<ID={contig},length={assembly.lengths[contig]},assembly={assembly.name}>"
        for contig in CONTIGS
    ]
    lines += [f'##FILTER=<ID={name},Description="{text}">' for name, text in _filters(release, contigs)]
    lines += [f'##ALT=<ID={name},Description="Symbolic allele">' for name in _symbolic(release, contigs)]
    lines += _SITE_FIELDS
    for group, name in names.items():
        lines += [_declared(field, group, name) for field in _fields_of(group)]
    return "\n".join(lines) + "\n" + COLUMNS.decode()


def _provenance(manifest: ReleaseManifest) -> list[str]:
    lines = [
        "##source=goe_lake: allele frequencies of the Genome of Europe",
        f"##reference={manifest.assembly}",
        f"##goe_release=<Number={manifest.number},ID={manifest.release_id}>",
        f"##goe_site_list={manifest.site_list}",
        "##goe_groups=AC_EE: country EE; AC_all_fin: population fin of all countries; AC_EE_fin_XX: "
        "females (XX) of population fin of EE; XX is sex F and XY is sex M as recorded; popNA and sexNA: "
        "no label recorded; a group without fields has too few persons or none",
    ]
    for node in manifest.created_from:
        lines.append(
            f'##goe_node=<ID={node.id},Country={node.country},Name="{_quoted(node.name)}",'
            f"Persons={node.persons},MinCarriers={node.min_carriers},Protection={node.protection}>"
        )
    return lines


def _quoted(text: str) -> str:
    """A text within quotes of the header, on one line."""
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')


def _filters(release: EuropeanRelease, contigs: Sequence[str]) -> list[tuple[str, str]]:
    found = {"PASS"}
    for contig in contigs:
        for text in pc.unique(release.sites(contig, ["filter"])["filter"]).to_pylist():
            found |= set((text or "PASS").split(";"))
    texts = {"PASS": "All filters passed"}
    return [(name, texts.get(name, "Filter of the site list")) for name in sorted(found)]


def _symbolic(release: EuropeanRelease, contigs: Sequence[str]) -> list[str]:
    found: set[str] = set()
    for contig in contigs:
        found |= set(pc.unique(release.sites(contig, ["alt"])["alt"]).to_pylist())
    return sorted(alt.strip("<>") for alt in found if alt.startswith("<"))


def _fields_of(group: Group) -> Iterable[InfoField]:
    """The fields that a group can have: only a country's total has a maximum over its populations."""
    total = group[1:] == (ALL, ALL)
    return (field for field in FIELDS if total or not field.column.startswith("grpmax"))


def _info_name(field: InfoField, name: str) -> str:
    return f"{field.name}_{name}" if name else field.name


def _declared(field: InfoField, group: Group, name: str) -> str:
    text = _quoted(f"{field.text}: {describe(group)}")
    id_ = _info_name(field, name)
    return f'##INFO=<ID={id_},Number={field.number},Type={field.type},Description="{text}">'


def record_lines(sites: pa.Table, rows: pa.Table, names: dict[Group, str]) -> Any:
    """The lines of *sites* with the INFO of their *rows*, each with its line end."""
    info = _listed([_site_info(sites, rows), _info_of_sites(sites, rows, names)])
    info = pc.if_else(pc.equal(info, ""), ".", info)
    columns = [
        sites["contig"],
        pc.cast(sites["pos"], pa.string()),
        pc.fill_null(sites["rsid"], "."),
        sites["ref"],
        sites["alt"],
        _pa.repeat(".", len(sites)),
        pc.fill_null(sites["filter"], "."),
        info,
    ]
    line = pc.binary_join_element_wise(*[_one_chunk(column) for column in columns], "\t")
    return pc.binary_join_element_wise(line, "\n", "")


def _site_info(sites: pa.Table, rows: pa.Table) -> Any:
    """What INFO says of the site itself."""
    symbolic = pc.starts_with(sites["alt"], "<")
    kind = pc.utf8_trim(sites["alt"], "<>")
    parts = [
        pc.if_else(symbolic, _assigned("END", sites["end_pos"]), None),
        pc.if_else(symbolic, pc.binary_join_element_wise("SVTYPE=", kind, ""), None),
        _assigned("SVLEN", sites["sv_len"]),
        _assigned("gene", _escaped(sites["gene"])),
        _assigned("consequence", _escaped(sites["consequence"])),
        pc.if_else(array(_withheld(sites, rows)), "withheld", None),
    ]
    return _listed(parts)


def _withheld(sites: pa.Table, rows: pa.Table) -> np.ndarray[Any, Any]:
    """Whether the count of all persons of each site is withheld."""
    total = pc.and_(
        pc.and_(pc.equal(rows["country"], ALL), pc.fill_null(pc.equal(rows["population"], ALL), False)),
        pc.fill_null(pc.equal(rows["sex"], ALL), False),
    )
    hidden = rows.filter(pc.and_(total, pc.not_equal(rows["status"], OK)))
    found = np.zeros(len(sites), bool)
    found[site_places(sites, hidden)] = True
    return found


def _info_of_sites(sites: pa.Table, rows: pa.Table, names: dict[Group, str]) -> Any:
    """The groups' fields of each site, joined in the order of its rows."""
    texts = _info_of_rows(rows, names)
    counts = np.bincount(site_places(sites, rows), minlength=len(sites))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pc.binary_join(_pa.ListArray.from_arrays(array(offsets), texts), ";")


def _info_of_rows(rows: pa.Table, names: dict[Group, str]) -> Any:
    """The fields of one group at one site, for each row: `AC_EE=12;AN_EE=200;…`."""
    if not len(rows):
        return array([], pa.string())
    _, first, group = np.unique(group_ranks(rows), return_index=True, return_inverse=True)
    labels = rows.select(list(GROUP)).take(array(first)).to_pylist()
    found = [names[(row["country"], row["population"], row["sex"])] for row in labels]
    parts = []
    for field in FIELDS:
        prefixes = array([_info_name(field, name) + "=" for name in found], pa.string())
        values = info_values(rows, field)
        if values.null_count < len(values):
            parts.append(pc.binary_join_element_wise(prefixes.take(array(group)), values, ""))
    return _listed(parts)


def info_values(rows: pa.Table, field: InfoField) -> Any:
    """The values of a field as INFO spells them, NULL where a record has none."""
    column = rows[field.column].combine_chunks()
    if field.type == "Float":
        column = pc.cast(column, pa.float32())
    values = _escaped(column) if field.type == "String" else pc.cast(column, pa.string())
    return _one_chunk(pc.fill_null(values, ".") if field.column == "ac" else values)


def _assigned(name: str, values: Any) -> Any:
    return pc.binary_join_element_wise(f"{name}=", pc.cast(values, pa.string()), "")


def _escaped(values: Any) -> Any:
    """Texts with the characters that INFO values cannot hold written as %XX (VCF 4.3, section 1.2)."""
    for character, code in _ESCAPED:
        values = pc.replace_substring(values, character, code)
    return values


def _listed(columns: Sequence[Any]) -> Any:
    """Columns side by side with `;` between; NULL and empty parts are left out."""
    # pyarrow 26 drops rows of NULLs under null_handling="skip", so every part brings its own separator
    parts = [_one_chunk(pc.fill_null(column, "")) for column in columns]
    parted = [
        pc.if_else(pc.equal(part, ""), "", pc.binary_join_element_wise(";", part, "")) for part in parts
    ]
    return pc.ascii_ltrim(pc.binary_join_element_wise(*parted, ""), ";")


def _one_chunk(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _bytes_of(lines: Any) -> memoryview:
    """All texts of a column, one after the other."""
    if not len(lines):
        return memoryview(b"")
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
