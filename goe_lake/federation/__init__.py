"""Several nodes asked as one: the gateway, the nodes it asks, and what it makes of their cells."""

from goe_lake.federation.answer import Answer
from goe_lake.federation.gateway import Completeness, Federation
from goe_lake.federation.node import EmbeddedNode, Node, NodeDescription

__all__ = ["Answer", "Completeness", "EmbeddedNode", "Federation", "Node", "NodeDescription"]
