"""An answer: a table, the status of every value in it, and the envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from goe_lake.release import Envelope

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """What a federation answered; *status* has the shape of the table, one word of `Status` a value."""

    table: pa.Table
    status: pa.Table
    envelope: Envelope

    def to_arrow(self) -> pa.Table:
        """The answer as an Arrow table; NULL where a value is withheld."""
        return self.table

    def with_status(self) -> pa.Table:
        """The answer with a column `<name>_status` behind each of its columns."""
        columns: dict[str, pa.ChunkedArray[Any]] = {}
        for name in self.table.column_names:
            columns[name] = self.table.column(name)
            columns[f"{name}_status"] = self.status.column(name)
        return pa.table(list(columns.values()), names=list(columns))

    def to_pandas(self) -> pd.DataFrame:
        """The answer as a pandas data frame; NA where a value is withheld."""
        return self.table.to_pandas()
