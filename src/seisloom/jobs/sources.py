"""Which sources of records a job may name: data centres, the operator's own archives, the demonstration.

People who reach the service over the network, and programs that put files in ``incoming/``, never name paths of this
machine, and no request goes to a private address unless the operator allows it (:mod:`seisloom.jobs.egress`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from seisloom.errors import InputError
from seisloom.jobs.egress import check_url, install
from seisloom.waveforms import ChannelQuery, Source, open_source
from seisloom.waveforms.availability import Availability, availability
from seisloom.waveforms.base import Reopened
from seisloom.waveforms.recent import Recent

if TYPE_CHECKING:
    import pandas as pd

DEMO = "synthetic:stations=12"
DEMO_TITLE = "Demonstration: 12 synthetic stations in Italy"
# What may stand behind the name of a data centre, at most.
_OPTIONS = {"timeout": 600.0, "parallel": 8.0, "tries": 10.0}
# Somebody waits for the answer to a query.
_HURRY = {"timeout": 60, "tries": 2}


@dataclass(frozen=True)
class Offer:
    """A source as people see it: its name in a request, its kind, what it is called, its address if it has one."""

    name: str
    kind: str
    title: str
    address: str
    default: bool


@dataclass(frozen=True)
class Sources:
    """``archives`` are names that the operator gives to sources (e.g. sds:DIR); ``default`` is that of jobs that name none.

    The default is a name as everybody may use it, or one of a source (``kind:rest``), being the operator's.
    """

    archives: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    allow_private: bool = False

    def spec(self, name: str | None) -> str:
        """The source (``kind:rest``, see :func:`seisloom.waveforms.open_source`) that a job names.

        ``name`` is one of the archives, ``demo``, or ``fdsn:NAME-or-URL``. InputError for others, and for addresses that are
        not allowed.
        """
        if own := self._own(name):
            return own
        if not name:
            raise InputError("no source is named, and there is no default (--source)")
        if name == "demo":
            return DEMO
        if name.startswith("fdsn:"):
            self._check_centre(name)
            return name
        known = ", ".join(["fdsn:NAME-or-URL", "demo", *sorted(self.archives)])
        raise InputError(f"source {name[:100]!r} is not allowed here: use one of {known}")

    def open(self, name: str | None) -> Source:
        """The source itself; credentials of the environment go to the operator's own only."""
        return self._opened_as(name, self.spec(name))

    def recent(self, name: str | None) -> Source:
        """The source as somebody has it who waits for an answer; kept for some minutes."""
        spec, own = self.spec(name), self._own(name) is not None
        if spec.startswith("fdsn:"):
            rest, _, options = spec.partition("?")
            given = [option.partition("=")[0] for option in options.split("&")]
            hurry = "&".join(f"{key}={value}" for key, value in _HURRY.items() if key not in given)
            spec = f"{rest}?{'&'.join(filter(None, (options, hurry)))}"
        return self._opened.get((spec, own), lambda: self._opened_as(name, spec))

    def _opened_as(self, name: str | None, spec: str) -> Source:
        """A source that goes by the name it was asked by: what the operator's stands for is nobody else's business."""
        source = open_source(spec, credentials=self._own(name) is not None)
        default = self.default or ""
        public = default in (*self.archives, "demo") or default.startswith("fdsn:")
        source.spec = name or (default if public else "the default source")
        if isinstance(source, Reopened) and not self.allow_private:
            source.guard = partial(
                install, False, self.addresses()
            )  # in processes that work at a job with this one, too
        return source

    def channels(self, name: str | None, query: ChannelQuery) -> pd.DataFrame:
        """The channels of a source that match, from the last minutes if somebody has asked; not to be changed."""
        return self._found.get((self.spec(name), query), lambda: self.recent(name).channels(query))

    def availability(
        self, name: str | None, channel_ids: Sequence[str], start_ns: int, end_ns: int
    ) -> dict[str, Availability] | None:
        """What a source has of channels in a span, None where it does not tell; of the last minutes if somebody has asked."""
        ids = tuple(channel_ids)
        return self._told.get(
            (self.spec(name), ids, start_ns, end_ns), lambda: availability(self.recent(name), ids, start_ns, end_ns)
        )

    def offers(self) -> Iterator[Offer]:
        """Every source that has a name: the operator's, the demonstration, the data centres that ObsPy knows."""
        from seisloom.waveforms.centres import data_centres

        if self.default and self._own(None) == self.default and not self.default.startswith("fdsn:"):
            yield Offer("", self.default.partition(":")[0], "Default archive", "", True)
        for name, spec in sorted(self.archives.items()):
            yield self._offer(name, spec.partition(":")[0], name)
        yield self._offer("demo", "synthetic", DEMO_TITLE)
        for centre in data_centres():
            title = f"{centre.name} · {centre.title}" if centre.title else centre.name
            yield self._offer(f"fdsn:{centre.name}", "fdsn", title, centre.address)

    def addresses(self) -> list[str]:
        """URLs of data centres that the operator has named, which may be anywhere."""
        own = [*self.archives.values(), self.default or ""]
        rests = (spec.removeprefix("fdsn:").partition("?")[0] for spec in own if spec.startswith("fdsn:"))
        return [url for url in rests if "://" in url]

    def _offer(self, name: str, kind: str, title: str, address: str = "") -> Offer:
        return Offer(name, kind, title, address, default=name == self.default)

    def _own(self, name: str | None) -> str | None:
        """The operator's source of that name, or the default for none; None for what everybody may name."""
        wanted = name or self.default or ""
        if wanted in self.archives:
            return self.archives[wanted]
        if name or not wanted:
            return None
        return DEMO if wanted == "demo" else wanted

    def _check_centre(self, name: str) -> None:
        from seisloom.waveforms.fdsn import base_url, parse_options

        centre, _, text = name.removeprefix("fdsn:").partition("?")
        for option, value in parse_options(text, name).items():
            if value > _OPTIONS[option]:
                raise InputError(f"source {name}: {option} is at most {_OPTIONS[option]:g} here")
        url = base_url(centre, name)
        if "://" in centre and not self.allow_private:
            check_url(url)

    @cached_property
    def _opened(self) -> Recent[Source]:
        return Recent(8)

    @cached_property
    def _told(self) -> Recent[dict[str, Availability] | None]:
        return Recent(32)

    @cached_property
    def _found(self) -> Recent[pd.DataFrame]:
        return Recent(12)
