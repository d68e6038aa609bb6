"""Throw-away keys of a federation, for a demo or a test: nobody keeps them safe.

The key of the certificate authority is never written, so no further certificate can be signed.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from goe_lake.federation.identity import SEALING_KEY, SIGNING_KEY, TLS_CERTIFICATE, TLS_KEY
from goe_lake.federation.signed import PINNED, sign_federation

LIFETIME: Final = timedelta(days=90)
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
GATEWAY: Final = ("GOE-GATEWAY-1", "localhost", 8443)
SEALING_KEY_ID: Final = "1"


@dataclass(frozen=True)
class FederationKeys:
    """Where the keys of a federation lie; *nodes* and *gateway* are the folders of their identities."""

    federation: Path
    ca: Path
    gateway: Path
    nodes: Mapping[str, Path]


@dataclass(frozen=True)
class Authority:
    """A certificate authority that lives as long as this process."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_federation_keys(
    directory: Path | str,
    nodes: Iterable[tuple[str, str, str, int]],
    *,
    gateway: tuple[str, str, int] = GATEWAY,
    assembly: str = "GRCh38",
    min_persons: int = 10,
) -> FederationKeys:
    """Write keys, certificates and a federation.toml below *directory* for *nodes* (id, country, host, port).

    *gateway* is (id, host, port). Private keys are readable by their owner only.
    """
    folder = Path(directory).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority()
    ca = folder / "ca.pem"
    ca.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    gateway_id, host, port = gateway
    members = list(nodes)
    lines = [
        "# Throw-away keys: for demonstrations and tests only.",
        'version     = 1\nca          = "ca.pem"',
        f'assembly    = "{assembly}"\nmin_persons = {min_persons}',
        f'\n[gateway]\nid         = "{gateway_id}"\nurl        = "https://{_authority_part(host, port)}"',
        _identity(folder / gateway_id, host, authority, client=True),
    ]
    for node_id, country, host, port in members:
        lines += [
            f'\n[[nodes]]\nid         = "{node_id}"\ncountry    = "{country}"',
            f'url        = "https://{_authority_part(host, port)}"',
            _identity(folder / node_id, host, authority),
            *new_sealing_key(folder / node_id, SEALING_KEY_ID, LIFETIME),
        ]
    federation = folder / "federation.toml"
    federation.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # like that of the authority, this key lives as long as the process
    signing = ec.generate_private_key(ec.SECP256R1())
    sign_federation(federation, signing)
    for name in (gateway_id, *(node[0] for node in members)):
        (folder / name / PINNED).write_bytes(_public_pem(signing))
    return FederationKeys(
        federation, ca, folder / gateway_id, {node[0]: folder / node[0] for node in members}
    )


def _authority_part(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _identity(folder: Path, host: str, authority: Authority, *, client: bool = False) -> str:
    """Write the identity of one service, and return its line of federation.toml."""
    folder.mkdir(exist_ok=True)
    signing = ec.generate_private_key(ec.SECP256R1())
    _write_private(folder / SIGNING_KEY, signing)
    tls = ec.generate_private_key(ec.SECP256R1())
    _write_private(folder / TLS_KEY, tls)
    certificate = _certificate(folder.name, host, tls.public_key(), authority, client=client)
    (folder / TLS_CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.PEM))
    return f'public_key = """\n{_public_pem(signing).decode()}"""'


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def new_sealing_key(folder: Path, key_id: str, lifetime: timedelta) -> list[str]:
    """Write a new X25519 key into the identity *folder*, and return its lines of federation.toml.

    Raises FileExistsError where the folder has a key of that id.
    """
    path, key = folder / SEALING_KEY.format(key_id), X25519PrivateKey.generate()
    if path.exists():
        raise FileExistsError(path)
    _write_private(path, key)
    today = datetime.now(UTC).date()
    return [
        f'\n[[nodes.sealing_keys]]\nid          = "{key_id}"',
        f'public_key  = "{base64.b64encode(key.public_key().public_bytes_raw()).decode()}"',
        f'valid_from  = "{today - timedelta(days=1)}"\nvalid_until = "{today + lifetime}"',
    ]


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey | X25519PrivateKey) -> None:
    """Write *key* so that there is no moment at which others could read it."""
    path.unlink(missing_ok=True)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("goe_lake throw-away authority")
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, SHA256())
    )
    return Authority(certificate, key)


def _certificate(
    member_id: str, host: str, key: ec.EllipticCurvePublicKey, authority: Authority, *, client: bool
) -> x509.Certificate:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
    if client:
        purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    issuer = authority.certificate
    return (
        _builder(_name(member_id), issuer.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _names(host: str) -> Sequence[x509.GeneralName]:
    """The names that a client may have called the server by; the loopback has several."""
    hosts = LOOPBACK if host in LOOPBACK else (host,)
    return [_general_name(name) for name in hosts]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
