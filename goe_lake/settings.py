"""A reader of settings files that names the setting and the mend in every complaint."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from goe_lake.errors import ConfigError


@dataclass
class Section:
    """One table of a TOML file, read setting by setting; what was never read is an error at the end.

    *path* is the dotted name of the table, "" at the top.
    """

    file: str
    path: str
    values: Mapping[str, object]
    _read: set[str] = field(default_factory=set)

    def error(self, name: str, problem: str, mend: str) -> ConfigError:
        """An error about setting *name* of this section."""
        return ConfigError(self.file, f"{self.path}.{name}" if self.path else name, problem, mend)

    def _take(self, name: str, kinds: tuple[type, ...], wanted: str, mend: str, *, required: bool) -> object:
        self._read.add(name)
        if name not in self.values:
            if required:
                raise self.error(name, "is missing", mend)
            return None
        value = self.values[name]
        # bool is an int in Python, and `min_persons = true` must not mean 1
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise self.error(name, f"must be {wanted}, not {value!r}", mend)
        return value

    def text(self, name: str, mend: str, *, choices: tuple[str, ...] = ()) -> str:
        """A required string, one of *choices* where these are given."""
        value = str(self._take(name, (str,), "a text", mend, required=True))
        return self._chosen(name, value, choices, mend)

    def text_or(self, name: str, default: str, mend: str, *, choices: tuple[str, ...] = ()) -> str:
        """An optional string, one of *choices* where these are given."""
        value = self._take(name, (str,), "a text", mend, required=False)
        return default if value is None else self._chosen(name, str(value), choices, mend)

    def _chosen(self, name: str, value: str, choices: tuple[str, ...], mend: str) -> str:
        if choices and value not in choices:
            raise self.error(name, f"{value!r} is not one of {', '.join(choices)}", mend)
        return value

    def truth(self, name: str, default: bool, mend: str) -> bool:
        """An optional true or false."""
        value = self._take(name, (bool,), "true or false", mend, required=False)
        return default if value is None else bool(value)

    def integer(self, name: str, default: int, mend: str, *, least: int, most: int) -> int:
        """An optional whole number within *least* and *most*, both included."""
        value = self._take(name, (int,), "a whole number", mend, required=False)
        number = default if value is None else int(str(value))
        if not least <= number <= most:
            raise self.error(name, f"{number} is outside {least}..{most}", mend)
        return number

    def decimal(self, name: str, mend: str) -> Decimal | None:
        """An optional decimal number, exact as written."""
        value = self._take(name, (int, Decimal), "a number", mend, required=False)
        return None if value is None else self._finite(name, Decimal(str(value)), mend)

    def decimals(self, name: str, mend: str) -> tuple[Decimal, ...] | None:
        """An optional list of decimal numbers, exact as written."""
        value = self._take(name, (list,), "a list of numbers", mend, required=False)
        if value is None:
            return None
        assert isinstance(value, list)
        if not all(isinstance(item, int | Decimal) and not isinstance(item, bool) for item in value):
            raise self.error(name, f"must be a list of numbers, not {value!r}", mend)
        return tuple(self._finite(name, Decimal(str(item)), mend) for item in value)

    def _finite(self, name: str, number: Decimal, mend: str) -> Decimal:
        if not number.is_finite():
            raise self.error(name, f"{number} is not a finite number", mend)
        return number

    def texts(self, name: str, mend: str) -> tuple[str, ...] | None:
        """An optional list of strings."""
        value = self._take(name, (list,), "a list of texts", mend, required=False)
        if value is None:
            return None
        assert isinstance(value, list)
        if not all(isinstance(item, str) for item in value):
            raise self.error(name, f"must be a list of texts, not {value!r}", mend)
        return tuple(value)

    def section(self, name: str) -> Section:
        """The sub-table *name*; an empty one when it is absent."""
        value = self._take(name, (dict,), "a table", f"write it as [{self._dotted(name)}]", required=False)
        return Section(self.file, self._dotted(name), value if isinstance(value, dict) else {})

    def sections(self, name: str) -> tuple[Section, ...]:
        """The sub-tables of the array *name*, in order; none when it is absent."""
        mend = f"write each as [[{self._dotted(name)}]]"
        value = self._take(name, (list,), "a list of tables", mend, required=False)
        items = value if isinstance(value, list) else []
        if not all(isinstance(item, dict) for item in items):
            raise self.error(name, "must be a list of tables", mend)
        return tuple(
            Section(self.file, f"{self._dotted(name)}[{place}]", item) for place, item in enumerate(items, 1)
        )

    def names(self) -> tuple[str, ...]:
        """The names of all settings that the file gives here."""
        return tuple(self.values)

    def has(self, name: str) -> bool:
        """Whether the file gives setting *name*."""
        return name in self.values

    def done(self) -> None:
        """Refuse settings that nobody read: a misspelt rule must not silently be off."""
        for name in self.values:
            if name not in self._read:
                near = difflib.get_close_matches(name, sorted(self._read), n=1)
                mend = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(self._read))}"
                raise self.error(name, "is not a known setting", mend)

    def _dotted(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def parse_toml(text: str, file: Path | str) -> Section:
    """The top section of TOML *text*; numbers with a point stay exact decimals.

    Raises ConfigError where the text is not TOML.
    """
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            file, "(whole file)", f"is not valid TOML: {error}", "mend the line that it names"
        ) from None
    return Section(str(file), "", values)


def read_toml(path: Path) -> Section:
    """The top section of the TOML file at *path*.

    Raises ConfigError where the file cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            path, "(whole file)", f"cannot be read: {error.strerror}", "check the path"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(path, "(whole file)", "is not UTF-8 text", "save it as UTF-8") from None
    return parse_toml(text, path)
