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
    find_owner,
    find_studio,
    make_arn,
)

GONE = "Deleted"


def _find_space(studio: Studio, parameters: Mapping[str, Any]) -> dict[str, Any]:
    key = (parameters["DomainId"], parameters["SpaceName"])
    if key not in studio.spaces:
        raise ResourceNotFound(f"Space [{key[1]}] does not exist in domain [{key[0]}].")
    return studio.spaces[key]


def _create_space(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    tags = parameters.pop("Tags", [])
    studio.domain(parameters["DomainId"])
    if (owner := find_owner(parameters)) is not None:
        studio.profile(parameters["DomainId"], owner)
    key = (parameters["DomainId"], parameters["SpaceName"])
    if key in studio.spaces:
        raise ResourceInUse(f"Space {key[1]} already exists.")
    arn, now = make_arn(self, f"space/{key[0]}/{key[1]}"), utcnow()
    studio.spaces[key] = parameters | {
        "SpaceArn": arn,
        "Status": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    studio.tags.tag_resource(arn, tags)
    return answer(self, "CreateSpace", {"SpaceArn": arn})


def _describe_space(self: Any) -> ActionResult:
    return answer(self, "DescribeSpace", _find_space(find_studio(self), request(self)))


def _list_spaces(self: Any) -> ActionResult:
    domain_id = request(self).get("DomainIdEquals")
    keys = ("DomainId", "SpaceName", "Status", "CreationTime", "LastModifiedTime")
    spaces = [
        {k: space[k] for k in keys} | {"OwnershipSettingsSummary": {"OwnerUserProfileName": find_owner(space)}}
        for (domain, _), space in find_studio(self).spaces.items()
        if domain_id in (None, domain)
    ]
    return answer(self, "ListSpaces", {"Spaces": spaces})


def _delete_space(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    space = _find_space(studio, parameters)
    running = [app["AppName"] for app in _find_apps(studio, parameters) if app["Status"] != GONE]
    if running:
        raise ResourceInUse(f"Unable to delete Space {parameters['SpaceName']}: it has the apps {', '.join(running)}.")
    del studio.spaces[space["DomainId"], space["SpaceName"]]
    return answer(self, "DeleteSpace")


def _find_apps(studio: Studio, parameters: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """Apps by domain, owner and what else is named, the newest last."""
    keys = ("DomainId", "SpaceName", "UserProfileName", *names)
    return [app for app in studio.apps if all(parameters.get(k) in (None, app.get(k)) for k in keys)]


def _create_app(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    parameters.pop("Tags", None)
    studio.domain(parameters["DomainId"])
    if ("SpaceName" in parameters) == ("UserProfileName" in parameters):
        raise ValidationException("Exactly one of UserProfileName and SpaceName must be given.")
    if "SpaceName" in parameters:
        _find_space(studio, parameters)
    else:
        studio.profile(parameters["DomainId"], parameters["UserProfileName"])
    if any(app["Status"] != GONE for app in _find_apps(studio, parameters, "AppType", "AppName")):
        raise ResourceInUse(f"App {parameters['AppName']} already exists.")
    owner = parameters.get("SpaceName") or parameters["UserProfileName"]
    arn = make_arn(
        self, f"app/{parameters['DomainId']}/{owner}/{parameters['AppType'].lower()}/{parameters['AppName']}"
    )
    studio.apps.append(parameters | {"AppArn": arn, "Status": "InService", "CreationTime": utcnow()})
    return answer(self, "CreateApp", {"AppArn": arn})


def _list_apps(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    filters = {
        name: parameters.get(f"{name}Equals")
        for name in ("DomainId", "SpaceName", "UserProfileName")
        if parameters.get(f"{name}Equals")
    }
    keys = ("DomainId", "SpaceName", "UserProfileName", "AppType", "AppName", "Status", "CreationTime", "ResourceSpec")
    apps = [{k: app.get(k) for k in keys} for app in _find_apps(studio, filters)]
    for app in _find_apps(studio, filters):
        if app["Status"] == "Deleting":  # it takes a while: the next look finds it gone, but still listed
            app["Status"] = GONE
    return answer(self, "ListApps", {"Apps": apps})


def _delete_app(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    live = [app for app in _find_apps(studio, parameters, "AppType", "AppName") if app["Status"] == "InService"]
    if not live:
        raise ResourceNotFound(f"App [{parameters['AppName']}] does not exist.")
    live[-1]["Status"] = "Deleting"
    return answer(self, "DeleteApp")


def _create_presigned_domain_url(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    domain = studio.domain(parameters["DomainId"])
    studio.profile(parameters["DomainId"], parameters["UserProfileName"])
    seconds = parameters.get("ExpiresInSeconds", 300)
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
