"""`federation.toml`: which nodes and which gateway make the federation, and how each proves who it is.

```toml
version     = 1
assembly    = "GRCh38"
min_persons = 10                          # floor of every node's threshold
serial      = 1                           # of this file; rises with every change
ca          = "ca.pem"                    # signs every certificate, of servers and of clients
site_list_digest = "…"                    # optional: nodes take this site list and no other
public_sites = "gnomad.parquet"           # optional: sites that are listed whoever carries them

[gateway]
id         = "GOE-GATEWAY-1"
url        = "https://gateway.example:8443"
public_key = "gateway.pub.pem"            # ES256: a PEM or JWK file, the PEM itself, or a JWK as a table

[[nodes]]
id         = "GOE-EE-NODE-1"
country    = "EE"
url        = "https://ee.example:8443"
public_key = { kty = "EC", crv = "P-256", x = "…", y = "…" }
ca         = "ee-ca.pem"                  # optional: where another CA signs this node's certificate

[[nodes.sealing_keys]]                    # optional: for sealed sums; two overlap while a key is renewed
id          = "2026-1"
public_key  = "…"                         # X25519: its 32 bytes in base64
valid_from  = "2026-01-01"                # days in UTC, both included
valid_until = "2026-12-31"
```

Paths are relative to the file. Whether the file is signed, and by whom: `goe_lake.federation.signed`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from goe_lake.config import COUNTRY, NODE_ID
from goe_lake.errors import ConfigError
from goe_lake.genome import ASSEMBLIES
from goe_lake.settings import Section, read_toml

FEDERATION_VERSION: Final = 1
DEFAULT_FLOOR: Final = 10
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
KEY_MEND: Final = "give an ES256 public key: a PEM or JWK file, the PEM itself, or a JWK as a table"
SEALING_MEND: Final = "goe node sealing-key writes a new key and prints these lines"
URL_MEND: Final = 'e.g. url = "https://ee.example:8443"'


@dataclass(frozen=True)
class Address:
    """Where a service listens: an https URL of host and port, nothing behind it."""

    url: str
    host: str
    port: int


@dataclass(frozen=True)
class GatewayMember:
    """The one gateway whose requests the nodes answer."""

    gateway_id: str
    address: Address
    public_key: ECKey


@dataclass(frozen=True)
class SealingKey:
    """The public half of an X25519 key, 32 bytes, and the days (UTC) on which it is used, both included."""

    key_id: str
    raw: bytes
    valid_from: date
    valid_until: date


@dataclass(frozen=True)
class NodeMember:
    """One node of the federation; *ca* signs the certificate of its server."""

    node_id: str
    country: str
    address: Address
    public_key: ECKey
    ca: Path
    sealing_keys: tuple[SealingKey, ...] = ()


@dataclass(frozen=True)
class Membership:
    """A whole `federation.toml`; every path is absolute.

    *min_persons* is the floor of the thresholds: a node may ask for more persons, never for fewer.
    *digest* is the SHA-256 of the file, in hex: the epoch of sealed sums.
    """

    file: Path
    assembly: str
    min_persons: int
    ca: Path
    gateway: GatewayMember
    nodes: tuple[NodeMember, ...]
    site_list_digest: str | None
    serial: int
    digest: str
    public_sites: Path | None = None

    def node(self, node_id: str) -> NodeMember:
        """The member of that id; ConfigError where the federation has none."""
        for member in self.nodes:
            if member.node_id == node_id:
                return member
        listed = ", ".join(member.node_id for member in self.nodes)
        raise ConfigError(self.file, "nodes", f"{node_id} is not a member", f"members are {listed}")


def read_federation(path: Path | str) -> Membership:
    """Read and check the `federation.toml` at *path*.

    Raises ConfigError naming the setting and the mend.
    """
    top = read_toml(Path(path).resolve())
    top.integer(
        "version", FEDERATION_VERSION, "this version reads version = 1", least=1, most=FEDERATION_VERSION
    )
    ca = _file(top, "ca", top.text("ca", 'the certificate authority of the federation, e.g. ca = "ca.pem"'))
    membership = Membership(
        file=Path(top.file),
        assembly=top.text_or("assembly", "GRCh38", "name the reference build", choices=tuple(ASSEMBLIES)),
        min_persons=top.integer(
            "min_persons", DEFAULT_FLOOR, "a number of persons, e.g. 10", least=1, most=1_000_000
        ),
        ca=ca,
        gateway=_gateway(top.section("gateway")),
        nodes=tuple(_node(section, ca) for section in top.sections("nodes")),
        site_list_digest=_site_list_digest(top),
        serial=top.integer("serial", 1, "a number that rises with every change", least=1, most=10**9),
        public_sites=_public_sites(top),
        digest=sha256(Path(top.file).read_bytes()).hexdigest(),
    )
    top.done()
    _check_nodes(top, membership)
    return membership


def _site_list_digest(top: Section) -> str | None:
    mend = "the 64 hex digits that the gateway logs when it opens"
    digest = top.text_or("site_list_digest", "", mend)
    if digest and not DIGEST.fullmatch(digest):
        raise top.error("site_list_digest", "is not a SHA-256 in hex", mend)
    return digest or None


def _public_sites(top: Section) -> Path | None:
    name = top.text_or("public_sites", "", 'a Parquet file of sites, e.g. public_sites = "gnomad.parquet"')
    return _file(top, "public_sites", name) if name else None


def _gateway(section: Section) -> GatewayMember:
    gateway = GatewayMember(_member_id(section), _address(section), _public_key(section))
    section.done()
    return gateway


def _node(section: Section, federation_ca: Path) -> NodeMember:
    country = section.text("country", 'the ISO 3166-1 alpha-2 code, e.g. country = "EE"')
    if not COUNTRY.fullmatch(country):
        raise section.error("country", f"{country!r} is not two capital letters", 'e.g. country = "EE"')
    own_ca = section.text_or("ca", "", "a PEM file; leave it out where the federation's CA signs")
    ca = _file(section, "ca", own_ca) if own_ca else federation_ca
    sealing = tuple(_sealing_key(key) for key in section.sections("sealing_keys"))
    if len({key.key_id for key in sealing}) != len(sealing):
        raise section.error("sealing_keys", "two keys have one id", "give each an id of its own")
    node = NodeMember(_member_id(section), country, _address(section), _public_key(section), ca, sealing)
    section.done()
    return node


def _sealing_key(section: Section) -> SealingKey:
    key_id = section.text("id", SEALING_MEND)
    if not NODE_ID.fullmatch(key_id):
        raise section.error(
            "id", f"{key_id!r} has other characters than letters, digits and ._-", "e.g. 2026-1"
        )
    try:
        raw = base64.b64decode(section.text("public_key", SEALING_MEND), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise section.error("public_key", "is not the 32 bytes of an X25519 key in base64", SEALING_MEND)
    key = SealingKey(key_id, raw, _day(section, "valid_from"), _day(section, "valid_until"))
    if key.valid_from > key.valid_until:
        raise section.error("valid_until", "is before valid_from", "write the later day last")
    section.done()
    return key


def _day(section: Section, name: str) -> date:
    mend = f'a day in UTC, e.g. {name} = "2026-01-01"'
    try:
        return date.fromisoformat(section.text(name, mend))
    except ValueError:
        raise section.error(name, "is not a day", mend) from None


def _member_id(section: Section) -> str:
    member_id = section.text("id", "e.g. GOE-EE-NODE-1")
    if not NODE_ID.fullmatch(member_id):
        raise section.error(
            "id", f"{member_id!r} has other characters than letters, digits and ._-", "e.g. GOE-EE-NODE-1"
        )
    return member_id


def _address(section: Section) -> Address:
    url = section.text("url", URL_MEND)
    try:
        return parse_address(url)
    except ValueError as error:
        raise section.error("url", str(error), URL_MEND) from None


def parse_address(url: str) -> Address:
    """The address that *url* writes.

    Raises ValueError unless it is https, a host, perhaps a port, and nothing else.

    >>> parse_address("https://gateway.example").port
    443
    """
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    if parts.scheme != "https" or not host:
        raise ValueError(f"{url!r} is not an https address")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{url!r} holds more than host and port")
    return Address(f"https://{parts.netloc}", host, port or 443)


def _file(section: Section, name: str, text: str) -> Path:
    path = (Path(section.file).parent / text).resolve()
    if not path.is_file():
        raise section.error(name, f"there is no file {path}", "check the path; it is relative to this file")
    return path


def _public_key(section: Section) -> ECKey:
    """The ES256 key of a member, however it is written; a private key is refused."""
    if isinstance(section.values.get("public_key"), dict):
        key = _imported(section, _jwk(section.section("public_key")))
    else:
        text = section.text("public_key", KEY_MEND)
        if "-----BEGIN" not in text:
            text = _file(section, "public_key", text).read_text(encoding="utf-8")
        key = _imported(section, text)
    if key.is_private:
        raise section.error("public_key", "is a private key", "keep it out of this file; " + KEY_MEND)
    if key.curve_name != "P-256":
        raise section.error("public_key", f"is of curve {key.curve_name}, ES256 takes P-256", KEY_MEND)
    return key


def _jwk(section: Section) -> dict[str, str]:
    jwk = {name: section.text(name, KEY_MEND) for name in ("kty", "crv", "x", "y")}
    for name in ("alg", "use", "kid"):
        section.text_or(name, "", "a text")
    section.done()
    return jwk


def _imported(section: Section, written: str | dict[str, str]) -> ECKey:
    try:
        if isinstance(written, str) and written.lstrip().startswith("{"):
            written = json.loads(written)
        return ECKey.import_key(dict(written) if isinstance(written, dict) else written)
    except (JoseError, ValueError, TypeError, KeyError):
        raise section.error("public_key", "is not a key that can be read", KEY_MEND) from None


def _check_nodes(top: Section, membership: Membership) -> None:
    if not membership.nodes:
        raise top.error("nodes", "there is no node", "write each as [[nodes]]")
    facts = {
        "id": [member.node_id for member in membership.nodes],
        "url": [member.address.url for member in membership.nodes],
    }
    for name, values in facts.items():
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            raise top.error(
                f"nodes.{name}", f"{value} is given {times} times", f"each node has its own {name}"
            )
