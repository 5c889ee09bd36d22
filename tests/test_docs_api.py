"""The page of the API's routes says what the API says of itself."""

from __future__ import annotations

import re

from tools.make_api_reference import PAGE, page


def test_every_route_is_documented_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python tools/make_api_reference.py"


def test_every_route_says_what_it_does() -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \| (.*) \| (.*) \|$", page(), re.MULTILINE)
    assert len(rows) > 40
    assert [route for route, _, what in rows if not what] == []
