"""Every exception of the package, in one tree.

GoeError
├── ConfigError        a settings file: names the file, the setting and the mend
├── InputError         data that came in: names the file, the record and the mend
├── LakeError          a lake on disk that cannot be read as its manifest says
├── LedgerError        a ledger that is lost, damaged or older than it was: nothing is answered
├── QueryRefused       a query turned down: code, place, rule and what to write instead
├── ReleaseRefused     a release that a node turned down; carries a code and no data
│   └── Declined       one that it would compute, but not for this project, or not now
├── NodeFailed         a node that could not answer; carries a query id and no data
└── Incomplete         fewer nodes answered than the caller asked for
"""

from __future__ import annotations

from pathlib import Path


class GoeError(Exception):
    """The base of every error that the package raises on purpose."""


class ConfigError(GoeError):
    """A setting is missing, unknown or out of range."""

    def __init__(self, file: Path | str, setting: str, problem: str, mend: str) -> None:
        self.file, self.setting, self.problem, self.mend = str(file), setting, problem, mend
        super().__init__(f"{file}: {setting}: {problem}. {mend}")


class InputError(GoeError):
    """Input data cannot become a lake; nothing was published."""

    def __init__(self, file: Path | str, problem: str, mend: str, record: str | None = None) -> None:
        self.file, self.record, self.problem, self.mend = str(file), record, problem, mend
        place = f"{file}, {record}" if record else f"{file}"
        super().__init__(f"{place}: {problem}. {mend}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.file, self.problem, self.mend, self.record)


class LakeError(GoeError):
    """A lake on disk is absent, or differs from what its manifest says."""

    def __init__(self, path: Path | str, problem: str, mend: str) -> None:
        self.path, self.problem, self.mend = str(path), problem, mend
        super().__init__(f"{path}: {problem}. {mend}")


class LedgerError(GoeError):
    """A node's ledger cannot be relied on; until its officer mends that, the node answers nothing."""

    def __init__(self, path: Path | str, problem: str, mend: str) -> None:
        self.path, self.problem, self.mend = str(path), problem, mend
        super().__init__(f"{path}: {problem}. {mend}")


class QueryRefused(GoeError):
    """A query was turned down before any node was asked.

    *line* and *column* are 1-based places in the submitted text, or None where the
    whole statement is meant; *hint* says what to write instead.
    """

    def __init__(
        self, code: str, message: str, line: int | None = None, column: int | None = None, hint: str = ""
    ) -> None:
        self.code, self.message, self.line, self.column, self.hint = code, message, line, column, hint
        place = f" line {line} col {column}" if line is not None else ""
        advice = f" {hint[0].upper()}{hint[1:]}{'' if hint.endswith('?') else '.'}" if hint else ""
        super().__init__(f"{code}{place}: {message}.{advice}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.code, self.message, self.line, self.column, self.hint)

    def pointing_at(self, text: str) -> str:
        """The message with the offending line of *text* and a caret below it."""
        if self.line is None or self.column is None:
            return str(self)
        lines = text.splitlines()
        shown = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        return f"{self}\n\n  {shown}\n  {' ' * (self.column - 1)}^"


class ReleaseRefused(GoeError):
    """A node turned a release down; the text names the rule and holds no data."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class Declined(ReleaseRefused):
    """A node does not answer this project, or not now; *mend* says what would change that. Holds no data."""

    def __init__(self, code: str, message: str, mend: str) -> None:
        self.mend = mend
        super().__init__(code, message)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.code, self.message, self.mend)


class NodeFailed(GoeError):
    """A node could not answer; engine errors quote values, so only the query id is told."""

    def __init__(self, node_id: str, query_id: str, reason: str = "the node could not answer") -> None:
        self.node_id, self.query_id, self.reason = node_id, query_id, reason
        super().__init__(f"{node_id}: {reason} (query {query_id})")


class Incomplete(GoeError):
    """Nodes that the caller requires did not answer."""

    def __init__(self, missing: tuple[str, ...], query_id: str) -> None:
        self.missing, self.query_id = missing, query_id
        super().__init__(
            f"no answer from {', '.join(missing)} (query {query_id}). "
            "Ask again later, or accept fewer nodes with completeness = 'any'"
        )
