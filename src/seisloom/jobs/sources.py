"""Which sources of records a job may name: data centres, the operator's own archives, the demonstration.

People who reach the service over the network, and programs that put files in ``incoming/``, never name paths of this
machine, and no request goes to a private address unless the operator allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seisloom.errors import InputError
from seisloom.waveforms import Source, open_source

DEMO = "synthetic:stations=12"


@dataclass(frozen=True)
class Sources:
    """``archives`` are names that the operator gives to sources (e.g. sds:DIR); ``default`` is that of jobs that name none."""

    archives: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    allow_private: bool = False

    def spec(self, name: str | None) -> str:
        """The source (``kind:rest``, see :func:`seisloom.waveforms.open_source`) that a job names.

        ``name`` is one of the archives, ``demo``, or ``fdsn:NAME-or-URL``. InputError for others, and for addresses that are
        not allowed.
        """
        name = name or self.default
        if not name:
            raise InputError("the job names no source, and there is no default (--source)")
        if name in self.archives:
            return self.archives[name]
        if name == "demo":
            return DEMO
        if name.startswith("fdsn:"):
            return name
        raise InputError(
            f"source {name!r} is not allowed here: use fdsn:NAME-or-URL, demo, or one of {sorted(self.archives)}"
        )

    def open(self, name: str | None) -> Source:
        """The source itself."""
        return open_source(self.spec(name))
