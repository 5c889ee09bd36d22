"""Credentials, region and endpoint for S3, where AWS's own tools look for them: the environment, then a profile.

The variables are those of the AWS tools; obstore reads keys, roles of containers and web identities from them by itself.
Profiles are sections of ~/.aws/credentials and ~/.aws/config
(https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html). Keys and ``credential_process`` are read here; profiles
that sign in or take a role are left to boto3 where it is installed. Last comes the role of the machine.
"""

from __future__ import annotations

import configparser
import json
import os
import shlex
import socket
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from seisloom.errors import InputError

# Any of these says where credentials come from, or that none are wanted; obstore follows them.
_SAID = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
# Profiles with these need requests to other services of AWS, or somebody who signs in.
_FOR_BOTO3 = ("role_arn", "sso_session", "sso_start_url", "web_identity_token_file", "login_session")
_MACHINE = "http://169.254.169.254"
NO_CREDENTIALS = (
    "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or put a [default] profile into "
    "~/.aws/credentials (AWS_SKIP_SIGNATURE=true asks without any)"
)
Provider = Callable[[], dict[str, Any]]


def region() -> str | None:
    """The region of the environment or the profile, None where neither says."""
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or profile().get("region")


def endpoint() -> str | None:
    """The endpoint of the environment or the profile, None for that of the region."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return named or profile().get("s3 endpoint_url") or profile().get("endpoint_url")


def credentials(needed: bool = True) -> dict[str, Any] | None:
    """Options for obstore's S3Store that give it credentials; empty where it finds them by itself.

    Where there are none anywhere, InputError that says what to do, or None if they are not ``needed``.
    """
    if any(os.environ.get(name) for name in _SAID):
        return {}
    held = profile()
    if "aws_access_key_id" in held:
        names = ("access_key_id", "secret_access_key", "session_token")
        return {name: held[f"aws_{name}"] for name in names if f"aws_{name}" in held}
    if command := held.get("credential_process"):
        return {"credential_provider": _process(command)}
    if any(name in held for name in _FOR_BOTO3):
        return {"credential_provider": _boto3()}
    if not needed:
        return None
    if _machine_has_a_role():
        return {}
    raise InputError(NO_CREDENTIALS)


def profile() -> dict[str, str]:
    """The settings of the profile that AWS_PROFILE names, or of the default one; empty where there is none.

    ``s3 endpoint_url`` is that of its services section. InputError for a profile that is named and not there.
    """
    named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    name = named or "default"
    keys, config = _sections("AWS_SHARED_CREDENTIALS_FILE", "credentials"), _sections("AWS_CONFIG_FILE", "config")
    for section in (f"profile {name}", name):
        if section in config and (section != name or name == "default"):
            break
    there = {**config.get(section, {}), **keys.get(name, {})}
    if named and not there:
        known = sorted(
            {*keys, *(s.removeprefix("profile ") for s in config if s.startswith("profile ") or s == "default")}
        )
        raise InputError(
            f"AWS_PROFILE is {name!r}, and there is no such profile; there are: {', '.join(known) or 'none'}"
        )
    service = _nested(config.get(f"services {there.get('services')}", {}).get("s3", ""))
    return there | {f"s3 {key}": value for key, value in service.items()}


def _sections(variable: str, file: str) -> dict[str, dict[str, str]]:
    """Sections of one of the two files, empty where it is not there; keys in lower case."""
    path = Path(os.environ.get(variable) or f"~/.aws/{file}").expanduser()
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise InputError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    return {name: dict(parser[name]) for name in parser.sections()}


def _nested(text: str) -> dict[str, str]:
    """Settings below a setting: lines ``name = value``, which are indented in the file."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _process(command: str) -> Provider:
    """Credentials that a program prints (https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html)."""

    def ask() -> dict[str, Any]:
        try:
            done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True, timeout=60)
            held = json.loads(done.stdout)
            ends = held.get("Expiration")
            return {
                "access_key_id": held["AccessKeyId"],
                "secret_access_key": held["SecretAccessKey"],
                "token": held.get("SessionToken"),
                "expires_at": datetime.fromisoformat(ends) if ends else None,
            }
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            said = str(getattr(error, "stderr", None) or error)
            raise InputError(
                f"credential_process {command!r} gives no credentials: {' '.join(said.split())}"
            ) from error

    return ask


def _boto3() -> Provider:
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise InputError(
            "this profile signs in or takes a role, for which boto3 is needed: pip install boto3, or put the output of "
            "'aws configure export-credentials --format env' into the environment"
        ) from None
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        made: Any = Boto3CredentialProvider(boto3.session.Session())
    except (BotoCoreError, ValueError) as error:
        raise InputError(f"the profile gives no credentials: {error}") from error
    return cast("Provider", made)


def _machine_has_a_role() -> bool:
    """Whether there is somebody to ask for the role of this machine; within a second."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    at = urlsplit(os.environ.get("AWS_METADATA_ENDPOINT") or _MACHINE)
    try:
        socket.create_connection((at.hostname, at.port or 80), timeout=1).close()
    except OSError:
        return False
    return True
