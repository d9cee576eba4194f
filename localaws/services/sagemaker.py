"""SageMaker Studio: domains and user profiles, which moto has only in part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.utils import utcnow
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse
from moto.utilities.tagging_service import TaggingService

from localaws import patching
from localaws.answers import make_answer, operation, read_request
from localaws.services import studio_home


class ResourceNotFound(ServiceException):
    """SageMaker's answer to an unknown name."""

    code = "ResourceNotFound"


class ValidationException(ServiceException):
    """SageMaker's answer to a request that is not valid."""

    code = "ValidationException"


class ResourceInUse(ServiceException):
    """SageMaker's answer to a name that is taken, or to the deletion of something that is in use."""

    code = "ResourceInUse"


class Studio:
    """Domains, user profiles, spaces and apps of one account and region, as the service describes them."""

    def __init__(self) -> None:
        self.domain_count = 0
        self.domains: dict[str, dict[str, Any]] = {}
        self.profiles: dict[tuple[str, str], dict[str, Any]] = {}
        self.spaces: dict[tuple[str, str], dict[str, Any]] = {}
        self.apps: list[dict[str, Any]] = []
        self.tags = TaggingService()

    def find_domain(self, domain_id: str) -> dict[str, Any]:
        """The description of a domain."""
        if domain_id not in self.domains:
            raise ResourceNotFound(f"Domain [{domain_id}] does not exist.")
        return self.domains[domain_id]

    def find_profile(self, domain_id: str, name: str) -> dict[str, Any]:
        """The description of a user profile."""
        if (domain_id, name) not in self.profiles:
            raise ResourceNotFound(f"UserProfile [{name}] does not exist in domain [{domain_id}].")
        return self.profiles[domain_id, name]


def find_owner(space: Mapping[str, Any]) -> str | None:
    """The user profile that owns a private space; None for a shared one."""
    owner: str | None = space.get("OwnershipSettings", {}).get("OwnerUserProfileName")
    return owner


def find_studio(self: Any) -> Studio:
    """The Studio of a response method's account and region."""
    return find_studio_in(self.current_account, self.region)


def find_studio_in(account: str, region: str) -> Studio:
    """The Studio of an account and region."""
    # Kept on moto's own backend, so that a reset empties it too.
    backend = sagemaker_backends[account][region]
    studio: Studio = vars(backend).setdefault("studio", Studio())
    return studio


def make_arn(self: Any, path: str) -> str:
    """The ARN of something in a response method's account and region."""
    return f"arn:aws:sagemaker:{self.region}:{self.current_account}:{path}"


def describe_new(kind: str, arn: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The description of something new."""
    now = utcnow()
    return {**parameters, f"{kind}Arn": arn, "Status": "InService", "CreationTime": now, "LastModifiedTime": now}


def summarize(descriptions: Iterable[Mapping[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """The summaries of a listing: these members of each description, and the common ones."""
    keys = (*keys, "Status", "CreationTime", "LastModifiedTime")
    return [{key: description.get(key) for key in keys} for description in descriptions]


@operation("CreateDomain")
def _create_domain(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    studio, tags = find_studio(self), parameters.pop("Tags", [])
    if any(d["DomainName"] == parameters["DomainName"] for d in studio.domains.values()):
        raise ResourceInUse(f"Domain with name {parameters['DomainName']} already exists.")
    if not studio_home.knows_vpc(self.current_account, self.region, parameters["VpcId"]):
        raise ValidationException(f"The vpc ID '{parameters['VpcId']}' does not exist")
    studio.domain_count += 1
    domain_id = f"d-{studio.domain_count:012d}"
    arn = make_arn(self, f"domain/{domain_id}")
    home = studio_home.make_file_system(
        self.current_account,
        self.region,
        domain_id=domain_id,
        domain_arn=arn,
        vpc_id=parameters["VpcId"],
        subnets=parameters["SubnetIds"],
    )
    studio.tags.tag_resource(arn, tags)
    domain = studio.domains[domain_id] = {
        "AppNetworkAccessType": "PublicInternetOnly",
        "TagPropagation": "DISABLED",
        **describe_new("Domain", arn, parameters),
        "DomainId": domain_id,
        "HomeEfsFileSystemId": home,
        "Url": f"https://{domain_id}.studio.{self.region}.sagemaker.aws",
    }
    return {key: domain[key] for key in ("DomainId", "DomainArn", "Url")}


@operation("DescribeDomain")
def _describe_domain(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return find_studio(self).find_domain(parameters["DomainId"])


@operation("ListDomains")
def _list_domains(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"Domains": summarize(find_studio(self).domains.values(), "DomainArn", "DomainId", "DomainName", "Url")}


@operation("UpdateDomain")
def _update_domain(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    domain = find_studio(self).find_domain(parameters["DomainId"])
    domain.update(parameters, LastModifiedTime=utcnow())
    return {"DomainArn": domain["DomainArn"]}


@operation("DeleteDomain")
def _delete_domain(self: Any, parameters: dict[str, Any]) -> None:
    studio, domain_id = find_studio(self), parameters["DomainId"]
    domain = studio.find_domain(domain_id)
    if any(owner == domain_id for owner, _ in studio.profiles):
        raise ResourceInUse(f"Unable to delete Domain {domain_id}: it still has user profiles.")
    if parameters.get("RetentionPolicy", {}).get("HomeEfsFileSystem") == "Delete":
        studio_home.remove_file_system(self.current_account, self.region, domain["HomeEfsFileSystemId"])
    del studio.domains[domain_id]


@operation("CreateUserProfile")
def _create_user_profile(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    studio, tags = find_studio(self), parameters.pop("Tags", [])
    key = (parameters["DomainId"], parameters["UserProfileName"])
    studio.find_domain(key[0])
    if key in studio.profiles:
        raise ResourceInUse(f"UserProfile {key[1]} already exists.")
    arn = make_arn(self, f"user-profile/{key[0]}/{key[1]}")
    studio.profiles[key] = describe_new("UserProfile", arn, parameters) | {"HomeEfsFileSystemUid": "200001"}
    studio.tags.tag_resource(arn, tags)
    return {"UserProfileArn": arn}


@operation("DescribeUserProfile")
def _describe_user_profile(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    return find_studio(self).find_profile(parameters["DomainId"], parameters["UserProfileName"])


@operation("ListUserProfiles")
def _list_user_profiles(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    domain_id = parameters.get("DomainIdEquals")
    profiles = [p for (domain, _), p in find_studio(self).profiles.items() if domain_id in (None, domain)]
    return {"UserProfiles": summarize(profiles, "DomainId", "UserProfileName")}


@operation("UpdateUserProfile")
def _update_user_profile(self: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    profile = find_studio(self).find_profile(parameters["DomainId"], parameters["UserProfileName"])
    profile.update(parameters, LastModifiedTime=utcnow())
    return {"UserProfileArn": profile["UserProfileArn"]}


@operation("DeleteUserProfile")
def _delete_user_profile(self: Any, parameters: dict[str, Any]) -> None:
    studio, owner = find_studio(self), (parameters["DomainId"], parameters["UserProfileName"])
    studio.find_profile(*owner)
    if owned := [name for (domain, name), space in studio.spaces.items() if (domain, find_owner(space)) == owner]:
        raise ResourceInUse(f"Unable to delete UserProfile {owner[1]}: it owns the spaces {', '.join(sorted(owned))}.")
    del studio.profiles[owner]


def _answer_tags(original: Any, self: Any) -> Any:
    """ListTags, AddTags and DeleteTags for what is in Studio; moto answers for anything else."""
    parameters = read_request(self)
    arn, tags = parameters["ResourceArn"], find_studio(self).tags
    if arn.split(":")[-1].split("/")[0] not in ("app", "domain", "space", "user-profile"):
        return original(self)
    name = str(self._get_action())
    if name == "AddTags":
        tags.tag_resource(arn, parameters["Tags"])
    elif name == "DeleteTags":
        tags.untag_resource_using_names(arn, parameters["TagKeys"])
        return make_answer(self, name)
    return make_answer(self, name, tags.list_tags_for_resource(arn))


def install() -> None:
    """Make Studio domains and user profiles complete enough for Terraform."""
    for method in (_create_domain, _describe_domain, _list_domains, _delete_domain):
        patching.replace_attribute(SageMakerResponse, method.__name__, method)
    profiles = (_create_user_profile, _describe_user_profile, _list_user_profiles, _update_user_profile)
    patching.add_operations(SageMakerResponse, _update_domain, *profiles, _delete_user_profile)
    for name in ("list_tags", "add_tags", "delete_tags"):
        patching.wrap_method(SageMakerResponse, name, _answer_tags)
