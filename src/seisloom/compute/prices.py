"""What work costs: prices from a file of the user's, and a bill from them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seisloom.config import sentences
from seisloom.errors import InputError, SettingsError

GB = 1e9


class Prices(BaseModel):
    """Prices in one currency. Machines are paid by the core, or whole; what is not named costs nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    currency: str = Field(min_length=1)
    core_hour: float | None = Field(None, ge=0, description="an hour of a core (vCPU), where machines are paid so")
    machine_hour: float | None = Field(None, ge=0, description="an hour of a machine, where they are paid whole")
    machine_cores: int | None = Field(None, ge=1, description="cores of such a machine")
    machine_memory_gb: float | None = Field(None, gt=0, description="memory of such a machine")
    stored_gb_month: float = Field(0.0, ge=0, description="a GB stored for a month")
    read_gb: float = Field(0.0, ge=0, description="a GB of records brought to the machines")
    taken_gb: float = Field(0.0, ge=0, description="a GB of results taken out of the store")
    put_per_1000: float = Field(0.0, ge=0, description="a thousand objects written")
    get_per_1000: float = Field(0.0, ge=0, description="a thousand objects read")

    def faults(self) -> Iterator[str]:
        """What contradicts itself."""
        if (self.core_hour is None) == (self.machine_hour is None):
            yield "give core_hour or machine_hour: one of them, not both"
        of_machine = {"machine_cores": self.machine_cores, "machine_memory_gb": self.machine_memory_gb}
        for name, value in of_machine.items():
            if (value is None) != (self.machine_hour is None):
                yield f"{name} is {'needed' if value is None else 'only of use'} with machine_hour"


@dataclass(frozen=True)
class Use:
    """What a run uses: workers of so many cores and bytes each for so long, and what moves."""

    workers: int
    cores: int
    """Of a worker."""
    memory_bytes: float
    """Of a worker."""
    seconds: float
    bytes_read: float
    bytes_stored: float
    puts: int
    gets: int


@dataclass(frozen=True)
class Bill:
    """What a run costs, and what its results cost after it; ``machines`` is None where cores are paid."""

    currency: str
    machines: int | None
    computing: float
    reading: float
    requests: float
    run: float
    """The three of them."""
    stored_month: float
    """To keep the results for a month."""
    taken_out: float
    """To take all results out of the store once."""


def read_prices(path: str | Path) -> Prices:
    """Prices from a TOML file (docs/reference/files.md); InputError for an unreadable one, SettingsError with all faults."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read the prices: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error
    try:
        prices = Prices(**values)
    except ValidationError as error:
        raise SettingsError(sentences(error, Prices), str(path)) from None
    if faults := list(prices.faults()):
        raise SettingsError(faults, str(path))
    return prices


def bill(prices: Prices, use: Use) -> Bill:
    """What a run costs; InputError where no worker fits the machine that the prices are of."""
    machines = machines_for(prices, use)
    hours = use.seconds / 3600
    if machines is None:
        computing = (prices.core_hour or 0.0) * use.workers * use.cores * hours
    else:
        computing = (prices.machine_hour or 0.0) * machines * hours
    reading = prices.read_gb * use.bytes_read / GB
    requests = (prices.put_per_1000 * use.puts + prices.get_per_1000 * use.gets) / 1000
    return Bill(
        currency=prices.currency,
        machines=machines,
        computing=computing,
        reading=reading,
        requests=requests,
        run=computing + reading + requests,
        stored_month=prices.stored_gb_month * use.bytes_stored / GB,
        taken_out=prices.taken_gb * use.bytes_stored / GB,
    )


def machines_for(prices: Prices, use: Use) -> int | None:
    """Machines that hold all workers, as many on each as its cores and memory allow; None where cores are paid."""
    if prices.machine_cores is None or prices.machine_memory_gb is None:
        return None
    on_each = min(prices.machine_cores // use.cores, math.floor(prices.machine_memory_gb * GB / use.memory_bytes))
    if on_each < 1:
        raise InputError(
            f"a machine of {prices.machine_cores} cores and {prices.machine_memory_gb:g} GB, which the prices are of, holds no "
            f"worker of {use.cores} threads and {use.memory_bytes / GB:.1f} GB: lower --threads or --memory, or give the prices of "
            "a larger machine"
        )
    return math.ceil(use.workers / on_each)
