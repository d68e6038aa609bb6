"""Sealed cells: what they tell that open ones do not, what they still withhold, and what a gateway sees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import goe_lake
from goe_lake.engine.node import NodeAnswer
from goe_lake.engine.public_domain import PublicColumn
from goe_lake.errors import Incomplete, NodeFailed, ReleaseRefused
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.federation.answer import Answer
from goe_lake.federation.asker import Asker
from goe_lake.federation.sealable import public_domain
from goe_lake.federation.sealed_sums import (
    Circle,
    Parcel,
    SealedQuestion,
    new_nonce,
    seat_in_memory,
)
from goe_lake.federation.sealing import WITNESSES, Agreement, SealBroken, open_sum
from goe_lake.release import CellKind, Release
from tests.federation.nodes import build_nodes

# at site 1000 each node has few carriers; at 2000 LV has few, at 3000 nobody, and AT and EE many; at 4000
# all have many; at 5000 there are few in all
CARRIERS = {
    "AT": (4, 12, 9, 20, 9),
    "EE": (4, 11, 8, 20, 0),
    "FI": (4, 10, 7, 20, 0),
    "LV": (4, 2, 0, 20, 0),
    "SE": (4, 10, 6, 20, 0),
}
CASES = {"AT": 3, "EE": 4, "FI": 3, "LV": 4, "SE": 20}
BY_SITE = (
    "SELECT pos, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
    "GROUP BY contig, pos, ref, alt ORDER BY pos"
)


@pytest.fixture(scope="module")
def tomls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The nodes of `CARRIERS`, of 60 persons each, with a threshold of 5."""
    return build_nodes(tmp_path_factory.mktemp("nodes"), CARRIERS, cases=CASES)


def opened(tomls: Sequence[Path], *, sealed: bool = True) -> Federation:
    """The federation of *tomls* under a list of all sites."""
    federation = goe_lake.open_federation(tomls, sealed=sealed)
    federation.keep_listed(all_sites(federation))
    return federation


def all_sites(federation: Federation) -> pa.Table:
    """The listed sites, and the one at 1000, which only all countries together have often enough."""
    sites = federation.site_list.sites
    row = sites.slice(0, 1).to_pylist()[0]
    row |= {"pos": 1000, "end_pos": 1000, "variant_id": "chr1-1000-A-C"}
    return pa.Table.from_pylist([row], sites.schema)


@pytest.fixture(scope="module")
def federation(tomls: list[Path]) -> Federation:
    """The federation with sealed cells."""
    return opened(tomls)


@pytest.fixture(scope="module")
def in_the_open(tomls: list[Path]) -> Federation:
    """The same without."""
    return opened(tomls, sealed=False)


def rows(answer: Answer) -> list[dict[str, object]]:
    """The rows of an answer."""
    return answer.table.to_pylist()


def test_what_is_rare_in_each_country_and_common_in_all_is_told(
    federation: Federation, in_the_open: Federation
):
    """Four carriers in each of five countries are twenty; no country would tell its four."""
    assert rows(in_the_open.sql(BY_SITE))[0] == {"pos": 1000, "ac": None, "an": 600}
    assert rows(federation.sql(BY_SITE))[0] == {"pos": 1000, "ac": 20, "an": 600}
    assert "cells: sealed" in federation.explain(BY_SITE)


def test_what_open_answers_leave_of_a_sum_is_not_told(federation: Federation, in_the_open: Federation):
    """Where all countries but one tell their own, the sum would tell of that one."""
    by_country = (
        "SELECT s.country, g.pos, sum(g.dosage) AS ac FROM genotypes g JOIN samples s "
        "ON g.sample_id = s.sample_id GROUP BY s.country, g.contig, g.pos, g.ref, g.alt ORDER BY pos, country"
    )
    own = {(row["pos"], row["country"]): row["ac"] for row in rows(federation.sql(by_country))}
    assert [own[2000, country] for country in CARRIERS] == [12, 11, 10, None, 10]
    pooled = {row["pos"]: row["ac"] for row in rows(federation.sql(BY_SITE))}
    assert pooled == {1000: 20, 2000: None, 3000: None, 4000: 100, 5000: None}
    # told are sums of which all nodes, or at least k carriers of the others, are withheld
    for pos, total in pooled.items():
        hidden = [CARRIERS[c][pos // 1000 - 1] for c in CARRIERS if own.get((pos, c)) is None]
        assert total is None or not hidden or sum(hidden) >= 5
    assert "open        because it names the country" in federation.explain(by_country)


def test_two_worlds_look_alike(tmp_path: Path):
    """Whether one country has no carrier, one, or four is not seen in the sum, nor in that it is withheld."""
    answers = []
    for world, count in enumerate((0, 1, 4)):
        carriers = dict.fromkeys(("AT", "EE", "FI"), (12, 11)) | {"LV": (count, 11)}
        federation = goe_lake.open_federation(build_nodes(tmp_path / str(world), carriers))
        answer = federation.sql(BY_SITE)
        answers.append((rows(answer), answer.status.to_pylist(), answer.envelope.bounds))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0][0]["ac"] is None


def test_counts_by_labels(federation: Federation, in_the_open: Federation):
    """Of few values, and by keys whose labels are public; a country of few cases hides among others."""
    by_sex = (
        "SELECT sex, population, count(*) AS n, sum(t2d) AS ill FROM samples "
        "GROUP BY sex, population ORDER BY 1, 2"
    )
    for text in (by_sex, "SELECT count(DISTINCT sample_id) AS n, sum(t2d) AS ill FROM samples"):
        assert "cells: sealed" in federation.explain(text)
        here, there = rows(federation.sql(text)), rows(in_the_open.sql(text))
        assert [row["n"] for row in here] == [row["n"] for row in there]
    assert rows(federation.sql("SELECT sum(t2d) AS ill FROM samples")) == [{"ill": 34}]
    assert rows(in_the_open.sql("SELECT sum(t2d) AS ill FROM samples")) == [{"ill": None}]


def test_one_named_site_is_sealed_and_a_range_is_not(federation: Federation):
    """Cells over several sites read unlisted ones too, which no list has."""
    one = (
        "SELECT sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
        "WHERE variant_id = 'chr1-1000-A-C'"
    )
    assert rows(federation.sql(one)) == [{"ac": 20, "an": 600}]
    assert "cells: sealed" in federation.explain(one)
    several = "SELECT sum(dosage) AS ac FROM genotypes WHERE pos BETWEEN 1 AND 3000"
    assert "because its cells do not lie at one site each" in federation.explain(several)
    nowhere = "SELECT sum(dosage) AS ac FROM genotypes WHERE variant_id = 'chr1-77-A-C'"
    assert rows(federation.sql(nowhere)) == [{"ac": None}]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT count(*) FROM samples WHERE sex = 'F'", "a condition chooses persons"),
        ("SELECT count_if(t2d) FROM samples", "a measure has a filter"),
        ("SELECT birth_year, count(*) FROM samples GROUP BY 1", "the values of birth_year are not listed"),
        ("SELECT sum(birth_year) FROM samples", "the values of birth_year are not listed"),
        ("SELECT upper(sex), count(*) FROM samples GROUP BY 1", "a key is computed"),
        (
            "SELECT dosage, count(*) FROM genotypes WHERE variant_id = 'chr1-1000-A-C' GROUP BY dosage",
            "a key is a genotype",
        ),
    ],
)
def test_what_is_asked_openly_says_why(federation: Federation, sql: str, reason: str):
    """Each query that is not sealed names its reason in `explain`."""
    assert reason in federation.explain(sql)


def test_fewer_than_three_nodes_and_open_nodes_are_not_sealed(tomls: list[Path], tmp_path: Path):
    """Two would read each other's; and where protection is off there is nothing to seal."""
    two = goe_lake.open_federation(tomls[:2])
    assert "the nodes have no sealing keys" in two.explain("SELECT count(*) FROM samples")
    assert rows(two.sql("SELECT count(*) AS n FROM samples")) == [{"n": 120}]
    (tmp_path / "policy.toml").write_text('version = 1\nprotection = "off"\n')
    text = tomls[0].read_text().replace('"policy.toml"', f'"{tmp_path}/policy.toml"')
    open_toml = tomls[0].with_name("open.toml")
    open_toml.write_text(text)
    mixed = goe_lake.open_federation([open_toml, *tomls[1:]])
    assert "because protection is off at NODE-AT" in mixed.explain("SELECT count(*) FROM samples")


def test_labels_of_one_country_are_not_sealed(tmp_path: Path):
    """A label that fewer than three nodes declare is as good as their name."""
    carriers = {"AT": (9,), "EE": (9,), "FI": (9,)}
    tomls = build_nodes(tmp_path, carriers)
    own = '[samples.columns.cohort]\nvalues = ["Only-{}"]\n'
    for toml in tomls:
        samples = (toml.parent / "samples.tsv").read_text().splitlines()
        (toml.parent / "samples.tsv").write_text(
            "\n".join([f"{samples[0]}\tcohort", *(f"{row}\tOnly-{toml.parent.name}" for row in samples[1:])])
            + "\n"
        )
        toml.write_text(toml.read_text() + own.format(toml.parent.name))
        goe_lake.lake.ingest(goe_lake.config.read_node(toml), min_label_persons=1, progress=None)
    federation = goe_lake.open_federation(tomls)
    text = "SELECT cohort, count(*) FROM samples GROUP BY cohort"
    assert "cohort can be 'Only-AT' at fewer than 3 nodes" in federation.explain(text)


# the protocol ---------------------------------------------------------------------------------------------


def seated(tomls: Sequence[Path]) -> tuple[dict[str, EmbeddedNode], Circle, Federation]:
    """Nodes of a circle, and a federation that has laid its site list over them."""
    nodes = [EmbeddedNode(toml) for toml in tomls]
    circle = seat_in_memory(nodes)
    assert circle is not None
    federation = Federation(nodes, circle=circle)
    return {node.node_id: node for node in nodes}, circle, federation


def question_for(federation: Federation, text: str, project: str = "demo") -> SealedQuestion:
    """The sealed question of *text*."""
    release: Release = federation._plan(text)[0].releases[0]
    return SealedQuestion(
        replace(release, cells=CellKind.SEALED),
        Asker(project),
        "0" * 32,
        public_domain(release, federation.catalog),
        federation.site_list.digest,
        new_nonce(),
    )


def hand_in(nodes: dict[str, EmbeddedNode], circle: Circle, question: SealedQuestion) -> list[Parcel]:
    """What all but the opener hand in."""
    opener = question.opener(circle)
    return [node.seal(question) for name, node in nodes.items() if name != opener]


COUNTS = "SELECT sex, population, count(*) AS n FROM samples GROUP BY sex, population"


def test_a_message_has_no_readable_count(tomls: list[Path]):
    """Its words are noise: no count is among them, and the next message about the same has other ones."""
    nodes, circle, federation = seated(tomls)
    question = question_for(federation, BY_SITE)
    parcels = hand_in(nodes, circle, question)
    for parcel in parcels:
        assert (parcel.words > 10_000).all()
    words = np.concatenate([parcel.words for parcel in parcels])
    counts = np.bincount(np.frombuffer(words.tobytes(), dtype=np.uint8), minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-6
    again = replace(question, nonce=new_nonce())
    while again.opener(circle) != question.opener(circle):
        again = replace(question, nonce=new_nonce())
    for parcel, other in zip(parcels, hand_in(nodes, circle, again), strict=True):
        assert parcel.node_id == other.node_id
        assert not np.isin(parcel.words, other.words).any()


def test_the_gateway_cannot_open_what_it_carries(tomls: list[Path]):
    """It lacks the opener's words: nobody sends them, and what it has is noise."""
    nodes, circle, federation = seated(tomls)
    question = question_for(federation, COUNTS)
    parcels = hand_in(nodes, circle, question)
    agreement = Agreement(
        question.digest(),
        circle.epoch,
        question.nonce,
        question.keys(circle),
        len(parcels[0].words) - WITNESSES,
    )
    with pytest.raises(SealBroken):
        open_sum([parcel.words for parcel in parcels], agreement)
    opener = question.opener(circle)
    with pytest.raises(ReleaseRefused, match="this node opens"):
        nodes[opener].seal(replace(question, query_id="1" * 32))
    other = next(name for name in nodes if name != opener)
    with pytest.raises(ReleaseRefused, match="another node opens"):
        nodes[other].open(replace(question, query_id="1" * 32), parcels)
    assert nodes[opener].open(question, parcels).cells.num_rows == 4


def test_a_nonce_is_taken_once_and_only_while_it_is_fresh(tomls: list[Path]):
    """A replay gets nothing, not even the same words; an old or a future nonce neither."""
    nodes, circle, federation = seated(tomls)
    question = question_for(federation, COUNTS)
    node = next(node for name, node in nodes.items() if name != question.opener(circle))
    node.seal(question)
    with pytest.raises(ReleaseRefused, match="used before"):
        node.seal(question)
    for seconds in (-3600, 3600):
        stale = replace(question, nonce=f"{int((time.time() + seconds) * 1000):013}-{'a' * 32}")
        with pytest.raises(ReleaseRefused, match="is not of now"):
            node.seal(stale)
    with pytest.raises(ReleaseRefused, match="not written as one"):
        node.seal(replace(question, nonce="once"))
    with pytest.raises(ReleaseRefused, match="sealed cells"):
        node.seal(replace(question, release=replace(question.release, cells=CellKind.OPEN)))


def test_the_opener_takes_the_parcels_of_all_others_and_no_more(tomls: list[Path]):
    """None missing, none doubled, none of another question or of other labels: else there is no sum."""
    nodes, circle, federation = seated(tomls)

    def fails(change: str) -> None:
        question = question_for(federation, COUNTS)
        parcels = hand_in(nodes, circle, question)
        if change == "missing":
            parcels = parcels[:-1]
        elif change == "doubled":
            parcels = [*parcels[:-1], parcels[0]]
        elif change == "of another question":
            other = replace(question, asker=Asker("other"), nonce=new_nonce())
            while other.opener(circle) == parcels[0].node_id:
                other = replace(other, nonce=new_nonce())
            parcels[0] = nodes[parcels[0].node_id].seal(other)
        elif change == "garbage":
            parcels[0] = replace(parcels[0], words=parcels[0].words + np.uint64(1))
        elif change == "of weaker rules":
            parcels[0] = replace(parcels[0], rules={**parcels[0].rules, "min_persons": 0, "more": 1})
        with pytest.raises(NodeFailed) as failed:
            nodes[question.opener(circle)].open(question, parcels)
        assert "value" not in str(failed.value)

    for change in ("missing", "doubled", "of another question", "garbage", "of weaker rules"):
        fails(change)


def test_a_node_that_counts_falsely_is_out_of_bounds_or_seen_in_no_other_cell(tomls: list[Path]):
    """A count below zero does not open; a plausible lie stays one, as with open cells."""
    nodes, circle, federation = seated(tomls)
    question = question_for(federation, COUNTS)
    parcels = hand_in(nodes, circle, question)
    words = parcels[0].words.copy()
    words[0] -= np.uint64(10_000)
    with pytest.raises(NodeFailed):
        nodes[question.opener(circle)].open(question, [replace(parcels[0], words=words), *parcels[1:]])


def test_what_is_told_cannot_be_changed_below_zero_nor_beyond_bounds(tomls: list[Path]):
    """The numbers behind the counts, which say what an earlier number has more, are looked at as well."""
    nodes, circle, federation = seated(tomls)
    for place, change in ((-2 * 6, -10_000), (-2 * 6, 2**40), (-6, 2**40), (-6, -1)):
        question = question_for(federation, COUNTS)
        parcels = hand_in(nodes, circle, question)
        words = parcels[0].words.copy()
        at = len(words) - WITNESSES + place
        words[at : at + 1] += np.array([change], np.int64).astype(np.uint64)
        with pytest.raises(NodeFailed):
            nodes[question.opener(circle)].open(question, [replace(parcels[0], words=words), *parcels[1:]])


def test_labels_that_are_not_all_listed_are_refused(tomls: list[Path]):
    """A gateway that leaves a label out would leave its persons out."""
    nodes, circle, federation = seated(tomls)
    question = question_for(federation, COUNTS)
    domain = question.domain
    fewer = tuple(
        PublicColumn(column.name, column.type, tuple(value for value in column.values if value != "Alpha"))
        for column in domain.columns
    )
    for columns in (fewer, domain.columns[:1]):
        asked = replace(question, domain=replace(domain, columns=columns), nonce=new_nonce())
        while asked.opener(circle) == "NODE-AT":
            asked = replace(asked, nonce=new_nonce())
        with pytest.raises(ReleaseRefused):
            nodes["NODE-AT"].seal(asked)


def test_the_strictest_rules_hold_the_sum(tmp_path: Path):
    """One node of a higher threshold holds all to it."""
    tomls = build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI", "LV"), (4,)))
    # listed by its sum, which no node tells
    assert "ac" in str(rows(listed(tomls).sql(BY_SITE)))
    assert rows(listed(tomls).sql(BY_SITE)) == [{"pos": 1000, "ac": 16, "an": 480}]
    (tmp_path / "EE" / "policy.toml").write_text("version = 1\nmin_persons = 17\n")
    assert rows(listed(tomls).sql(BY_SITE)) == [{"pos": 1000, "ac": None, "an": 480}]


def listed(tomls: Sequence[Path]) -> Federation:
    """The federation of *tomls* with the site at 1000 listed."""
    federation = goe_lake.open_federation(tomls)
    schema = federation.site_list.sites.schema
    row = dict.fromkeys(schema.names) | {
        "contig": "chr1", "pos": 1000, "ref": "A", "alt": "C", "variant_id": "chr1-1000-A-C",
        "end_pos": 1000, "type": "snv",
    }  # fmt: skip
    federation.keep_listed(pa.Table.from_pylist([row], schema))
    return federation


class Failing:
    """A node that does not do its part."""

    def __init__(self, node: EmbeddedNode, *, opens: bool = True) -> None:
        self._node, self._opens = node, opens

    def __getattr__(self, name: str) -> object:
        return getattr(self._node, name)

    def seal(self, question: SealedQuestion) -> Parcel:
        """Nothing."""
        raise NodeFailed(self._node.node_id, question.query_id)

    def open(self, question: SealedQuestion, parcels: Sequence[Parcel]) -> NodeAnswer:
        """Nothing either."""
        raise NodeFailed(self._node.node_id, question.query_id)


def test_a_node_that_fails_is_named_and_its_sum_is_not_made(tomls: list[Path]):
    """Whichever part it has; whoever accepts fewer nodes is answered with open cells, by those that can."""
    nodes = [EmbeddedNode(toml) for toml in tomls]
    circle = seat_in_memory(nodes)
    federation = Federation([Failing(nodes[0]), *nodes[1:]], circle=circle)
    for _ in range(6):  # it opens some of them
        with pytest.raises(Incomplete) as incomplete:
            federation.sql(COUNTS)
        assert incomplete.value.missing == ("NODE-AT",)
    # open cells can still be asked of it
    answer = federation.sql(COUNTS, completeness="any")
    assert sum(row["n"] for row in rows(answer)) == 300


def test_nothing_of_a_sum_is_logged(tomls: list[Path], capfd: pytest.CaptureFixture[str]):
    """Neither what was opened nor what was withheld of it."""
    federation = opened(tomls)
    federation.sql(BY_SITE)
    federation.explain(BY_SITE)
    printed = capfd.readouterr()
    assert "39" not in printed.out + printed.err


def test_a_column_of_one_country_is_not_sealed(tmp_path: Path):
    """Its values are that country's, whatever the sum is over; so are missing ones that only it can have."""
    tomls = build_nodes(tmp_path, dict.fromkeys(("AT", "EE", "FI"), (9,)))
    first = tomls[0]
    samples = (first.parent / "samples.tsv").read_text().splitlines()
    rows = [f"{samples[0]}\tsmokes", *(f"{row}\ttrue" for row in samples[1:])]
    (first.parent / "samples.tsv").write_text("\n".join(rows) + "\n")
    own = first.read_text().replace("nullable = false", "nullable = true", 1)
    first.write_text(f'{own}[samples.columns.smokes]\ntype = "boolean"\n')
    goe_lake.lake.ingest(goe_lake.config.read_node(first), min_label_persons=1, progress=None)
    federation = goe_lake.open_federation(tomls)
    told = federation.explain("SELECT sum(smokes) FROM samples")
    assert "smokes can be False at fewer than 3 nodes" in told
    told = federation.explain("SELECT population, count(*) FROM samples GROUP BY population")
    assert "population can be a missing value at fewer than 3 nodes" in told
