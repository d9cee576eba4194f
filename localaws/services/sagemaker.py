"""SageMaker Studio: domains and user profiles, which moto has in part or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.utilities.tagging_service import TaggingService

from localaws import patching
from localaws.answers import answer, request
from localaws.services import studio_home


class ResourceNotFound(ServiceException):
    """SageMaker's answer to an unknown name."""

    code = "ResourceNotFound"


class ValidationException(ServiceException):
    """SageMaker's answer to a request that cannot be."""

    code = "ValidationException"


class ResourceInUse(ServiceException):
    """SageMaker's answer to a name that is taken, or to the end of something that is still used."""

    code = "ResourceInUse"


class Studio:
    """Domains, user profiles, spaces and apps of one account and region, as the service describes them."""

    def __init__(self) -> None:
        self.made = 0
        self.domains: dict[str, dict[str, Any]] = {}
        self.profiles: dict[tuple[str, str], dict[str, Any]] = {}
        self.spaces: dict[tuple[str, str], dict[str, Any]] = {}
        self.apps: list[dict[str, Any]] = []
        self.tags = TaggingService()

    def domain(self, domain_id: str) -> dict[str, Any]:
        """The description of a domain."""
        if domain_id not in self.domains:
            raise ResourceNotFound(f"Domain [{domain_id}] does not exist.")
        return self.domains[domain_id]

    def profile(self, domain_id: str, name: str) -> dict[str, Any]:
        """The description of a user profile."""
        if (domain_id, name) not in self.profiles:
            raise ResourceNotFound(f"UserProfile [{name}] does not exist in domain [{domain_id}].")
        return self.profiles[domain_id, name]


def find_owner(space: Mapping[str, Any]) -> str | None:
    """Whose private space this is; None for a shared one."""
    owner: str | None = space.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    return owner


def find_studio(self: Any) -> Studio:
    """What a response method's account and region hold."""
    return find_studio_in(self.current_account, self.region)


def find_studio_in(account: str, region: str) -> Studio:
    """What an account and region hold."""
    # Kept on moto's own backend, so that a reset empties it too.
    backend = sagemaker_backends[account][region]
    studio: Studio = vars(backend).setdefault("studio", Studio())
    return studio


def make_arn(self: Any, path: str) -> str:
    """The ARN of something in a response method's account and region."""
    return f"arn:aws:sagemaker:{self.region}:{self.current_account}:{path}"


def _create_domain(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    tags = parameters.pop("Tags", [])
    if any(d["DomainName"] == parameters["DomainName"] for d in studio.domains.values()):
        raise ResourceInUse(f"Domain with name {parameters['DomainName']} already exists.")
    if not studio_home.knows_vpc(self.current_account, self.region, parameters["VpcId"]):
        raise ValidationException(f"The vpc ID '{parameters['VpcId']}' does not exist")
    studio.made += 1
    domain_id = f"d-{studio.made:012d}"
    arn, now = make_arn(self, f"domain/{domain_id}"), utcnow()
    home = studio_home.make(
        self.current_account,
        self.region,
        domain_id=domain_id,
        domain_arn=arn,
        vpc_id=parameters["VpcId"],
        subnets=parameters["SubnetIds"],
    )
    studio.domains[domain_id] = parameters | {
        "DomainId": domain_id,
        "DomainArn": arn,
        "Status": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        "HomeEfsFileSystemId": home,
        "Url": f"https://{domain_id}.studio.{self.region}.sagemaker.aws",
        "AppNetworkAccessType": parameters.get("AppNetworkAccessType", "PublicInternetOnly"),
        "TagPropagation": parameters.get("TagPropagation", "DISABLED"),
    }
    studio.tags.tag_resource(arn, tags)
    return answer(self, "CreateDomain", {k: studio.domains[domain_id][k] for k in ("DomainId", "DomainArn", "Url")})


def _describe_domain(self: Any) -> ActionResult:
    return answer(self, "DescribeDomain", find_studio(self).domain(request(self)["DomainId"]))


def _list_domains(self: Any) -> ActionResult:
    keys = ("DomainArn", "DomainId", "DomainName", "Status", "CreationTime", "LastModifiedTime", "Url")
    domains = [{k: d[k] for k in keys} for d in find_studio(self).domains.values()]
    return answer(self, "ListDomains", {"Domains": domains})


def _update_domain(self: Any) -> ActionResult:
    parameters = request(self)
    domain = find_studio(self).domain(parameters["DomainId"])
    domain.update(parameters | {"LastModifiedTime": utcnow()})
    return answer(self, "UpdateDomain", {"DomainArn": domain["DomainArn"]})


def _delete_domain(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    domain_id = parameters["DomainId"]
    domain = studio.domain(domain_id)
    if any(owner == domain_id for owner, _ in studio.profiles):
        raise ResourceInUse(f"Unable to delete Domain {domain_id}: it still has user profiles.")
    if parameters.get("RetentionPolicy", {}).get("HomeEfsFileSystem") == "Delete":
        studio_home.remove(self.current_account, self.region, domain["HomeEfsFileSystemId"])
    del studio.domains[domain_id]
    return answer(self, "DeleteDomain")


def _create_user_profile(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    tags = parameters.pop("Tags", [])
    studio.domain(parameters["DomainId"])
    key = (parameters["DomainId"], parameters["UserProfileName"])
    if key in studio.profiles:
        raise ResourceInUse(f"UserProfile {key[1]} already exists.")
    arn, now = make_arn(self, f"user-profile/{key[0]}/{key[1]}"), utcnow()
    studio.profiles[key] = parameters | {
        "UserProfileArn": arn,
        "Status": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
        "HomeEfsFileSystemUid": "200001",
    }
    studio.tags.tag_resource(arn, tags)
    return answer(self, "CreateUserProfile", {"UserProfileArn": arn})


def _describe_user_profile(self: Any) -> ActionResult:
    parameters = request(self)
    profile = find_studio(self).profile(parameters["DomainId"], parameters["UserProfileName"])
    return answer(self, "DescribeUserProfile", profile)


def _list_user_profiles(self: Any) -> ActionResult:
    keys = ("DomainId", "UserProfileName", "Status", "CreationTime", "LastModifiedTime")
    domain_id = request(self).get("DomainIdEquals")
    profiles = [{k: p[k] for k in keys} for (d, _), p in find_studio(self).profiles.items() if domain_id in (None, d)]
    return answer(self, "ListUserProfiles", {"UserProfiles": profiles})


def _update_user_profile(self: Any) -> ActionResult:
    parameters = request(self)
    profile = find_studio(self).profile(parameters["DomainId"], parameters["UserProfileName"])
    profile.update(parameters | {"LastModifiedTime": utcnow()})
    return answer(self, "UpdateUserProfile", {"UserProfileArn": profile["UserProfileArn"]})


def _delete_user_profile(self: Any) -> ActionResult:
    parameters, studio = request(self), find_studio(self)
    studio.profile(parameters["DomainId"], parameters["UserProfileName"])
    owner = (parameters["DomainId"], parameters["UserProfileName"])
    if owned := [name for (domain, name), space in studio.spaces.items() if (domain, find_owner(space)) == owner]:
        raise ResourceInUse(f"Unable to delete UserProfile {owner[1]}: it owns the spaces {', '.join(sorted(owned))}.")
    del studio.profiles[parameters["DomainId"], parameters["UserProfileName"]]
    return answer(self, "DeleteUserProfile")


def _is_studio(arn: str) -> bool:
    return arn.split(":")[-1].split("/")[0] in ("app", "domain", "space", "user-profile")


def _list_tags(self: Any) -> Any:
    arn = request(self)["ResourceArn"]
    if not _is_studio(arn):
        return _moto_list_tags(self)
    return answer(self, "ListTags", find_studio(self).tags.list_tags_for_resource(arn))


def _add_tags(self: Any) -> Any:
    parameters = request(self)
    if not _is_studio(parameters["ResourceArn"]):
        return _moto_add_tags(self)
    find_studio(self).tags.tag_resource(parameters["ResourceArn"], parameters["Tags"])
    return answer(self, "AddTags", find_studio(self).tags.list_tags_for_resource(parameters["ResourceArn"]))


def _delete_tags(self: Any) -> Any:
    parameters = request(self)
    if not _is_studio(parameters["ResourceArn"]):
        return _moto_delete_tags(self)
    find_studio(self).tags.untag_resource_using_names(parameters["ResourceArn"], parameters["TagKeys"])
    return answer(self, "DeleteTags")


_moto_list_tags: Any = None
_moto_add_tags: Any = None
_moto_delete_tags: Any = None


def install() -> None:
    """Make Studio domains and user profiles complete enough for Terraform."""
    global _moto_list_tags, _moto_add_tags, _moto_delete_tags
    patching.replace(SageMakerResponse, "create_domain", _create_domain)
    patching.replace(SageMakerResponse, "describe_domain", _describe_domain)
    patching.replace(SageMakerResponse, "list_domains", _list_domains)
    patching.replace(SageMakerResponse, "delete_domain", _delete_domain)
    patching.add(SageMakerResponse, "update_domain", _update_domain)
    patching.add(SageMakerResponse, "create_user_profile", _create_user_profile)
    patching.add(SageMakerResponse, "describe_user_profile", _describe_user_profile)
    patching.add(SageMakerResponse, "list_user_profiles", _list_user_profiles)
    patching.add(SageMakerResponse, "update_user_profile", _update_user_profile)
    patching.add(SageMakerResponse, "delete_user_profile", _delete_user_profile)
    _moto_list_tags = patching.replace(SageMakerResponse, "list_tags", _list_tags)
    _moto_add_tags = patching.replace(SageMakerResponse, "add_tags", _add_tags)
    _moto_delete_tags = patching.replace(SageMakerResponse, "delete_tags", _delete_tags)
