"""The private side of a service: the folder of its keys, and the TLS contexts made of them.

```
GOE-EE-NODE-1/
  signing.key   ES256 private key; its public half stands in federation.toml
  tls.pem       certificate chain of the server; the gateway's is its client certificate too
  tls.key       private key of that certificate
  sealing-2026-1.key   a node's X25519 private key for sealed sums, named as its id in federation.toml
  federation.pub.pem   optional: who signs federation.toml; without a signature of it nothing is served
```
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from goe_lake.errors import ConfigError
from goe_lake.federation.tokens import Signer

SIGNING_KEY = "signing.key"
TLS_CERTIFICATE = "tls.pem"
TLS_KEY = "tls.key"
SEALING_KEY = "sealing-{}.key"


@dataclass(frozen=True)
class Identity:
    """A service's id and the folder of its keys."""

    member_id: str
    folder: Path

    def signer(self, public_key: ECKey) -> Signer:
        """The signing key; ConfigError where it is not the private half of *public_key*."""
        path = self._file(SIGNING_KEY)
        try:
            key = ECKey.import_key(path.read_text(encoding="ascii"))
        except (OSError, ValueError, TypeError, JoseError):
            raise ConfigError(
                path, "(whole file)", "is not an ES256 key that can be read", "write it as PEM"
            ) from None
        if not key.is_private or key.thumbprint() != public_key.thumbprint():
            raise ConfigError(
                path,
                "(whole file)",
                f"is not the private half of {self.member_id}'s public key",
                "put its public half into federation.toml",
            )
        return Signer(self.member_id, key)

    def sealing_key(self, key_id: str) -> X25519PrivateKey | None:
        """The private half of the sealing key *key_id*, None where this folder has none of that id."""
        path = self.folder / SEALING_KEY.format(key_id)
        if not path.is_file():
            return None
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError):
            key = None
        if not isinstance(key, X25519PrivateKey):
            raise ConfigError(
                path, "(whole file)", "is not an X25519 key that can be read", "write it as PEM, or renew it"
            )
        return key

    def server_context(self, client_ca: Path | None = None) -> ssl.SSLContext:
        """TLS 1.3 as this server; clients show a certificate of *client_ca* where it is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, server_ca: Path) -> ssl.SSLContext:
        """TLS 1.3 as this client, towards servers with a certificate of *server_ca*."""
        context = ssl.create_default_context(cafile=server_ca)
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        certificate, key = self._file(TLS_CERTIFICATE), self._file(TLS_KEY)
        try:
            context.load_cert_chain(certificate, key)
        except OSError:  # an SSLError is one
            raise ConfigError(
                certificate,
                "(whole file)",
                f"cannot be loaded with {key}",
                "give the certificate of this key",
            ) from None

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise ConfigError(
                path, "(whole file)", "is not there", f"put {name} of {self.member_id} into this folder"
            )
        return path
