"""The benchmark's inputs, simulated with msprime: many persons (A, B) and one person's gVCF (C).

Each is bgzipped and indexed, a node.toml and a samples table beside it. Also BCF, and shorter pieces.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msprime
import numpy as np

POPULATIONS = ("FIN", "GBR", "IBS", "POL", "ITA")
SIZES_NOW = (120e3, 400e3, 350e3, 400e3, 400e3)
OFFSET = 20_000_000
CELLS = [f"{a}/{b}\t".encode() for a in "0123." for b in "0123."]
HEADER = (
    '##fileformat=VCFv4.2\n##FILTER=<ID=PASS,Description="All filters passed">\n'
    "##contig=<ID=chr20,length=64444167>\n##ALT=<ID=NON_REF,Description=any>\n"
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="AC">\n##INFO=<ID=AN,Number=1,Type=Integer,Description="AN">\n'
    '##INFO=<ID=AF,Number=A,Type=Float,Description="AF">\n##INFO=<ID=END,Number=1,Type=Integer,Description="end">\n'
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">\n'
    '##INFO=<ID=MQ,Number=1,Type=Float,Description="mapping">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">\n'
    '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">\n'
)


def ancestry(persons: int, bases: float):  # type: ignore[no-untyped-def]
    """Five European populations after the bottleneck out of Africa, growing since."""
    model = msprime.Demography()
    for name, size in zip(POPULATIONS, SIZES_NOW, strict=True):
        model.add_population(name=name, initial_size=size, growth_rate=0.02 if name != "FIN" else 0.018)
    model.add_population(name="EUR", initial_size=9000, growth_rate=0.003)
    model.add_population_split(time=250, derived=list(POPULATIONS), ancestral="EUR")
    model.set_symmetric_migration_rate(list(POPULATIONS), 2e-3)
    for time, size in ((920, 1861), (2040, 14474), (5920, 7310)):
        model.add_population_parameters_change(time=time, population="EUR", initial_size=size, growth_rate=0)
    model.sort_events()
    each = {name: persons // len(POPULATIONS) for name in POPULATIONS}
    trees = msprime.sim_ancestry(
        each, demography=model, sequence_length=bases, recombination_rate=1.1e-8, random_seed=11
    )
    return msprime.sim_mutations(trees, rate=1.29e-8, random_seed=12)


def sites(trees, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:  # type: ignore[no-untyped-def]
    """Each site as its first columns and the two alleles of each person, 4 where not called."""
    for variant in trees.variants():
        if variant.num_alleles > 4:
            continue
        pairs = np.sort(variant.genotypes.astype(np.int8).reshape(-1, 2), axis=1)
        rate = 0.0 if rng.random() < 0.35 else rng.beta(0.25, 60)
        pairs[rng.random(len(pairs)) < rate] = 4
        counts = np.bincount(pairs.ravel(), minlength=5)
        called = int(counts[:4].sum())
        alts = counts[1 : variant.num_alleles].tolist()
        info = f"AC={','.join(map(str, alts))};AN={called};AF={','.join(f'{n / called:.6g}' for n in alts)}"
        pos = OFFSET + int(variant.site.position) + 1
        first, *others = variant.alleles
        quality = rng.integers(30, 9000)
        yield f"chr20\t{pos}\t.\t{first}\t{','.join(others)}\t{quality}\tPASS\t{info}\t", pairs


def cells_with_depth(rng: np.random.Generator) -> np.ndarray:
    """GT:DP:GQ for each genotype, depth 0..127, and two qualities."""
    made = np.empty((25, 128, 2), object)
    for place, cell in enumerate(CELLS):
        for depth in range(128):
            quality = min(99, 3 * depth)
            for low in (0, 1):
                text = f"{cell[:3].decode()}:{depth}:{max(0, quality - 7 * low)}"
                made[place, depth, low] = (text if b"." not in cell else f"./.:{min(depth, 3)}:.").encode()
    return made


def packed(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["bgzip", "-@2", "-c"], stdin=subprocess.PIPE, stdout=path.open("wb"))


def many_persons(folder: Path, persons: int, count_a: int, count_b: int) -> None:
    """A: GT of about *count_a* sites. B: GT:DP:GQ of about *count_b* of them."""
    rng, trees = np.random.default_rng(7), ancestry(persons, 86.5 * count_a)
    names = [f"{POPULATIONS[place * 5 // persons]}{place:05d}" for place in range(persons)]
    head = HEADER + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(names) + "\n"
    table = np.frombuffer(b"".join(CELLS), np.uint8).reshape(25, 4)
    deep, share = cells_with_depth(rng), count_b / trees.num_sites
    writers = {name: packed(folder / f"{name}.vcf.gz") for name in "AB"}
    pipes = {name: writer.stdin for name, writer in writers.items()}
    for pipe in pipes.values():
        assert pipe is not None
        pipe.write(head.encode())
    for fixed, pairs in sites(trees, rng):
        code = pairs[:, 0].astype(np.intp) * 5 + pairs[:, 1]
        pipes["A"].write(fixed.encode() + b"GT\t" + table[code].tobytes()[:-1] + b"\n")
        if rng.random() < share:
            depth = np.minimum(127, rng.negative_binomial(20, 20 / 52, persons))
            low = (rng.random(persons) < 0.2).astype(np.intp)
            pipes["B"].write(fixed.encode() + b"GT:DP:GQ\t" + b"\t".join(deep[code, depth, low]) + b"\n")
    for writer in writers.values():
        writer.communicate()
    for name, fields in (("A", "[]"), ("B", '["GQ", "DP"]')):
        write_node(folder, name, names, fields)


def one_person(folder: Path, records: int) -> None:
    """C: a gVCF of one person, six in ten records being reference blocks."""
    rng = np.random.default_rng(8)
    gaps, varies = rng.geometric(1 / 50, records + 1), rng.random(records) < 0.4
    places = 60_000 + np.cumsum(gaps)
    depths = np.minimum(90, rng.negative_binomial(20, 20 / 52, records)).tolist()
    bases, shifts = rng.integers(0, 4, records).tolist(), rng.integers(1, 4, records).tolist()
    chance = rng.random((records, 4)).round(3).tolist()
    writer = packed(folder / "C.vcf.gz")
    assert writer.stdin is not None
    writer.stdin.write((HEADER + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n").encode())
    for number in range(records):
        pos, deep, ref = int(places[number]), depths[number], "ACGT"[bases[number]]
        a, b, c, d = chance[number]
        if varies[number]:
            alt = (
                "ACGT"[(bases[number] + shifts[number]) % 4]
                if a > 0.1
                else ref + "ACGTTGCA"[: 1 + int(70 * a)]
            )
            half = deep // 2 if b < 0.6 else deep
            likely = f"{half * 30},0,{(deep - half) * 30},{half * 33},{deep * 31},{deep * 40}"
            copies, genotype = (1, "0/1") if b < 0.6 else (2, "1/1")
            name = f"rs{int(c * 1e9)}" if d > 0.1 else "."
            info = f"AC={copies},0;AF={copies / 2},0;AN=2;DP={deep};MQ={40 + 20 * d:.2f}"
            site = f"chr20\t{pos}\t{name}\t{ref}\t{alt},<NON_REF>\t{30 + 900 * c:.2f}\tPASS\t{info}"
            cell = f"{genotype}:{deep - half},{half},0:{deep}:{min(99, 3 * deep)}:{likely}"
            line = f"{site}\tGT:AD:DP:GQ:PL\t{cell}\n"
        else:
            quality, end = min(99, 3 * deep), pos + int(gaps[number + 1]) - 1
            line = (
                f"chr20\t{pos}\t.\t{ref}\t<NON_REF>\t.\t.\tEND={end}\tGT:AD:DP:GQ:PL\t"
                f"0/0:{deep},0:{deep}:{quality}:0,{quality},{15 * quality}\n"
            )
        writer.stdin.write(line.encode())
    writer.communicate()
    write_node(folder, "C", ["S1"], '["GQ", "DP"]')


def write_node(folder: Path, name: str, people: list[str], fields: str, kind: str = "vcf.gz") -> None:
    """The samples table and node.toml of input *name*, and the file's index."""
    rows = "".join(f"{person}\t{'FM'[place % 2]}\t{person[:3]}\n" for place, person in enumerate(people))
    (folder / "samples.tsv" if len(people) > 1 else folder / "one.tsv").write_text(
        "sample_id\tsex\tpopulation\n" + rows if len(people) > 1 else f"sample_id\tsex\n{people[0]}\tF\n"
    )
    table = "samples.tsv" if len(people) > 1 else "one.tsv"
    (folder / f"{name}.toml").write_text(
        f'[node]\ncountry = "EE"\nassembly = "GRCh38"\nlake = "{name}.lake"\n'
        f'[[genotypes]]\nfiles = ["{name}.{kind}"]\nformat_fields = {fields}\n[samples]\nfile = "{table}"\n'
    )
    # polars-bio knows only this kind of index
    subprocess.run(["bcftools", "index", "-f", "-t", folder / f"{name}.{kind}"], check=True)


def part_of(folder: Path, name: str, records: int, label: str) -> None:
    """Input *label*: the first *records* of input *name*."""
    source = subprocess.Popen(["bgzip", "-dc", folder / f"{name}.vcf.gz"], stdout=subprocess.PIPE)
    writer = packed(folder / f"{label}.vcf.gz")
    assert source.stdout is not None
    assert writer.stdin is not None
    for line in source.stdout:
        records -= not line.startswith(b"#")
        if records < 0:
            break
        writer.stdin.write(line)
    source.kill()
    source.wait()
    writer.communicate()
    settings = (folder / f"{name}.toml").read_text().replace(f'"{name}.', f'"{label}.')
    (folder / f"{label}.toml").write_text(settings)


def as_bcf(folder: Path, name: str, label: str) -> None:
    """Input *label*: input *name* as BCF."""
    source, target = folder / f"{name}.vcf.gz", folder / f"{label}.bcf"
    subprocess.run(["bcftools", "view", "-Ob", "-o", target, source], check=True)
    settings = (folder / f"{name}.toml").read_text()
    settings = settings.replace(f"{name}.vcf.gz", f"{label}.bcf").replace(f"{name}.lake", f"{label}.lake")
    (folder / f"{label}.toml").write_text(settings)


def make_inputs(folder: Path, scale: float) -> None:
    """All inputs, *scale* times as large as the published ones; what is there already stays."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    many_persons(folder, 2500, int(100_000 * scale), int(20_000 * scale))
    one_person(folder, int(1_000_000 * scale))
    for name, records in (("A", int(100_000 * scale)), ("C", int(1_000_000 * scale))):
        part_of(folder, name, records // 4, f"{name}-quarter")
        part_of(folder, name, records // 2, f"{name}-half")
    as_bcf(folder, "A", "A-bcf")
    (folder / "done").touch()
