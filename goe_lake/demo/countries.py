"""The countries of the Genome of Europe: their populations and the cohorts of the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from goe_lake.errors import ConfigError


@dataclass(frozen=True)
class Country:
    """One country: its main population, and the neighbours who live there, the largest group first."""

    code: str
    name: str
    adjective: str
    population: str
    minorities: tuple[str, str]
    cohort: str


def _country(
    code: str, name: str, adjective: str, population: str, minorities: tuple[str, str], cohort: str = ""
) -> Country:
    return Country(code, name, adjective, population, minorities, cohort or f"GoE-{code}")


COUNTRIES: Final[Mapping[str, Country]] = {
    country.code: country
    for country in (
        _country("AT", "Austria", "Austrian", "AUT", ("DEU", "HRV")),
        _country("BE", "Belgium", "Belgian", "BEL", ("FRA", "NLD")),
        _country("BG", "Bulgaria", "Bulgarian", "BGR", ("ROU", "GRC")),
        _country("CY", "Cyprus", "Cypriot", "CYP", ("GRC", "BGR")),
        _country("CZ", "Czechia", "Czech", "CZE", ("SVK", "POL")),
        _country("DE", "Germany", "German", "DEU", ("POL", "ITA")),
        _country("DK", "Denmark", "Danish", "DNK", ("DEU", "SWE")),
        _country("EE", "Estonia", "Estonian", "EST", ("FIN", "LVS"), "EstBB"),
        _country("ES", "Spain", "Spanish", "ESP", ("ROU", "PRT")),
        _country("FI", "Finland", "Finnish", "FIN", ("EST", "SWE"), "FinnGen"),
        _country("FR", "France", "French", "FRA", ("PRT", "ITA")),
        _country("GR", "Greece", "Greek", "GRC", ("BGR", "CYP")),
        _country("HR", "Croatia", "Croatian", "HRV", ("ITA", "HUN")),
        _country("HU", "Hungary", "Hungarian", "HUN", ("ROU", "SVK")),
        _country("IE", "Ireland", "Irish", "IRL", ("POL", "LTU")),
        _country("IS", "Iceland", "Icelandic", "ISL", ("POL", "DNK")),
        _country("IT", "Italy", "Italian", "ITA", ("ROU", "FRA")),
        _country("LT", "Lithuania", "Lithuanian", "LTU", ("POL", "LVS")),
        _country("LU", "Luxembourg", "Luxembourgish", "LUX", ("PRT", "FRA")),
        _country("LV", "Latvia", "Latvian", "LVS", ("LTU", "EST"), "LGDB"),
        _country("MT", "Malta", "Maltese", "MLT", ("ITA", "GRC")),
        _country("NL", "Netherlands", "Dutch", "NLD", ("DEU", "BEL")),
        _country("NO", "Norway", "Norwegian", "NOR", ("SWE", "POL")),
        _country("PL", "Poland", "Polish", "POL", ("DEU", "LTU")),
        _country("PT", "Portugal", "Portuguese", "PRT", ("ESP", "FRA")),
        _country("RO", "Romania", "Romanian", "ROU", ("HUN", "BGR")),
        _country("SE", "Sweden", "Swedish", "SWE", ("FIN", "NOR")),
        _country("SI", "Slovenia", "Slovenian", "SVN", ("HRV", "ITA")),
        _country("SK", "Slovakia", "Slovak", "SVK", ("HUN", "CZE")),
    )
}


def countries_of(codes: Iterable[str]) -> tuple[Country, ...]:
    """The countries that *codes* name, in that order; refuses unknown and repeated ones."""
    wanted = [code.upper() for code in codes]
    for code in wanted:
        if code not in COUNTRIES:
            raise ConfigError(
                "demo",
                "countries",
                f"{code!r} is not a country of the demo",
                f"Choose from {', '.join(COUNTRIES)}",
            )
        if wanted.count(code) > 1:
            raise ConfigError("demo", "countries", f"{code} is named twice", "Name each country once")
    if not wanted:
        raise ConfigError("demo", "countries", "no country is named", f"Choose from {', '.join(COUNTRIES)}")
    return tuple(COUNTRIES[code] for code in wanted)
