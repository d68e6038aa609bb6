"""Whether a service answers: exit code 0 if it does. For health checks; needs the standard library only.

`health.py tls ADDRESS:PORT NAME CA` shakes hands with a TLS server, whose certificate must be NAME's; a
node asks its clients for a certificate, so more cannot be asked of it without one.
`health.py get URL [CA]` asks for a page.
"""

from __future__ import annotations

import socket
import ssl
import sys
import urllib.request

SECONDS = 5.0


def shake_hands(place: str, name: str, ca: str) -> None:
    """Raise OSError unless a server at *place* proves to be *name*."""
    context = ssl.create_default_context(cafile=ca)
    address, _, port = place.rpartition(":")
    with (
        socket.create_connection((address, int(port)), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name),
    ):
        pass


def get(url: str, ca: str | None = None) -> None:
    """Raise OSError unless *url* answers with success."""
    context = ssl.create_default_context(cafile=ca) if ca else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=SECONDS):
        pass


def main(arguments: list[str]) -> int:
    """Check what the command line names."""
    try:
        match arguments:
            case ["tls", place, name, ca]:
                shake_hands(place, name, ca)
            case ["get", url, *ca]:
                get(url, *ca)
            case _:
                sys.stderr.write(__doc__ or "")
                return 2
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
