"""Service Quotas: EC2's two that limit a cluster, which moto lacks. Their value is a setting, for rehearsals."""

from __future__ import annotations

from typing import Any

from moto.servicequotas.responses import ServiceQuotasResponse

from localaws import patching
from localaws.answers import make_answer, read_request
from localaws.settings import Settings

EC2_QUOTAS = {
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}


def describe_quota(code: str, vcpus: int, *, account: str, region: str) -> dict[str, Any]:
    """A quota in the service's shape."""
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": EC2_QUOTAS[code],
        "Value": float(vcpus),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _get_service_quota(original: Any, self: Any) -> Any:
    parameters = read_request(self)
    if parameters.get("ServiceCode") != "ec2" or parameters.get("QuotaCode") not in EC2_QUOTAS:
        return original(self)
    vcpus = Settings.from_environment().vcpu_quota
    quota = describe_quota(parameters["QuotaCode"], vcpus, account=self.current_account, region=self.region)
    return make_answer(self, "GetServiceQuota", {"Quota": quota})


def install() -> None:
    """Answer for EC2's vCPUs; moto answers for other quotas."""
    patching.wrap_method(ServiceQuotasResponse, "get_service_quota", _get_service_quota)
