"""The FDSN data centres that ObsPy knows by name and that hold records, with what they are called."""

from __future__ import annotations

from dataclasses import dataclass

# Codes of https://www.fdsn.org/webservices/datacenters/, as ObsPy spells them.
_TITLES = {
    "AUSPASS": "Australian Passive Seismic Server",
    "BGR": "Federal Institute for Geosciences and Natural Resources, Germany",
    "BGS": "British Geological Survey",
    "EARTHSCOPE": "EarthScope Consortium (formerly IRIS), USA",
    "EIDA": "European Integrated Data Archive, all centres",
    "EPOSFR": "Epos-France (formerly RESIF)",
    "ETH": "Swiss Seismological Service",
    "GEOFON": "GFZ Potsdam, Germany",
    "GEONET": "GNS Science, New Zealand",
    "ICGC": "Cartographic and Geological Institute of Catalonia",
    "IESDMC": "Institute of Earth Sciences, Taiwan",
    "IGN": "National Geographic Institute, Spain",
    "INGV": "National Institute of Geophysics and Volcanology, Italy",
    "IPGP": "Paris Institute of Earth Physics",
    "KAGSR": "Kamchatka Branch of the Geophysical Survey, Russia",
    "KNMI": "Royal Netherlands Meteorological Institute",
    "KOERI": "Kandilli Observatory, Türkiye",
    "LMU": "Ludwig Maximilian University of Munich, Germany",
    "NCEDC": "Northern California Earthquake Data Center",
    "NIEP": "National Institute for Earth Physics, Romania",
    "NOA": "National Observatory of Athens, Greece",
    "NRCAN": "Natural Resources Canada",
    "ORFEUS": "ORFEUS Data Center, Netherlands",
    "RASPISHAKE": "Raspberry Shake",
    "SCEDC": "Southern California Earthquake Data Center",
    "TEXNET": "Texas Seismological Network",
    "UIB-NORSAR": "University of Bergen and NORSAR, Norway",
    "USP": "University of São Paulo, Brazil",
}
# Names for events only, for services at other paths, and for what another name has taken over.
_OTHERS = {"EMSC", "ISC", "USGS", "EARTHSCOPE+USGS", "IRISPH5", "RESIF"}


@dataclass(frozen=True)
class Centre:
    """A data centre: the name for ``fdsn:NAME``, what it is called, its address."""

    name: str
    title: str
    address: str


def data_centres() -> list[Centre]:
    """Every data centre once, by name; where ObsPy has several names for an address, the usual one."""
    from obspy.clients.fdsn.header import URL_MAPPINGS

    found: dict[str, Centre] = {}
    for name in sorted(set(URL_MAPPINGS) - _OTHERS, key=lambda name: (name not in _TITLES, name)):
        address = str(URL_MAPPINGS[name])
        found.setdefault(address, Centre(name, _TITLES.get(name, ""), address))
    return sorted(found.values(), key=lambda centre: centre.name)
