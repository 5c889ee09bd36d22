"""One channel on one day: records to spectra, and what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from seisloom.config import CorrelationSettings
from seisloom.errors import InputError, NoDataError, SourceError, described
from seisloom.noise.plan import WindowPlan
from seisloom.noise.preprocess import day_series
from seisloom.noise.report import Problem, part_of_day
from seisloom.noise.response import Responses
from seisloom.noise.spectra import ChannelSpectra, channel_spectra
from seisloom.waveforms.base import DAY_NS, Source

# So many channels failing one after another, from the first on, stop a run.
OUTAGE = 10


@dataclass
class Prepared:
    """What a channel-day came to: its spectra, None where nothing can be used, and problems."""

    spectra: ChannelSpectra | None
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether another try may give more."""
        return any(p.failed for p in self.problems)


@dataclass
class Preparation:
    """Makes the spectra of channel-days; from several threads at once."""

    ids: list[str]
    settings: CorrelationSettings
    source: Source
    responses: Responses
    plan: WindowPlan

    def prepare(self, c: int, day_ns: int) -> Prepared:
        """Records of channel number ``c`` on a day to its spectra."""
        channel_id = self.ids[c]
        unused = Problem(channel_id, "", unused=True)
        notes: list[str] = []
        try:
            record = self.source.fetch(channel_id, day_ns, day_ns + DAY_NS)
            epochs = self.responses.epochs(channel_id, day_ns, day_ns + DAY_NS)
            series, notes = day_series(record, day_ns, self.settings, self.plan, epochs)
            spectra, more = channel_spectra(series, self.settings, self.plan)
            notes += more
        except NoDataError:
            spectra, unused.message = None, "no data: the source has none for this day"
        except SourceError as error:
            spectra, unused.message, unused.failed = None, str(error), not error.lasting
        except InputError as error:
            spectra, unused.message = None, str(error)
        except MemoryError:
            raise
        except Exception as error:  # where the program itself fails on a channel, it does not cost the others their day
            spectra, unused.message, unused.failed = None, f"a defect of the program: {described(error)}", True
        if spectra is None:
            unused.message = unused.message or "; ".join(notes)
            return Prepared(None, [unused])
        return Prepared(spectra, [Problem(channel_id, note) for note in [*notes, *part_of_day(series, self.plan)]])

    def check_outage(self, day: str, heard: Sequence[Prepared]) -> None:
        """SourceError where the first OUTAGE channels that were tried failed: waiting that out for every channel and day helps nobody.

        To be asked after each of the channels, with all that were tried so far.
        """
        if len(heard) == min(OUTAGE, len(self.ids)) and all(prepared.failed for prepared in heard):
            first = heard[0].problems[0].message
            raise SourceError(f"{day}: {self.source.spec} failed for the first {len(heard)} channels: {first}")
