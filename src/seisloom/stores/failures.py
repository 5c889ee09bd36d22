"""What the failure of a store means, in words that say what to do, and whether it may pass by itself."""

from __future__ import annotations

import re

from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

FAILURES = (BaseError, OSError, ValueError)
"""What obstore raises: its own kinds and, by its documentation, built-in ones (ValueError for keys such as "../x")."""

# Error codes of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) and, below, what systems and
# libraries on the way say; the first that is found tells.
_MEANINGS = {
    "NoSuchBucket": "there is no such bucket: check its name, the endpoint and the region",
    "InvalidAccessKeyId": "the store does not know this access key: check AWS_ACCESS_KEY_ID or the profile, and the endpoint",
    "SignatureDoesNotMatch": "the secret access key is wrong: check AWS_SECRET_ACCESS_KEY or the profile",
    "ExpiredToken": "the credentials have expired: get new ones",
    "InvalidToken": "the session token is wrong: check AWS_SESSION_TOKEN or the profile",
    "RequestTimeTooSkewed": "the clock of this machine is wrong by more than the store allows: set it, and run again",
    "RequestExpired": "the clock of this machine is wrong by more than the store allows: set it, and run again",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "IllegalLocationConstraintException": "the bucket is in another region: set AWS_REGION",
    "redirect without LOCATION": "the bucket is in another region: set AWS_REGION",
    "AccessDenied": "access denied: the credentials do not allow this in this bucket",
    "QuotaExceeded": "the quota of the store is used up: free some space, then run the same command again",
    "SlowDown": "the store limits requests, even after waiting: try again later, or with fewer workers",
    "No space left on device": "the disk is full: free some space, then run the same command again",
    "Disk quota exceeded": "the quota of the disk is used up: free some space, then run the same command again",
    "Read-only file system": "the folder is on a file system that is read-only",
    "dns error": "the name of the endpoint is unknown: check the endpoint (AWS_ENDPOINT_URL) and the network",
    "invalid peer certificate": "the certificate of the endpoint is not trusted",
    "operation timed out": "the store does not answer in time: check the endpoint (AWS_ENDPOINT_URL) and the network",
    "error sending request": "the store cannot be reached: check the endpoint (AWS_ENDPOINT_URL) and the network",
    "error trying to connect": "the store cannot be reached: check the endpoint (AWS_ENDPOINT_URL) and the network",
    "body error": "the store cuts its answers short",
}
_DETAIL = re.compile(r"<Region>([\w-]+)</Region>")
# A request that failed so may be repeated: nobody answered, the answer broke off, or the service was busy.
_PASSING = re.compile(
    r"error sending request|body error|operation timed out|error trying to connect|dns error|connection (closed|reset)"
    r"|(status code|status): (408|409|429|5\d\d)|SlowDown|InternalError|ServiceUnavailable"
)
_LONGEST = 300


def explain(error: Exception) -> str:
    """What a store's failure means and what to do, in one line."""
    said = str(error)
    for token, meaning in _MEANINGS.items():
        if token.lower() in said.lower():
            region = _DETAIL.search(said)
            return f"{meaning} ({token}{f': it is in {region[1]}' if region else ''})"
    if isinstance(error, UnauthenticatedError):
        return f"the credentials cannot be used: {_first_line(said)}"
    if isinstance(error, PermissionDeniedError | PermissionError):
        local = "os error" in said or isinstance(error, OSError)
        return f"no permission: {_first_line(said)}" if local else _MEANINGS["AccessDenied"]
    return _first_line(said)


def passes(error: Exception) -> bool:
    """Whether the failure may be over when the same is tried again."""
    if isinstance(error, NotFoundError | PermissionDeniedError | UnauthenticatedError):
        return False
    return isinstance(error, BaseError) and _PASSING.search(str(error)) is not None


def _first_line(said: str) -> str:
    """What the store says, without the dump of its internals that follows it."""
    return " ".join(said.split("\n\nDebug source:")[0].split())[:_LONGEST]
