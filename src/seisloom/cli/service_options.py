"""Options that the app and its workers share: which sources jobs may name, how large jobs may be, what they may use."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.jobs import Limits, Sources

WorkspaceArgument = Annotated[
    str, typer.Argument(help="Folder or s3://bucket/prefix for jobs and results; made where it is not there.")
]


@dataclass(frozen=True)
class ServiceOptions:
    """What was given for them. The limits are those of seisloom.jobs.Limits, which is not imported before it is used."""

    source: Annotated[
        str | None,
        typer.Option(help="Source of jobs that name none: demo, an archive, or any, e.g. fdsn:SCEDC or sds:DIR."),
    ] = None
    archive: Annotated[
        list[str] | None,
        typer.Option(help="NAME=SPEC, a source that jobs may name, e.g. local=sds:DIR; may be repeated."),
    ] = None
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Let jobs name data centres at private addresses.")
    ] = False
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a job. [default: all cores]")] = None
    memory: Annotated[float, typer.Option(min=0.1, help="Memory for spectra and products, GB.")] = 6.0
    stale: Annotated[
        float, typer.Option(min=1, help="A worker that is not heard of for so long, s, is taken for dead.")
    ] = 30.0
    max_channels: Annotated[int, typer.Option(min=1, help="Most channels of a job.")] = 2000
    max_pairs: Annotated[int, typer.Option(min=1, help="Most pairs of channels of a job.")] = 500_000
    max_days: Annotated[int, typer.Option(min=1, help="Most days of a job.")] = 3700
    max_picks: Annotated[int, typer.Option(min=1, help="Most picks of a job.")] = 5_000_000
    max_train_minutes: Annotated[float, typer.Option(min=0.05, help="Longest training of a job, minutes.")] = 60.0

    def sources(self) -> Sources:
        """The sources that jobs may name; InputError for an archive that is not NAME=SPEC, or a kind that is unknown."""
        from seisloom.jobs import Sources

        named = {}
        for text in self.archive or []:
            name, equals, spec = (part.strip() for part in text.partition("="))
            if not (name and equals and spec):
                raise InputError(f"--archive {text!r}: write NAME=SPEC, e.g. local=sds:DIR")
            named[name] = _known_kind("--archive", spec)
        if self.source and self.source not in (*named, "demo"):
            _known_kind("--source", self.source)
        return Sources(named, self.source, self.allow_private)

    def limits(self) -> Limits:
        """How large jobs may be."""
        from seisloom.jobs import Limits

        return Limits(
            channels=self.max_channels,
            pairs=self.max_pairs,
            days=self.max_days,
            picks=self.max_picks,
            train_minutes=self.max_train_minutes,
        )

    def arguments(self) -> list[str]:
        """The same on a command line, without what is not given."""
        out = []
        for name, value in asdict(self).items():
            option = f"--{name.replace('_', '-')}"
            for one in value if isinstance(value, list) else [value]:
                out += [option] if one is True else [] if one is None or one is False else [option, str(one)]
        return out


def with_service_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with all of ServiceOptions as options of its own, in place of its parameter ``service``."""
    own = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(ServiceOptions, eval_str=True).parameters

    @wraps(command)
    def run(**given: Any) -> None:
        service = ServiceOptions(**{name: given.pop(name) for name in shared})
        command(service=service, **given)

    there = [parameter for name, parameter in own.items() if name != "service"] + list(shared.values())
    named = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in there]
    run.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]  # what typer makes the options from
    return run


def _known_kind(option: str, spec: str) -> str:
    from seisloom.waveforms import KINDS

    if spec.partition(":")[0] not in KINDS or ":" not in spec:
        listing = "\n".join(f"  {text}" for text in KINDS.values())
        raise InputError(f"{option} {spec!r}: no such source; use one of\n{listing}")
    return spec
