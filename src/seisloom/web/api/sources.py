"""Sources of records: which there are."""

from __future__ import annotations

from fastapi import APIRouter

from seisloom.jobs.sources import Offer
from seisloom.web.services import Served

router = APIRouter(prefix="/sources", tags=["channels"])


@router.get("")
def sources(services: Served) -> list[Offer]:
    """Every source that has a name: the operator's archives, the demonstration, the FDSN data centres.

    The name goes into ``source`` of a query or a job. A data centre that is not listed is named by its address,
    ``fdsn:https://...``. One of them may be the default, which is taken where none is named.
    """
    return list(services.sources.offers())
