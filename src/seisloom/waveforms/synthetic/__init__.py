"""A seeded network in diffuse surface waves: records whose correlations are known in closed form."""

from __future__ import annotations

from seisloom.waveforms.synthetic.dataset import Dataset, write_dataset
from seisloom.waveforms.synthetic.settings import NetworkSettings
from seisloom.waveforms.synthetic.source import SyntheticSource

__all__ = ["Dataset", "NetworkSettings", "SyntheticSource", "write_dataset"]
