"""Makes what the demo of docker-compose.yml starts from: simulated nodes, and throw-away keys.

Run again it changes nothing that is there. Each member's folder of keys holds its own private key,
and of the others only what federation.toml makes public.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from goe_lake.config import NodeConfig, read_node
from goe_lake.demo import make_cohort
from goe_lake.federation.keys import FederationKeys, make_federation_keys
from goe_lake.federation.signed import signature_of

NODE_PORT = 8443
GATEWAY = ("GOE-GATEWAY-1", "localhost", 8443)


def main() -> int:
    """Simulate the nodes and hand out their keys."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=Path, required=True, help="gets one folder a country")
    parser.add_argument("--keys", type=Path, required=True, help="gets one folder a member")
    parser.add_argument("--countries", default="EE,FI,LV,LT,LU")
    parser.add_argument("--persons", type=int, default=1000, help="of each country")
    chosen = parser.parse_args()
    countries = chosen.countries.split(",")
    make_nodes(chosen.nodes, countries, chosen.persons)
    hand_out_keys(chosen.keys, [read_node(chosen.nodes / code.lower() / "node.toml") for code in countries])
    return 0


def make_nodes(folder: Path, countries: list[str], persons: int) -> None:
    """Simulate a node for each of *countries*, unless all of them are there."""
    if all((folder / code.lower() / "node.toml").is_file() for code in countries):
        tell(f"{folder}: the nodes are there")
        return
    with TemporaryDirectory() as scratch:
        for node_toml in make_cohort(Path(scratch), countries, persons):
            shutil.copytree(node_toml.parent, folder / node_toml.parent.name, dirs_exist_ok=True)
            tell(f"{folder / node_toml.parent.name}: {persons} simulated persons")


def hand_out_keys(folder: Path, nodes: list[NodeConfig]) -> None:
    """Give each node, and the gateway, a folder with its keys; all are made anew where one lacks."""
    homes = {node.node_id: folder / node.country.lower() for node in nodes}
    homes[GATEWAY[0]] = folder / "gateway"
    if all((home / "federation.toml").is_file() for home in homes.values()):
        tell(f"{folder}: the keys are there")
        return
    members = [(node.node_id, node.country, f"node-{node.country.lower()}", NODE_PORT) for node in nodes]
    with TemporaryDirectory() as scratch:
        keys = make_federation_keys(Path(scratch), members, gateway=GATEWAY)
        for member, home in homes.items():
            give(keys, member, home)
            tell(f"{home}: keys of {member}")


def give(keys: FederationKeys, member: str, home: Path) -> None:
    """Copy the public files, and the identity of *member* alone."""
    shutil.copytree(keys.federation.parent / member, home / member, dirs_exist_ok=True)
    shutil.copy2(keys.ca, home)
    shutil.copy2(signature_of(keys.federation), home)
    # last, because its presence says that the folder is complete
    shutil.copy2(keys.federation, home)


def tell(line: str) -> None:
    """One line for the log of the service."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
