"""Archives that hold records only, with the StationXML that is named beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from obspy import Trace, UTCDateTime

from seisloom.errors import InputError, NoDataError
from seisloom.stations import COLUMNS, channel_ids
from seisloom.waveforms import ChannelQuery, Source, open_source
from seisloom.waveforms.local import sds_path
from seisloom.waveforms.synthetic import SyntheticSource

NETWORK = SyntheticSource("stations=3,rate=1")
DAY = pd.Timestamp("2024-03-01").value
STRANGER = "XX.NEW..LHZ"


@pytest.fixture(params=["sds", "files"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """Two of the network's three channels and one that no metadata know."""
    for name in (*NETWORK.ids[:2], STRANGER):
        codes = dict(zip(("network", "station", "location", "channel"), name.split("."), strict=True))
        path = sds_path(tmp_path / "records", name, DAY)
        path.parent.mkdir(parents=True)
        Trace(np.arange(600, dtype=np.int32), {"starttime": UTCDateTime(2024, 3, 1), **codes}).write(str(path), "MSEED")
    (tmp_path / "metadata").mkdir()
    for name in NETWORK.ids:
        station = tmp_path / "metadata" / f"{name}.xml"
        NETWORK.inventory([name], 0, 1).write(str(station), format="STATIONXML")
    return open_source(f"{request.param}:{tmp_path / 'records'}?stationxml={tmp_path / 'metadata'}")


def test_channels_have_what_the_metadata_tell(source: Source) -> None:
    table = source.channels(ChannelQuery())
    assert channel_ids(table) == [*NETWORK.ids[:2], STRANGER]
    expected = NETWORK.table[:2].assign(sensor=table["sensor"][:2])
    pd.testing.assert_frame_equal(table[:2], expected[COLUMNS])
    assert np.isnan(table["latitude"][2])


def test_a_box_and_times_select(source: Source) -> None:
    place = NETWORK.table.iloc[1]
    box = (place.longitude - 0.01, place.latitude - 0.01, place.longitude + 0.01, place.latitude + 0.01)
    assert channel_ids(source.channels(ChannelQuery(bbox=box))) == [NETWORK.ids[1]]
    before = ChannelQuery(end_ns=pd.Timestamp("1999-01-01").value, network="SY")
    with pytest.raises(NoDataError, match="no channel matches"):
        source.channels(before)


def test_responses(source: Source) -> None:
    inventory = source.inventory([NETWORK.ids[0], STRANGER], DAY, DAY + 1)
    assert inventory is not None
    assert [channel.code for network in inventory for station in network for channel in station] == ["LHZ"]
    assert inventory.get_response(NETWORK.ids[0], UTCDateTime(2024, 3, 1)).instrument_sensitivity.value > 0


def test_records_are_read_as_ever(source: Source) -> None:
    assert len(source.fetch(NETWORK.ids[0], DAY, DAY + 10**12).segments[0].data) == 600


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("?stationxml=/nowhere", "no StationXML at /nowhere"),
        ("?stationxml=", "is not understood; \\?stationxml=FILE-or-DIR is"),
        ("?inventory=x", "'inventory=x' is not understood"),
    ],
)
@pytest.mark.parametrize("kind", ["sds", "files"])
def test_what_cannot_be_named(tmp_path: Path, kind: str, option: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_source(f"{kind}:{tmp_path}{option}")


def test_a_box_without_metadata_says_why_nothing_is_found(tmp_path: Path) -> None:
    path = sds_path(tmp_path, STRANGER, DAY)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with pytest.raises(NoDataError, match="its records hold no coordinates: ask without a box"):
        open_source(f"sds:{tmp_path}").channels(ChannelQuery(bbox=(0, 0, 1, 1)))


def test_damaged_metadata_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.xml").write_text("<FDSNStationXML")
    source = open_source(f"sds:{tmp_path}?stationxml={tmp_path}")
    with pytest.raises(InputError, match=r"broken\.xml: StationXML that cannot be read"):
        source.inventory([STRANGER], DAY, DAY + 1)


def test_real_records(real_data: Path) -> None:
    folder = real_data / "noisepy_ci"
    source = open_source(f"files:{folder}?stationxml={folder}")
    table = source.channels(ChannelQuery())
    assert set(channel_ids(table)) == {"CI.CCA..BHN", "CI.HEC..BHN"}
    assert table["latitude"].between(34, 37).all()
    assert source.inventory(channel_ids(table), DAY, DAY + 1)
