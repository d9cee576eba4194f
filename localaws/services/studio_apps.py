"""What a user makes in a Studio domain: spaces, the apps that run in them and bill, and the address that lets him in.

Terraform knows none of it, and neither a user profile nor a domain goes while it is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.responses import SageMakerResponse

from localaws import patching
from localaws.answers import answer, request
from localaws.services.sagemaker import (
    ResourceInUse,
    ResourceNotFound,
    Studio,
    ValidationException,
    arn_of,
    owner_of,
    studio_of,
)

GONE = "Deleted"


def _space(studio: Studio, asked: Mapping[str, Any]) -> dict[str, Any]:
    key = (asked["DomainId"], asked["SpaceName"])
    if key not in studio.spaces:
        raise ResourceNotFound(f"Space [{key[1]}] does not exist in domain [{key[0]}].")
    return studio.spaces[key]


def _create_space(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    tags = asked.pop("Tags", [])
    studio.domain(asked["DomainId"])
    if (owner := owner_of(asked)) is not None:
        studio.profile(asked["DomainId"], owner)
    key = (asked["DomainId"], asked["SpaceName"])
    if key in studio.spaces:
        raise ResourceInUse(f"Space {key[1]} already exists.")
    arn, now = arn_of(self, f"space/{key[0]}/{key[1]}"), utcnow()
    studio.spaces[key] = asked | {
        "SpaceArn": arn,
        "Status": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    studio.tags.tag_resource(arn, tags)
    return answer(self, "CreateSpace", {"SpaceArn": arn})


def _describe_space(self: Any) -> ActionResult:
    return answer(self, "DescribeSpace", _space(studio_of(self), request(self)))


def _list_spaces(self: Any) -> ActionResult:
    wanted = request(self).get("DomainIdEquals")
    keys = ("DomainId", "SpaceName", "Status", "CreationTime", "LastModifiedTime")
    found = [
        {k: space[k] for k in keys} | {"OwnershipSettingsSummary": {"OwnerUserProfileName": owner_of(space)}}
        for (domain, _), space in studio_of(self).spaces.items()
        if wanted in (None, domain)
    ]
    return answer(self, "ListSpaces", {"Spaces": found})


def _delete_space(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    space = _space(studio, asked)
    running = [app["AppName"] for app in _apps(studio, asked) if app["Status"] != GONE]
    if running:
        raise ResourceInUse(f"Unable to delete Space {asked['SpaceName']}: it has the apps {', '.join(running)}.")
    del studio.spaces[space["DomainId"], space["SpaceName"]]
    return answer(self, "DeleteSpace")


def _apps(studio: Studio, asked: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """Apps by domain, owner and what else is named, the newest last."""
    keys = ("DomainId", "SpaceName", "UserProfileName", *names)
    return [app for app in studio.apps if all(asked.get(k) in (None, app.get(k)) for k in keys)]


def _create_app(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    asked.pop("Tags", None)
    studio.domain(asked["DomainId"])
    if ("SpaceName" in asked) == ("UserProfileName" in asked):
        raise ValidationException("Exactly one of UserProfileName and SpaceName must be given.")
    if "SpaceName" in asked:
        _space(studio, asked)
    else:
        studio.profile(asked["DomainId"], asked["UserProfileName"])
    if any(app["Status"] != GONE for app in _apps(studio, asked, "AppType", "AppName")):
        raise ResourceInUse(f"App {asked['AppName']} already exists.")
    owner = asked.get("SpaceName") or asked["UserProfileName"]
    arn = arn_of(self, f"app/{asked['DomainId']}/{owner}/{asked['AppType'].lower()}/{asked['AppName']}")
    studio.apps.append(asked | {"AppArn": arn, "Status": "InService", "CreationTime": utcnow()})
    return answer(self, "CreateApp", {"AppArn": arn})


def _list_apps(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    filters = {
        name: asked.get(f"{name}Equals")
        for name in ("DomainId", "SpaceName", "UserProfileName")
        if asked.get(f"{name}Equals")
    }
    keys = ("DomainId", "SpaceName", "UserProfileName", "AppType", "AppName", "Status", "CreationTime", "ResourceSpec")
    found = [{k: app.get(k) for k in keys} for app in _apps(studio, filters)]
    for app in _apps(studio, filters):
        if app["Status"] == "Deleting":  # it takes a while: the next look finds it gone, but still listed
            app["Status"] = GONE
    return answer(self, "ListApps", {"Apps": found})


def _delete_app(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    live = [app for app in _apps(studio, asked, "AppType", "AppName") if app["Status"] == "InService"]
    if not live:
        raise ResourceNotFound(f"App [{asked['AppName']}] does not exist.")
    live[-1]["Status"] = "Deleting"
    return answer(self, "DeleteApp")


def _create_presigned_domain_url(self: Any) -> ActionResult:
    asked, studio = request(self), studio_of(self)
    domain = studio.domain(asked["DomainId"])
    studio.profile(asked["DomainId"], asked["UserProfileName"])
    seconds = asked.get("ExpiresInSeconds", 300)
    if not 5 <= seconds <= 300:
        raise ValidationException(f"ExpiresInSeconds is {seconds}; it must be between 5 and 300.")
    url = f"{domain['Url']}/auth?token={secrets.token_urlsafe(24)}"
    return answer(self, "CreatePresignedDomainUrl", {"AuthorizedUrl": url})


def install() -> None:
    """Give moto the spaces and apps of Studio."""
    patching.add(SageMakerResponse, "create_space", _create_space)
    patching.add(SageMakerResponse, "describe_space", _describe_space)
    patching.add(SageMakerResponse, "list_spaces", _list_spaces)
    patching.add(SageMakerResponse, "delete_space", _delete_space)
    patching.add(SageMakerResponse, "create_app", _create_app)
    patching.add(SageMakerResponse, "list_apps", _list_apps)
    patching.add(SageMakerResponse, "delete_app", _delete_app)
    patching.add(SageMakerResponse, "create_presigned_domain_url", _create_presigned_domain_url)
