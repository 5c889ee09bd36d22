"""Waveform sources behind one protocol: FDSN services, local archives, loose files, open-data buckets, synthetics."""

from __future__ import annotations

from seisloom.errors import InputError
from seisloom.waveforms.base import ChannelQuery, Record, Segment, Source

__all__ = ["ChannelQuery", "Record", "Segment", "Source", "open_source"]

KINDS = {
    "fdsn": "fdsn:NAME-or-URL[?timeout=SECONDS&parallel=N&tries=N], e.g. fdsn:SCEDC or fdsn:http://127.0.0.1:8080",
    "sds": "sds:DIR[?stationxml=FILE-or-DIR], a SeisComP archive YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY",
    "files": "files:DIR[?stationxml=FILE-or-DIR], MiniSEED and SAC files in any layout",
    "s3": "s3:scedc or s3:ncedc (open data), or s3://bucket/prefix?layout=scedc|ncedc|sds[&requester=pays]",
    "synthetic": "synthetic:stations=12,seed=1,..., a seeded network of diffuse noise",
}


def open_source(spec: str, credentials: bool = True) -> Source:
    """The source that ``spec`` names (``kind:rest``, see KINDS); InputError says which kinds there are.

    ``credentials`` False keeps FDSN_USER and FDSN_PASSWORD from a data centre that somebody else has named.
    """
    kind, _, rest = spec.partition(":")
    if kind == "fdsn":
        from seisloom.waveforms.fdsn import FdsnSource

        return FdsnSource(rest, credentials=credentials)
    if kind == "sds":
        from seisloom.waveforms.local import SdsSource

        return SdsSource(rest)
    if kind == "files":
        from seisloom.waveforms.local import FilesSource

        return FilesSource(rest)
    if kind == "s3":
        from seisloom.waveforms.s3 import S3Source

        return S3Source(rest)
    if kind == "synthetic":
        from seisloom.waveforms.synthetic import SyntheticSource

        return SyntheticSource(rest)
    listing = "\n".join(f"  {text}" for text in KINDS.values())
    raise InputError(f"source {spec!r}: unknown kind {kind!r}; use one of\n{listing}")
