"""Allele frequencies between real processes: the rows of one process, for the gateway alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from goe_lake.cli import app
from goe_lake.config import read_node
from goe_lake.errors import NodeFailed
from goe_lake.federation import Federation
from goe_lake.federation.remote_node import RemoteNode
from goe_lake.federation.wire import FREQUENCIES
from goe_lake.products.frequencies.store import open_release
from goe_lake.web.serve import remote_federation
from tests.services.running import Running


@pytest.fixture
def no_releases(node_tomls: list[Path]) -> Iterator[None]:
    """Lakes that have released nothing, before and after."""
    yield
    for toml in node_tomls:
        shutil.rmtree(read_node(toml).lake / "frequencies", ignore_errors=True)


def test_the_wire_gives_the_rows_of_one_process(
    services: Running, embedded: Federation, no_releases: None
) -> None:
    """Before and after the nodes have released something, haploid males among it."""
    contigs = sorted(set(embedded.site_list.sites.column("contig").to_pylist()))[-2:]
    with remote_federation(services.keys.federation) as remote:
        before = {contig: remote.frequencies(contig) for contig in contigs}
        assert all(before[contig].equals(embedded.frequencies(contig)) for contig in contigs)
        made = remote.release_frequencies()
        assert [release.number for release in made] == [1, 1, 1]
        assert made == embedded.release_frequencies()
        after = {contig: remote.frequencies(contig) for contig in contigs}
    assert all(before[contig].equals(after[contig]) for contig in contigs)
    assert sum(table.num_rows for table in after.values()) > 100


def test_a_release_is_built_over_the_wire(services: Running, tmp_path: Path, no_releases: None) -> None:
    """goe release build --federation writes what the nodes release, node by node in its manifest."""
    out = tmp_path / "R1"
    command = ["release", "build", "--federation", str(services.keys.federation), "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    release = open_release(out)
    release.verify()
    assert [(node.country, node.release, node.protection) for node in release.manifest.created_from] == [
        ("EE", 1, "on"), ("FI", 1, "on"), ("LV", 1, "on"),
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [("GET", f"{FREQUENCIES}/chr1"), ("POST", FREQUENCIES)])
def test_nobody_else_may_ask(method: str, path: str, services: Running) -> None:
    """Without the gateway's token there is no answer, also not to what exists."""
    member = services.membership.nodes[0]
    context = services.identity("GOE-GATEWAY-1").client_context(member.ca)
    with httpx.Client(verify=context, trust_env=False) as client:
        response = client.request(method, member.address.url + path)
    assert response.status_code == 401


def test_a_node_answers_for_known_contigs_and_under_a_site_list_only(services: Running) -> None:
    """An unknown contig is not found; a node that was started again asks for the list, and gets it."""
    channel = services.channels()[0]
    node = RemoteNode(channel, services.membership)
    node.describe()
    node.lay(Federation([RemoteNode(channel, services.membership)]).site_list)
    with pytest.raises(NodeFailed, match="nothing at this address"):
        node.frequencies("chr99")
    name = channel.member.node_id
    services.stop(name)
    services.start([name])
    assert node.frequencies("chr1").num_rows >= 0
    channel.close()
