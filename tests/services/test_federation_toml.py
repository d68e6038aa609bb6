"""`federation.toml`: every complaint names the setting and the mend, and no key is a private one."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509

from goe_lake.errors import ConfigError
from goe_lake.federation.identity import Identity
from goe_lake.federation.keys import FederationKeys, make_federation_keys
from goe_lake.federation.membership import read_federation

NODES = [("GOE-EE-NODE-1", "EE", "ee.example", 8443), ("GOE-FI-NODE-1", "FI", "127.0.0.1", 8444)]


@pytest.fixture
def keys(tmp_path: Path) -> FederationKeys:
    """A federation of two nodes."""
    return make_federation_keys(
        tmp_path, NODES, gateway=("GOE-GATEWAY-1", "gateway.example", 443), min_persons=12
    )


def test_what_is_written_is_read(keys: FederationKeys):
    """The demo's keys make a federation that this version reads."""
    membership = read_federation(keys.federation)
    assert [
        (node.node_id, node.country, node.address.host, node.address.port) for node in membership.nodes
    ] == NODES
    assert membership.gateway.gateway_id == "GOE-GATEWAY-1"
    assert membership.gateway.address.port == 443
    assert (membership.min_persons, membership.assembly, membership.ca) == (12, "GRCh38", keys.ca)
    for name, folder in {**keys.nodes, "GOE-GATEWAY-1": keys.gateway}.items():
        member = membership.gateway if folder == keys.gateway else membership.node(name)
        Identity(name, folder).signer(member.public_key)


def test_private_keys_are_their_owners_only(keys: FederationKeys):
    """Nobody else on the machine reads them, and the authority's is nowhere."""
    private = [
        path
        for path in keys.federation.parent.rglob("*")
        if path.is_file() and b"PRIVATE" in path.read_bytes()
    ]
    assert len(private) == 2 * (len(NODES) + 1) + len(NODES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    authority = x509.load_pem_x509_certificate(keys.ca.read_bytes())
    for path in private:
        assert path.name in ("signing.key", "tls.key", "sealing-1.key")
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_key_is_written_in_four_ways(keys: FederationKeys, tmp_path: Path):
    """PEM in the file, a PEM file, a JWK file, and a JWK as a table are the same key."""
    text = keys.federation.read_text()
    key = read_federation(keys.federation).nodes[0].public_key
    pem = key.as_pem(private=False).decode()
    (tmp_path / "ee.pem").write_text(pem)
    jwk = {
        name: str(value)
        for name, value in key.as_dict(private=False).items()
        if name in ("kty", "crv", "x", "y")
    }
    (tmp_path / "ee.jwk").write_text(json.dumps(jwk))
    table = ", ".join(f'{name} = "{value}"' for name, value in jwk.items())
    start = text.index("public_key", text.index("GOE-EE-NODE-1"))
    end = text.index('"""\n', text.index('"""', start) + 3) + 4
    for written in ('"ee.pem"', '"ee.jwk"', f"{{ {table} }}"):
        keys.federation.write_text(text[:start] + f"public_key = {written}\n" + text[end:])
        assert read_federation(keys.federation).nodes[0].public_key.thumbprint() == key.thumbprint()


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("version     = 1", "version     = 2", "version"),
        ("version     = 1", "versoin     = 1", "versoin"),
        ('ca          = "ca.pem"', "", "ca"),
        ('ca          = "ca.pem"', 'ca = "nowhere.pem"', "ca"),
        ("min_persons = 12", "min_persons = 0", "min_persons"),
        ('assembly    = "GRCh38"', 'assembly = "hg19"', "assembly"),
        ('country    = "EE"', 'country = "ee"', r"nodes\[1\].country"),
        ("https://ee.example:8443", "http://ee.example:8443", r"nodes\[1\].url"),
        ("https://ee.example:8443", "https://ee.example:8443/api", r"nodes\[1\].url"),
        ("https://ee.example:8443", "https://ee.example:eighty", r"nodes\[1\].url"),
        ("GOE-FI-NODE-1", "GOE-EE-NODE-1", r"nodes.id"),
        ("GOE-FI-NODE-1", "GOE FI", r"nodes\[2\].id"),
        ("-----BEGIN PUBLIC KEY-----\nM", "-----BEGIN PUBLIC KEY-----\nX", "gateway.public_key"),
        ("[gateway]", 'site_list_digest = "12"\n[gateway]', "site_list_digest"),
        ("[gateway]", "[gateway]\nadress = 1", "gateway.adress"),
    ],
)
def test_every_complaint_names_the_setting(keys: FederationKeys, old: str, new: str, setting: str):
    """What is misspelt, missing or out of range is never passed over."""
    text = keys.federation.read_text()
    assert old in text
    keys.federation.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=rf": {setting}: "):
        read_federation(keys.federation)


def test_a_private_key_has_no_place_in_the_file(keys: FederationKeys):
    """The file goes to every member."""
    text = keys.federation.read_text()
    start = text.index("public_key")
    private = (keys.gateway / "signing.key").read_text()
    keys.federation.write_text(
        f'{text[:start]}public_key = """\n{private}"""\n\n{text[text.index("[[nodes]]") :]}'
    )
    with pytest.raises(ConfigError, match="is a private key"):
        read_federation(keys.federation)


def test_an_identity_fits_its_public_key(keys: FederationKeys):
    """A service does not start with another's key, nor without one."""
    membership = read_federation(keys.federation)
    with pytest.raises(ConfigError, match="not the private half"):
        Identity("GOE-EE-NODE-1", keys.gateway).signer(membership.nodes[0].public_key)
    with pytest.raises(ConfigError, match="is not there"):
        Identity("GOE-EE-NODE-1", keys.ca.parent).signer(membership.nodes[0].public_key)
    (keys.gateway / "tls.key").write_bytes((keys.nodes["GOE-EE-NODE-1"] / "tls.key").read_bytes())
    with pytest.raises(ConfigError, match=r"tls\.pem"):
        Identity("GOE-GATEWAY-1", keys.gateway).server_context()
    with pytest.raises(ConfigError, match="not a member"):
        membership.node("GOE-SE-NODE-1")
