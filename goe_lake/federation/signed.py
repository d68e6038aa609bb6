"""Who vouches for `federation.toml`: a signature beside it, by a key that each member has pinned.

`federation.toml.sig` is an ES256 signature over the digest and the serial number of the file. A service
whose identity folder holds `federation.pub.pem` serves only under a file that this key has signed; one
without it says in its log that nobody vouches for the file. The keys that seal sums come from this file
alone, so that a gateway cannot put its own in their place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from goe_lake.errors import ConfigError
from goe_lake.federation.identity import Identity
from goe_lake.federation.membership import Membership, read_federation
from goe_lake.federation.tokens import ALGORITHM

log = structlog.get_logger("goe_lake.federation")

PINNED: Final = "federation.pub.pem"
SIGNATURE_TYPE: Final = "goe-federation+jwt"
MEND: Final = (
    "take both files anew from whoever keeps the federation: goe federation sign writes the signature"
)


def signature_of(federation: Path) -> Path:
    """Where the signature of the file *federation* lies."""
    return federation.with_name(federation.name + ".sig")


def sign_federation(federation: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """Sign the federation.toml at *federation*, and return the file of the signature.

    Raises ConfigError where the file is not one that a service would read.
    """
    membership = read_federation(federation)
    claims = {"file_sha256": membership.digest, "serial": membership.serial}
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    header = {"alg": ALGORITHM, "typ": SIGNATURE_TYPE}
    token = jwt.encode(header, claims, ECKey.import_key(pem), algorithms=[ALGORITHM])
    path = signature_of(federation)
    path.write_text(token + "\n", encoding="ascii")
    return path


def check_vouched(membership: Membership, identity: Identity) -> None:
    """Raise ConfigError where *identity* has pinned who signs federation.toml, and this one is not."""
    pinned = identity.folder / PINNED
    if not pinned.is_file():
        log.warning("federation_not_vouched", file=str(membership.file), serial=membership.serial)
        return
    path = signature_of(membership.file)
    try:
        decoded = jwt.decode(
            path.read_text(encoding="ascii").strip(),
            ECKey.import_key(pinned.read_text(encoding="ascii")),
            algorithms=[ALGORITHM],
        )
    except OSError:
        raise ConfigError(path, "(whole file)", "is not there, and the signer is pinned", MEND) from None
    except (JoseError, ValueError, TypeError):
        raise ConfigError(path, "(whole file)", f"is not a signature by {pinned}", MEND) from None
    told = (decoded.header.get("typ"), decoded.claims.get("file_sha256"), decoded.claims.get("serial"))
    if told != (SIGNATURE_TYPE, membership.digest, membership.serial):
        raise ConfigError(path, "(whole file)", "is of another federation.toml", MEND)
