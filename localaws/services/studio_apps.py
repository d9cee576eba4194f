"""What users make in a Studio domain: spaces, the apps that run in them and bill, and an address to log in at.

Terraform knows none of it, and neither a user profile nor a domain can be deleted while it exists.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from moto.core.utils import utcnow
from moto.sagemaker.responses import SageMakerResponse

from localaws import patching
from localaws.answers import operation
from localaws.services.sagemaker import (
    ResourceInUse,
    ResourceNotFound,
    Studio,
    ValidationException,
    describe_new,
    find_owner,
    find_studio,
    make_arn,
    summarize,
)

DELETED = "Deleted"


def _find_space(studio: Studio, parameters: Mapping[str, Any]) -> dict[str, Any]:
    key = (parameters["DomainId"], parameters["SpaceName"])
    if key not in studio.spaces:
        raise ResourceNotFound(f"Space [{key[1]}] does not exist in domain [{key[0]}].")
    return studio.spaces[key]


@operation("CreateSpace")
def _create_space(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    studio, tags = find_studio(self), parameters.pop("Tags", [])
    key = (parameters["DomainId"], parameters["SpaceName"])
    studio.find_domain(key[0])
    if (owner := find_owner(parameters)) is not None:
        studio.find_profile(key[0], owner)
    if key in studio.spaces:
        raise ResourceInUse(f"Space {key[1]} already exists.")
    arn = make_arn(self, f"space/{key[0]}/{key[1]}")
    studio.spaces[key] = describe_new("Space", arn, parameters)
    studio.tags.tag_resource(arn, tags)
    return {"SpaceArn": arn}


@operation("DescribeSpace")
def _describe_space(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return _find_space(find_studio(self), parameters)


@operation("ListSpaces")
def _list_spaces(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    domain_id = parameters.get("DomainIdEquals")
    spaces = [space for (domain, _), space in find_studio(self).spaces.items() if domain_id in (None, domain)]
    summaries = summarize(spaces, "DomainId", "SpaceName")
    for summary, space in zip(summaries, spaces, strict=True):
        summary["OwnershipSettingsSummary"] = {"OwnerUserProfileName": find_owner(space)}
    return {"Spaces": summaries}


@operation("DeleteSpace")
def _delete_space(self: Any, parameters: dict[str, Any]) -> None:
    studio = find_studio(self)
    space = _find_space(studio, parameters)
    running = [app["AppName"] for app in _find_apps(studio, parameters) if app["Status"] != DELETED]
    if running:
        raise ResourceInUse(f"Unable to delete Space {parameters['SpaceName']}: it has the apps {', '.join(running)}.")
    del studio.spaces[space["DomainId"], space["SpaceName"]]


def _find_apps(studio: Studio, parameters: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """The apps that fit a request's domain, owner and other parameters, the newest last."""
    keys = ("DomainId", "SpaceName", "UserProfileName", *names)
    return [app for app in studio.apps if all(parameters.get(k) in (None, app.get(k)) for k in keys)]


@operation("CreateApp")
def _create_app(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    studio = find_studio(self)
    parameters.pop("Tags", None)
    studio.find_domain(parameters["DomainId"])
    if ("SpaceName" in parameters) == ("UserProfileName" in parameters):
        raise ValidationException("Exactly one of UserProfileName and SpaceName must be given.")
    if "SpaceName" in parameters:
        _find_space(studio, parameters)
    else:
        studio.find_profile(parameters["DomainId"], parameters["UserProfileName"])
    if any(app["Status"] != DELETED for app in _find_apps(studio, parameters, "AppType", "AppName")):
        raise ResourceInUse(f"App {parameters['AppName']} already exists.")
    owner = parameters.get("SpaceName") or parameters["UserProfileName"]
    path = f"{parameters['DomainId']}/{owner}/{parameters['AppType'].lower()}/{parameters['AppName']}"
    arn = make_arn(self, f"app/{path}")
    studio.apps.append(parameters | {"AppArn": arn, "Status": "InService", "CreationTime": utcnow()})
    return {"AppArn": arn}


@operation("ListApps")
def _list_apps(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    filters = {name: parameters.get(f"{name}Equals") for name in ("DomainId", "SpaceName", "UserProfileName")}
    keys = (*filters, "AppType", "AppName", "Status", "CreationTime", "ResourceSpec")
    apps = _find_apps(find_studio(self), filters)
    summaries = [{k: app.get(k) for k in keys} for app in apps]
    for app in apps:
        if app["Status"] == "Deleting":  # it takes a while: the next listing shows it as deleted
            app["Status"] = DELETED
    return {"Apps": summaries}


@operation("DeleteApp")
def _delete_app(self: Any, parameters: dict[str, Any]) -> None:
    apps = _find_apps(find_studio(self), parameters, "AppType", "AppName")
    live = [app for app in apps if app["Status"] == "InService"]
    if not live:
        raise ResourceNotFound(f"App [{parameters['AppName']}] does not exist.")
    live[-1]["Status"] = "Deleting"


@operation("CreatePresignedDomainUrl")
def _create_presigned_domain_url(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    studio = find_studio(self)
    domain = studio.find_domain(parameters["DomainId"])
    studio.find_profile(parameters["DomainId"], parameters["UserProfileName"])
    seconds = parameters.get("ExpiresInSeconds", 300)
    if not 5 <= seconds <= 300:
        raise ValidationException(f"ExpiresInSeconds is {seconds}; it must be between 5 and 300.")
    return {"AuthorizedUrl": f"{domain['Url']}/auth?token={secrets.token_urlsafe(24)}"}


def install() -> None:
    """Give moto the spaces and apps of Studio."""
    spaces = (_create_space, _describe_space, _list_spaces, _delete_space)
    apps = (_create_app, _list_apps, _delete_app, _create_presigned_domain_url)
    patching.add_operations(SageMakerResponse, *spaces, *apps)
