"""The overlap audit of a node: what it told is kept in its ledger, and new numbers are held to it."""

from goe_lake.federation.overlap.audit import OverlapAudit
from goe_lake.federation.overlap.released import hold_to
from goe_lake.federation.overlap.store import OverlapStore

__all__ = ["OverlapAudit", "OverlapStore", "hold_to"]
