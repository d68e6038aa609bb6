"""`goe federation` and `goe node sealing-key`: what keeps a federation.toml true and its keys young."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from goe_lake.errors import ConfigError

federation_commands = typer.Typer(
    name="federation", help="Whoever keeps a federation's settings.", no_args_is_help=True
)


@federation_commands.command("sign")
def sign(
    federation: Annotated[Path, typer.Argument(help="The federation.toml.", show_default=False)],
    key: Annotated[
        Path,
        typer.Option(
            "--key",
            help="The ES256 private key (PEM) whose public half the members have pinned: "
            "openssl ecparam -name prime256v1 -genkey -noout -out federation.key",
            show_default=False,
        ),
    ],
) -> None:
    """Sign a federation.toml; the signature stands beside it, and goes with it to every member.

    A member that has federation.pub.pem in the folder of its keys takes no other file.

    Example: goe federation sign federation.toml --key federation.key
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from goe_lake.federation.signed import sign_federation

    try:
        private = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        private = None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        mend = "openssl ecparam -name prime256v1 -genkey -noout -out federation.key"
        raise ConfigError(key, "(whole file)", "is not an ES256 private key that can be read", mend)
    print(sign_federation(federation, private))


def sealing_key(
    folder: Annotated[Path, typer.Argument(help="The folder of the node's keys.", show_default=False)],
    key_id: Annotated[
        str, typer.Option("--id", help="What the key is called, e.g. 2027-1.", show_default=False)
    ],
    days: Annotated[int, typer.Option(min=1, help="For how many days it is used.")] = 365,
) -> None:
    """Make a new key for sealed sums, and print its lines for the node's entry in federation.toml.

    The old key stays beside it; each sum uses the one that began last.

    Example: goe node sealing-key keys/GOE-EE-NODE-1 --id 2027-1
    """
    from goe_lake.federation.keys import new_sealing_key

    try:
        lines = new_sealing_key(folder, key_id, timedelta(days=days))
    except FileExistsError as error:
        raise ConfigError(str(error), "(whole file)", "is there already", "choose another id") from None
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise ConfigError(folder, "(whole folder)", problem, "name the folder of the node's keys") from None
    print("\n".join(lines).strip())
