"""What SageMaker is asked: the domain of an environment, and the apps in it."""

from collections.abc import Mapping
from typing import Any

from ops.aws.describe import list_pages


def find_domain(sagemaker: Any, name: str) -> str | None:
    """The id of the domain of that name; None where there is none."""
    domains = list_pages(sagemaker, "list_domains", "Domains")
    return next((str(domain["DomainId"]) for domain in domains if domain["DomainName"] == name), None)


def list_apps(sagemaker: Any, domain_id: str) -> list[dict[str, Any]]:
    """What runs, starts or stops in a domain. SageMaker lists a deleted app for a day: those are left out."""
    apps = list_pages(sagemaker, "list_apps", "Apps", DomainIdEquals=domain_id)
    return [app for app in apps if app["Status"] not in ("Deleted", "Failed")]


def describe_app(app: Mapping[str, Any]) -> str:
    """An app for a reader.

    >>> describe_app({"AppType": "JupyterLab", "SpaceName": "mine", "ResourceSpec": {"InstanceType": "ml.t3.medium"}})
    'JupyterLab of mine (ml.t3.medium)'
    """
    kind = (app.get("ResourceSpec") or {}).get("InstanceType")
    owner = app.get("SpaceName") or app.get("UserProfileName")
    return f"{app['AppType']} of {owner}" + (f" ({kind})" if kind else "")
