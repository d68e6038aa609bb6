"""Which sealing keys the members of a federation use on a day, and the sealer of one of them."""

from __future__ import annotations

from datetime import date

from goe_lake.errors import ConfigError
from goe_lake.federation.identity import SEALING_KEY, Identity
from goe_lake.federation.membership import Membership, NodeMember
from goe_lake.federation.sealed_sums import Circle
from goe_lake.federation.sealing import LEAST_NODES, KeyOf, SealBroken, Sealer


def keys_on(membership: Membership, day: date) -> tuple[KeyOf, ...]:
    """The key of every node on *day* (UTC), in the order of the nodes' ids.

    Of keys that overlap it is the one that began last. Raises SealBroken naming a node without one.
    """
    members = sorted(membership.nodes, key=lambda member: member.node_id)
    return tuple(KeyOf(member.node_id, _key_on(member, day)) for member in members)


def _key_on(member: NodeMember, day: date) -> str:
    valid = [key for key in member.sealing_keys if key.valid_from <= day <= key.valid_until]
    if not valid:
        raise SealBroken(f"{member.node_id} has no sealing key for {day} in federation.toml")
    return max(valid, key=lambda key: (key.valid_from, key.key_id)).key_id


def circle_of(membership: Membership) -> Circle | None:
    """The circle of all nodes of *membership*; None where one has no key at all, or they are too few.

    Its epoch is the file's digest: nodes that hold another federation.toml open nothing together.
    """
    nodes = membership.nodes
    if len(nodes) < LEAST_NODES or not all(member.sealing_keys for member in nodes):
        return None
    return Circle(membership.digest, lambda day: keys_on(membership, day))


def sealer_of(member: NodeMember, membership: Membership, identity: Identity) -> Sealer | None:
    """The sealer of *member*, with the private keys of *identity*; None where the file gives it no key.

    Raises ConfigError where a key is not the private half of the one in federation.toml.
    """
    own = {}
    for key in member.sealing_keys:
        private = identity.sealing_key(key.key_id)
        if private is None:
            continue
        if private.public_key().public_bytes_raw() != key.raw:
            raise ConfigError(
                identity.folder / SEALING_KEY.format(key.key_id),
                "(whole file)",
                f"is not the private half of {member.node_id}'s sealing key {key.key_id}",
                "put its public half into federation.toml",
            )
        own[key.key_id] = private
    if not own:
        return None
    public = {
        KeyOf(node.node_id, key.key_id): key.raw for node in membership.nodes for key in node.sealing_keys
    }
    return Sealer(member.node_id, own, public)
