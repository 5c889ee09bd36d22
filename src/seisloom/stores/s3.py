"""S3 buckets, opened with what the user's AWS settings say."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from seisloom.errors import InputError
from seisloom.stores import aws
from seisloom.stores.failures import explain
from seisloom.stores.patience import Limits


def open_s3(
    url: str, limits: Limits, endpoint: str | None = None, anonymous: bool | None = False, requester_pays: bool = False
) -> S3Store:
    """The store of ``s3://bucket/prefix``. Nothing is asked of it yet.

    ``endpoint`` is that of the user's settings unless given. Requests are not signed where ``anonymous`` is True, and, where
    it is None, if there are no credentials. With ``requester_pays`` they say that their sender pays for them. InputError where settings contradict one another or credentials lack.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        raise InputError("there is no bucket in this URL: write s3://bucket/prefix")
    named = endpoint or aws.endpoint()
    keys = None if anonymous else aws.credentials(needed=anonymous is False)
    options: dict[str, Any] = {"skip_signature": True} if keys is None else keys
    # A plain-http endpoint is one that somebody set up for this purpose.
    client = limits.client | {"allow_http": (named or "").startswith("http://")}
    region = None if anonymous and endpoint else aws.region()  # the settings of others do not matter to public buckets
    options |= {"aws_endpoint_url_s3": named} if named else {}
    options |= {"region": region} if region else {}
    options |= {"request_payer": True} if requester_pays else {}
    prefix = unquote(parts.path).strip("/") or None
    try:
        return S3Store(parts.netloc, prefix=prefix, client_options=client, retry_config=limits.retry, **options)
    except BaseError as error:
        raise InputError(f"{explain(error)}: check the AWS_ variables") from error
