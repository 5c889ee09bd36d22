"""Plans in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seisloom.words import counted, duration, size

if TYPE_CHECKING:
    from seisloom.associate.dataset_plan import DatasetPlan
    from seisloom.associate.plan import AssociationPlan
    from seisloom.compute.forecast import Forecast, Timing
    from seisloom.compute.prices import Bill
    from seisloom.noise.job_plan import Plan
    from seisloom.noise.stack_plan import StackPlan


def correlation_lines(plan: Plan) -> Iterator[str]:
    """The lines of ``seisloom correlate --dry-run``."""
    part = f"slice {plan.part}: " if plan.part else ""
    done = f", {plan.days_done:,} of them done" if plan.days_done else ""
    counts = (plan.size.channels, "channel"), (plan.size.pairs, "pair"), (plan.days, "day")
    yield part + ", ".join(counted(*count) for count in counts) + done
    yield f"  in      {size(plan.bytes_in)} of records"
    yield f"  out     {_out(plan)}; {_kept(plan)}"
    yield f"  memory  {size(plan.memory_bytes)} a worker, spectra of a day {size(plan.size.spectra_bytes)} of it"
    if plan.timing:
        each = "a day" if plan.timing.days_a_task == 1 else counted(plan.timing.days_a_task, "day")
        yield _tasks(plan, plan.timing, f"a tile, {plan.tiles:,} a day" if plan.tiles > 1 else each)
        if plan.sharing:
            passing = f" ({size(plan.bytes_shared)} in all)" if plan.bytes_shared else ""
            yield f"          {plan.sharing}{passing}"
    yield from _ending(plan, "records", "the correlations")


def stack_lines(plan: StackPlan) -> Iterator[str]:
    """The lines of ``seisloom stack --dry-run``."""
    yield f"{plan.name}: {counted(plan.pairs, 'pair')}, {counted(plan.periods, 'period')} of {counted(plan.times, plan.what)}"
    yield f"  in      {size(plan.bytes_in)} of correlations"
    yield f"  out     {_out(plan)}"
    yield f"  memory  {size(plan.memory_bytes)} a worker"
    if plan.timing:
        yield _tasks(plan, plan.timing, counted(plan.pairs_a_task, "pair"))
    yield from _ending(plan, "correlations", "the stacks")


def association_lines(plan: AssociationPlan) -> Iterator[str]:
    """The lines of ``seisloom associate --dry-run``."""
    there = f"{plan.stations:,} of {counted(plan.stations_listed, 'station')}"
    yield f"{counted(plan.picks, 'pick')} at {there}, {plan.first} to {plan.last} ({duration(plan.span_s)})"
    yield f"  in      {size(plan.bytes_in)} of picks"
    yield f"  out     {_out(plan)}; {size(plan.bytes_scratch)} more in OUT until it is done"
    yield f"  memory  {size(plan.memory_bytes)}"
    if plan.timing:
        picks = round(plan.picks / plan.timing.tasks)
        yield (
            _tasks(plan, plan.timing, f"some {counted(picks, 'pick')}") + f"; then {counted(plan.sections, 'section')}"
        )
    yield from _ending(plan, "picks", "the catalogue")


def dataset_lines(plan: DatasetPlan) -> Iterator[str]:
    """The lines of ``seisloom phaselink dataset --dry-run``."""
    yield f"{counted(plan.windows, 'window')} of some {counted(plan.picks, 'pick')} at {counted(plan.stations, 'station')}"
    yield f"  out     {_out(plan)}"
    yield f"  memory  {size(plan.memory_bytes)}"
    if plan.timing:
        windows = round(plan.windows / plan.timing.tasks)
        yield _tasks(plan, plan.timing, f"some {counted(windows, 'window')}")
    yield from _ending(plan, "nothing", "the training set")


def _kept(plan: Plan) -> str:
    """What is there in the end, and what it would be as means of several days."""
    kept = f"{size(plan.bytes_kept)} {'kept as means of days' if plan.stacks_only else 'kept'}"
    as_means = plan.size.stacked_bytes * plan.days / plan.size.days
    return kept if plan.stacks_only else f"{kept}, {size(as_means)} with keep=stack"


def _out(plan: Forecast) -> str:
    return f"{size(plan.bytes_out)} written in {counted(plan.objects_out, 'object')}"


def _tasks(plan: Forecast, timing: Timing, each: str) -> str:
    """How the work is shared out; ``each`` task is of so much."""
    crew = f"{counted(timing.workers, 'worker')} of {counted(plan.threads, 'thread')}"
    return f"  tasks   {timing.tasks:,} of {each}, {duration(timing.task_s)} each, on {crew}"


def _ending(plan: Forecast, read: str, made: str) -> Iterator[str]:
    """What is said of any job: its time, what that rests on, and what it costs to ``read`` and to keep what is ``made``."""
    if plan.timing:
        yield from _time_lines(plan.timing)
    yield f"  basis   {plan.basis}"
    for note in plan.notes:
        yield f"          {note}"
    if plan.bill:
        yield from _bill_lines(plan.bill, read, made)


def _time_lines(timing: Timing) -> Iterator[str]:
    total = sum(timing.cpu_s.values())
    shares = ", ".join(f"{stage} {cpu / total:.0%}" for stage, cpu in timing.cpu_s.items() if cpu / total >= 0.005)
    yield f"  time    {duration(timing.seconds)}; {total / 3600:.3g} CPU hours: {shares}"
    yield f"  limit   {timing.limit}"


def _bill_lines(bill: Bill, read: str, made: str) -> Iterator[str]:
    machines = f" ({counted(bill.machines, 'machine')})" if bill.machines else ""
    yield (
        f"  cost    {_money(bill.run)} {bill.currency}: computing {_money(bill.computing)}{machines}, "
        f"{read} {_money(bill.reading)}, requests {_money(bill.requests)}"
    )
    yield (
        f"          then {_money(bill.stored_month)} {bill.currency} a month to keep {made}, "
        f"{_money(bill.taken_out)} to take them out once"
    )


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.2g}"
