"""What a node remembers: all that left it, what each project may do, and how much of its day is spent."""

from goe_lake.federation.ledger.budgets import Spending
from goe_lake.federation.ledger.entries import Entry, Kind
from goe_lake.federation.ledger.projects import Project, Standing
from goe_lake.federation.ledger.store import Ledger, Record, Transaction

__all__ = [
    "Entry",
    "Kind",
    "Ledger",
    "Project",
    "Record",
    "Spending",
    "Standing",
    "Transaction",
]
