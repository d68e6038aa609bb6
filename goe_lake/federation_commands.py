"""`goe federation` and `goe node sealing-key`: what keeps a federation.toml true and its keys young."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from goe_lake.errors import ConfigError
from goe_lake.lake_console import IngestProgress
from goe_lake.options import Exit, errors
from goe_lake.release_build import FederationOption, IdentityOption, NodesArgument, QuietOption, named_nodes

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


@federation_commands.command("sites")
def sites(
    nodes: NodesArgument = None,
    federation: FederationOption = None,
    identity: IdentityOption = None,
    quiet: QuietOption = False,
) -> None:
    """List the sites whose carriers reach the threshold in all nodes together, though at none of them.

    No node names a site of its own, and nobody reads a number of carriers: the nodes decide together which
    sites reach the threshold. These are listed from now on, at every node and in every later release. It
    takes three nodes at the least, each with a sealing key, and either the same snapshots as the last round
    or three that are new. Exit code 4 where a node did not take part to the end.

    Example: goe federation sites --federation federation.toml
    """
    from goe_lake.federation.listing.search import RoundNotFinished

    console = Console(stderr=True)
    with named_nodes(nodes, federation, identity) as opened:
        before = opened.site_list.sites.num_rows
        try:
            if quiet:
                opened.list_sites()
                return
            with IngestProgress(console) as progress:
                found = opened.list_sites(progress)
        except RoundNotFinished as error:
            errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(Exit.INCOMPLETE) from None
        after, digest = opened.site_list.sites.num_rows, opened.list_digest
    most = max(found.sent.values()) / 2**20
    print(
        f"{found.sites.num_rows:,} sites newly listed, each with {found.least} carriers or more in "
        f"{len(found.sent)} nodes together; {after:,} are listed in all, {before:,} were before\n"
        f"site list {digest}\n"
        f"{len(found.tables)} tables, the largest of {max(found.tables):,} places; "
        f"a node handed in {most:,.1f} MiB at the most"
    )


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
