"""The keys of PhaseLink's ``params.json``: what each means, its unit, its default, the steps that read it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from seisloom.cores import cores

Step = Literal["dataset", "train", "eval", "plot"]


def _key(default: Any, meaning: str, unit: str, *steps: Step, **more: Any) -> Any:
    """A field. ``stands``: its default in words; ``read``: names a file to read; ``ours``: not a key of PhaseLink."""
    extra = {"unit": unit, "steps": list(steps)} | {name: more.pop(name, "") for name in ("stands", "read", "ours")}
    default = {} if "default_factory" in more else {"default": default}
    return Field(**default, description=meaning, json_schema_extra=extra, **more)


class TravelTimeTables(BaseModel):
    """Files of travel times in GrowClust format."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    P: str = Field(min_length=1)
    S: str = Field(min_length=1)


class PhaselinkKeys(BaseModel):
    """Every key as a field; ``description`` and ``json_schema_extra`` (unit, steps, stands, read, ours) tell of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    # Network and travel times
    station_file: str | None = _key(
        None, "station list: NET STA LAT LON, then ELEV in m if there is one", "file", "dataset", "eval", "plot",
        stands="required", read=True,
    )  # fmt: skip
    tt_table: TravelTimeTables | None = _key(
        None, 'travel times of both phases in GrowClust format, {"P": file, "S": file}', "file", "dataset", "eval",
        stands="required, or `velocity_model`", read=True,
    )  # fmt: skip
    trav_time_p: str | None = _key(
        None, "older spelling of `tt_table`: the P table", "file", "dataset", "eval", stands="–"
    )
    trav_time_s: str | None = _key(
        None, "older spelling of `tt_table`: the S table", "file", "dataset", "eval", stands="–"
    )
    velocity_model: str | None = _key(
        None, "1-D velocity model (depth, Vp, Vs) to compute travel times from; goes before `tt_table`", "file",
        "dataset", "eval", stands="–", read=True, ours=True,
    )  # fmt: skip
    datum: float = _key(
        0.0, "depth below sea level + `datum` = depth in the tables: the height of their zero above sea level", "km",
        "dataset", "eval",
    )  # fmt: skip
    lat_min: float | None = _key(
        None, "southern edge of the region where events are simulated, looked for and drawn", "degrees", "dataset",
        "eval", "plot", stands="30 km beyond the stations", ge=-90, le=90,
    )  # fmt: skip
    lat_max: float | None = _key(
        None, "northern edge of the region", "degrees", "dataset", "eval", "plot",
        stands="30 km beyond the stations", ge=-90, le=90,
    )  # fmt: skip
    lon_min: float | None = _key(
        None, "western edge of the region", "degrees", "dataset", "eval", "plot",
        stands="30 km beyond the stations", ge=-360, le=360,
    )  # fmt: skip
    lon_max: float | None = _key(
        None, "eastern edge of the region", "degrees", "dataset", "eval", "plot",
        stands="30 km beyond the stations", ge=-360, le=360,
    )  # fmt: skip
    z_min: float = _key(0.0, "depth where the region begins", "km", "dataset", "eval", "plot")
    z_max: float = _key(
        25.0, "depth where the region ends", "km", "dataset", "eval", "plot", stands="`max_event_depth`"
    )
    station_map_file: str | None = _key(
        None, "pickle in which the published scripts hand station coordinates from dataset to eval; here each step "
        "reads `station_file`", "file", stands="–",
    )  # fmt: skip
    sncl_map_file: str | None = _key(
        None, "pickle in which the published scripts number stations and phases; not needed here", "file", stands="–"
    )

    # Training set
    training_dset_X: str = _key("train_X.npy", "features of the training windows", "file", "dataset", "train")
    training_dset_Y: str = _key("train_Y.npy", "labels of the training windows", "file", "dataset", "train")
    n_train_samp: int = _key(10_000, "training windows", "count", "dataset", ge=1)
    t_win: float = _key(
        300.0, "length of a window: picks later than this after its first pick do not belong to it", "s", "dataset",
        "train", "eval", gt=0,
    )  # fmt: skip
    n_max_picks: int = _key(
        1500, "most picks of a window; the first ones are taken", "count", "dataset", "train", "eval", ge=2
    )
    avg_eve_sep: float = _key(
        15.0, "mean time between simulated origins where they are densest; quieter hours are simulated too, down to a "
        "tenth of that rate", "s", "dataset", gt=0,
    )  # fmt: skip
    n_fake: int = _key(0, "simulated false picks in `t_win`, at most", "count", "dataset", ge=0)
    max_event_depth: float = _key(
        25.0, "depth of the deepest simulated event in the published scripts; here they lie in the whole region, and this "
        "is its end where `z_max` is not given", "km", "dataset", "eval", "plot", gt=0, le=800,
    )  # fmt: skip
    min_hypo_dist: float = _key(
        10.0, "a simulated event is picked out to a distance that is drawn for it, at least this", "km", "dataset", ge=0
    )
    max_hypo_dist: float = _key(
        100.0, "and at most this; picks of one window share an event within this distance", "km", "dataset", "train",
        "eval", gt=0,
    )  # fmt: skip
    max_pick_error: float = _key(
        0.5, "simulated picks scatter as much as if they were uniform within ± this; windows allow for twice as much", "s",
        "dataset", "train", "eval", ge=0,
    )  # fmt: skip
    n_threads: int = _key(
        None, "threads, no more than there are cores", "count", "train", "eval", stands="all cores", ge=1,
        default_factory=cores,
    )  # fmt: skip
    seed: int = _key(
        1, "seed of all random numbers: one seed, one training set", "number", "dataset", "train", ours=True, ge=0
    )

    # Network training
    n_epochs: int = _key(
        100, "passes over the training set, fewer where the loss no longer falls", "count", "train", ge=1
    )
    batch_size: int = _key(
        64, "windows of a training step; those with few picks count less", "count", "train", ge=1
    )  # fmt: skip
    hidden_size: int = _key(128, "units of each GRU and direction", "count", "train", ours=True, ge=4, le=4096)
    device: str = _key(
        "cpu", "`cpu`, `cuda` or `cuda:N`; where there is no such GPU the CPU is used, with a warning", "name",
        "train", "eval", pattern=r"^(cpu|cuda|cuda:\d+)$",
    )  # fmt: skip
    model_folder: str = _key(
        "phaselink_model", "folder of checkpoints, of the best model (`best.pt`) and of the learning curves", "folder",
        "train", ours=True,
    )  # fmt: skip
    model_file: str | None = _key(
        None, "trained model (checkpoint), ours or a published one", "file", "eval",
        stands="`best.pt` in `model_folder`", read=True,
    )  # fmt: skip

    # Evaluation
    gpd_file: str | None = _key(
        None, "picks: NET STA PHASE TIME PROB DUR as GPD writes them, or another known pick file", "file", "eval",
        "plot", stands="required", read=True,
    )  # fmt: skip
    pr_min: float = _key(0.0, "picks of lower probability are left out", "probability", "eval", "plot", ge=0, le=1)
    trig_dur_min: float = _key(0.0, "picks of shorter trigger duration are left out", "s", "eval", "plot", ge=0)
    stop_read_early: bool = _key(False, "read only the first 200,000 picks, for a trial", "", "eval")
    n_min_nucl: int = _key(12, "links that a window needs to begin or enlarge a cluster", "count", "eval", ge=1)
    n_min_merge: int = _key(10, "picks that a window and a cluster must share to merge", "count", "eval", ge=1)
    n_min_det: int = _key(12, "picks that an event needs", "count", "eval", ge=1)
    n_min_det_P: int = _key(0, "P picks that an event needs, see `outfile_minPS`", "count", "eval", ge=0)
    n_min_det_S: int = _key(0, "S picks that an event needs, see `outfile_minPS`", "count", "eval", ge=0)
    back_project: bool = _key(
        True,
        "try clusters as back-projection cleans them, too: the picks whose origin times agree best at one node",
        "",
        "eval",
    )
    t_repick: float = _key(
        20.0, "half of this before and after a cluster, picks are considered for it once more", "s", "eval", ge=0
    )
    min_sep: float = _key(
        2.0, "picks of one event back-project into an interval of this length at its node", "s", "eval", gt=0
    )
    min_pick_dist: float = _key(0.0, "an event keeps no picks of nearer stations", "km", "eval", ge=0)
    max_pick_dist: float = _key(
        100.0, "an event keeps no picks of farther stations", "km", "dataset", "eval", stands="`max_hypo_dist`", gt=0
    )
    n_x_nodes: int | None = _key(
        None, "nodes of the back-projection from west to east", "count", "eval", stands="one every 5 km", ge=2, le=2000
    )
    n_y_nodes: int | None = _key(
        None, "from south to north", "count", "eval", stands="one every 5 km", ge=2, le=2000
    )  # fmt: skip
    n_z_nodes: int | None = _key(
        None, "from `z_min` to `z_max`", "count", "eval", stands="one every 2.5 km", ge=2, le=1000
    )  # fmt: skip
    outfile: str = _key("linked.nlloc", "linked picks as NonLinLoc observations, an event a block", "file", "eval")
    outfile_minPS: str | None = _key(
        None, "second such file, only of events with `n_min_det_P` and `n_min_det_S` picks; without it these limits "
        "hold for all output", "file", "eval", stands="–",
    )  # fmt: skip
    outpkl: str | None = _key(
        None, "pickle of the events in early published scripts; tables in `out_folder` take its place", "file",
        stands="–",
    )  # fmt: skip
    out_folder: str | None = _key(
        None, "folder of events.csv, assignments.csv, catalog.xml, figures and the report", "folder", "eval", "plot",
        stands="name of `outfile` + `_catalog`", ours=True,
    )  # fmt: skip
    n_min_radius: int | None = _key(
        None, "in the published example, read by none of its scripts; no effect here", "count", stands="–", ge=0
    )

    # After location
    nlloc_loc_path: str | None = _key(
        None, "folder (or root name) of NonLinLoc's .hyp files", "folder", "plot", stands="locations of eval"
    )
    nlloc_sum_file: str | None = _key(
        None, "one file of all events in `nlloc_loc_path` to read instead of its single files", "file", "plot",
        stands="–",
    )  # fmt: skip
    catalog_file_post: str | None = _key(
        None, "write the catalogue that is drawn, after location, as QuakeML to this file", "file", "plot", stands="–"
    )
    plot_seismicity: bool = _key(True, "draw map and sections of the events", "", "plot")
    fault_file: str | None = _key(
        None, "fault lines on the map: MapInfo MIF, GeoJSON or GMT", "file", "plot", stands="–", read=True
    )
    wf_path: str | None = _key(
        None, "waveforms to draw below the picks, files YEAR/DAY/*.STATION.*", "folder", "plot", stands="–"
    )
    plot_unassociated: bool = _key(False, "draw the picks that belong to no event, too", "", "plot")
    plot_sorted: bool = _key(True, "sort the records of an event by distance", "", "plot")
    max_t_resid: float = _key(999.0, "picks of larger residual are marked", "s", "plot", gt=0)

    @field_validator("n_threads")
    @classmethod
    def _no_more_than_cores(cls, value: int) -> int:
        return min(value, cores())
