"""Settings of correlations: what forms need to know of them, their faults, their file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response, UploadFile
from pydantic import BaseModel, Field

from seisloom.config import BASIC, CorrelationSettings, parse_settings, write_params_csv
from seisloom.errors import InputError, SettingsError

router = APIRouter(prefix="/settings", tags=["settings"])

PARAMS_FILE = "xcor_params.csv"
MOST_BYTES = 100_000
"""Of a file of settings."""

Value = float | bool | str | None
Values = Annotated[
    dict[str, Value],
    Body(
        description="settings by name; numbers may be text, those left out have their defaults",
        examples=[{"fs": 10, "freqmin": 0.1, "freqmax": "1.0"}],
    ),
]


class Setting(BaseModel):
    """A setting as a form shows it."""

    name: str
    label: str = Field(examples=["Resample frequency"])
    unit: str = Field(description="empty for none", examples=["Hz"])
    help: str = Field(description="one line")
    kind: Literal["number", "choice", "bool"]
    default: Value = Field(description="null where leaving it empty means something, which the help says")
    choices: list[str] = Field(description="of a choice")
    minimum: float | None = Field(description="smallest number, null for none")
    above: float | None = Field(description="number that it must be above, null for none")
    maximum: float | None
    optional: bool = Field(description="may be left empty (null)")
    basic: bool = Field(description="one of the six that stand in front; the others are folded away")


class Fault(BaseModel):
    """Something wrong with the settings, and the fields that it names, the one it is about first."""

    fields: list[str]
    message: str


class Check(BaseModel):
    """All faults at once; none where the settings can be used."""

    faults: list[Fault]


class SettingValues(BaseModel):
    """Every setting with its value."""

    values: dict[str, Value]


@router.get("")
def settings() -> list[Setting]:
    """Every setting of a correlation: label, unit, default, limits, choices, a line of help."""
    return list(_settings())


@router.post("/check")
def check(values: Values) -> Check:
    """What is wrong with settings, by field: single values, unknown names, and what contradicts one another."""
    try:
        parse_values(values)
    except SettingsError as error:
        return Check(faults=[Fault(fields=fields_of(fault, values), message=fault) for fault in error.faults])
    return Check(faults=[])


@router.get("/params.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def params(settings: Annotated[CorrelationSettings, Query()]) -> Response:
    """Settings as params.csv of the XCor app: its six columns, then every other setting that is not the default."""
    return _file(settings)


@router.post("/params.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def params_of(values: Values) -> Response:
    """As GET, of a JSON object."""
    return _file(parse_values(values))


@router.post("/read")
def read(file: UploadFile) -> SettingValues:
    """The settings of a params.csv or TOML file."""
    data = file.file.read(MOST_BYTES + 1)
    name = (file.filename or "params.csv")[:100]
    if len(data) > MOST_BYTES:
        raise InputError(f"{name}: larger than {MOST_BYTES // 1000} kB, which no file of settings is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8 text; a params.csv or TOML file is expected") from None
    return SettingValues(values=parse_settings(text, name).model_dump())


def parse_values(values: dict[str, Any]) -> CorrelationSettings:
    """Settings from what a form holds; an empty text is none where that means something. SettingsError for all faults."""
    optional = {setting.name for setting in _settings() if setting.optional}
    return CorrelationSettings(**{k: None if v == "" and k in optional else v for k, v in values.items()})


def fields_of(fault: str, values: dict[str, Any]) -> list[str]:
    """The settings that a sentence names, in its order; of a value that cannot be, and of an unknown name, that alone."""
    single = re.match(r"unknown setting '(.*?)'|(\w+) is ", fault)
    if single and (name := single[1] or single[2]) in values and ": use " not in fault:
        return [name]
    named = re.findall(r"\w+", fault)
    return list(dict.fromkeys(word for word in named if word in CorrelationSettings.model_fields))


def _settings() -> Iterator[Setting]:
    for name, about in CorrelationSettings.model_json_schema()["properties"].items():
        kinds = {option.get("type") for option in about.get("anyOf", [about])}
        limits = about | next((option for option in about.get("anyOf", []) if option.get("type") == "number"), {})
        yield Setting(
            name=name,
            label=about["label"],
            unit=about["unit"],
            help=about["description"],
            kind="choice" if "enum" in about else "bool" if "boolean" in kinds else "number",
            default=about["default"],
            choices=about.get("enum", []),
            minimum=limits.get("minimum"),
            above=limits.get("exclusiveMinimum"),
            maximum=limits.get("maximum"),
            optional="null" in kinds,
            basic=name in BASIC,
        )


def _file(settings: CorrelationSettings) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{PARAMS_FILE}"'}
    return Response(write_params_csv(settings), media_type="text/csv", headers=headers)
