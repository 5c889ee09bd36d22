"""Options that the app and its workers share: which sources jobs may name, how large jobs may be, what they may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seisloom.errors import InputError

if TYPE_CHECKING:
    from seisloom.jobs import Limits, Sources

WorkspaceArgument = Annotated[
    str, typer.Argument(help="Folder or s3://bucket/prefix for jobs and results; made where it is not there.")
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source", help="Source of jobs that name none: demo, an archive, or any, e.g. fdsn:SCEDC or sds:DIR."
    ),
]
ArchiveOption = Annotated[
    list[str] | None,
    typer.Option("--archive", help="NAME=SPEC, a source that jobs may name, e.g. local=sds:DIR; may be repeated."),
]
AllowPrivateOption = Annotated[
    bool, typer.Option("--allow-private", help="Let jobs name data centres at private addresses.")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of a job. [default: all cores]")]
MemoryOption = Annotated[float, typer.Option("--memory", min=0.1, help="Memory for spectra and products, GB.")]
StaleOption = Annotated[
    float, typer.Option("--stale", min=1, help="A worker that is not heard of for so long, s, is taken for dead.")
]
MaxChannelsOption = Annotated[int, typer.Option("--max-channels", min=1, help="Most channels of a job.")]
MaxPairsOption = Annotated[int, typer.Option("--max-pairs", min=1, help="Most pairs of channels of a job.")]
MaxDaysOption = Annotated[int, typer.Option("--max-days", min=1, help="Most days of a job.")]
MaxPicksOption = Annotated[int, typer.Option("--max-picks", min=1, help="Most picks of a job.")]
MaxTrainOption = Annotated[float, typer.Option("--max-train-minutes", min=0.05, help="Longest training of a job.")]

# Those of seisloom.jobs.Limits, which is not imported before it is used.
MAX_CHANNELS, MAX_PAIRS, MAX_DAYS, MAX_PICKS, MAX_TRAIN = 2000, 500_000, 3700, 5_000_000, 60.0
STALE_S, MEMORY_GB = 30.0, 6.0


def make_sources(source: str | None, archives: list[str] | None, allow_private: bool) -> Sources:
    """The sources that jobs may name; InputError for an archive that is not NAME=SPEC, or a kind that is unknown."""
    from seisloom.jobs import Sources

    named = {}
    for text in archives or []:
        name, equals, spec = (part.strip() for part in text.partition("="))
        if not (name and equals and spec):
            raise InputError(f"--archive {text!r}: write NAME=SPEC, e.g. local=sds:DIR")
        named[name] = _known_kind("--archive", spec)
    if source and source not in (*named, "demo"):
        _known_kind("--source", source)
    return Sources(named, source, allow_private)


def _known_kind(option: str, spec: str) -> str:
    from seisloom.waveforms import KINDS

    if spec.partition(":")[0] not in KINDS or ":" not in spec:
        listing = "\n".join(f"  {text}" for text in KINDS.values())
        raise InputError(f"{option} {spec!r}: no such source; use one of\n{listing}")
    return spec


def make_limits(channels: int, pairs: int, days: int, picks: int, train_minutes: float) -> Limits:
    """How large jobs may be."""
    from seisloom.jobs import Limits

    return Limits(channels=channels, pairs=pairs, days=days, picks=picks, train_minutes=train_minutes)
