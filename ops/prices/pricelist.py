"""AWS's Price List API: what to ask it, and the one figure in what it answers.

The API is in few regions and has the prices of all; us-east-1 is asked. Each answer is a list of products as JSON text.
Sources: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html and
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-an-offer.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ops.core.errors import OperatorError

API_REGION = "us-east-1"
SOURCE = "A1"
"""The key of this source in the folder's README."""


class PriceListError(OperatorError):
    """The Price List answers something that cannot be one price; the message says what was asked."""


@dataclass(frozen=True)
class Figure:
    """A price in dollars, and the day on which AWS published the list that it stands in."""

    usd: Decimal
    as_of: str


@dataclass(frozen=True)
class TypeSize:
    """What a type is: vCPUs, memory in GiB, and x86_64 or arm64."""

    vcpu: int
    memory_gib: int
    architecture: str


@dataclass(frozen=True, kw_only=True)
class Query:
    """A question to the Price List.

    Attributes
    ----------
    service : service code
    filters : attributes that a product must have exactly
    usage : end of the usage type, after the region's own prefix
    times : units of ours in one of AWS's; a thousand requests where AWS prices one
    """

    service: str
    filters: Mapping[str, str]
    usage: str
    times: int = 1

    @property
    def arguments(self) -> dict[str, Any]:
        """What GetProducts is given."""
        filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in self.filters.items()]
        return {"ServiceCode": self.service, "Filters": filters, "FormatVersion": "aws_v1"}


def ec2(region: str, type_name: str) -> Query:
    """Linux on shared hardware, on demand."""
    filters = {
        "regionCode": region,
        "instanceType": type_name,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    return Query(service="AmazonEC2", filters=filters, usage=f"BoxUsage:{type_name}")


def emr(region: str, type_name: str) -> Query:
    """EMR's fee on EC2."""
    filters = {"regionCode": region, "instanceType": type_name, "softwareType": "EMR"}
    return Query(service="ElasticMapReduce", filters=filters, usage=f"BoxUsage:{type_name}")


_ITEMS: Mapping[str, tuple[str, Mapping[str, str], str, int]] = {
    "ebs_gp3": ("AmazonEC2", {"productFamily": "Storage", "volumeApiName": "gp3"}, "EBS:VolumeUsage.gp3", 1),
    "s3_standard": ("AmazonS3", {"productFamily": "Storage", "volumeType": "Standard"}, "TimedStorage-ByteHrs", 1),
    "s3_put": ("AmazonS3", {"group": "S3-API-Tier1"}, "Requests-Tier1", 1000),
    "s3_get": ("AmazonS3", {"group": "S3-API-Tier2"}, "Requests-Tier2", 1000),
    "nat_gateway": ("AmazonEC2", {"productFamily": "NAT Gateway"}, "NatGateway-Hours", 1),
    "interface_endpoint": ("AmazonVPC", {"productFamily": "VpcEndpoint"}, "VpcEndpoint-Hours", 1),
    "public_ipv4": ("AmazonVPC", {"group": "VPCPublicIPv4Address"}, "PublicIPv4:InUseAddress", 1),
}
ITEMS = tuple(_ITEMS)
"""What services.csv has rows of."""
UNITS = {"ebs_gp3": "GB-month", "s3_standard": "GB-month", "s3_put": "1000", "s3_get": "1000"}
"""Other than an hour."""


def service(region: str, item: str) -> Query:
    """An item of services.csv."""
    code, filters, usage, times = _ITEMS[item]
    return Query(service=code, filters={"regionCode": region, **filters}, usage=usage, times=times)


def has_usage(usage_type: str, name: str) -> bool:
    """Whether a usage type is the one wanted, in any region.

    >>> has_usage("EUW3-BoxUsage:m5.xlarge", "BoxUsage:m5.xlarge"), has_usage("NatGateway-Hours", "NatGateway-Hours")
    (True, True)
    >>> has_usage("EUW3-UnusedBox:m5.xlarge", "BoxUsage:m5.xlarge")
    False
    """
    return bool(re.fullmatch(rf"(?:[A-Z0-9]+-)?{re.escape(name)}", usage_type))


def read_prices(product: Mapping[str, Any]) -> set[Decimal]:
    """The on-demand dollars of a product's first tier; nothing that is free."""
    amounts = set()
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = Decimal(dimension["pricePerUnit"].get("USD", "0"))
            if usd and dimension.get("beginRange", "0") == "0":
                amounts.add(usd)
    return amounts


def parse_figure(texts: Iterable[str], query: Query) -> Figure | None:
    """The one price in an answer; None where it has none.

    Raises
    ------
    PriceListError : products that fit have different prices: one of them would be the wrong one
    """
    figures, days = set(), []
    for text in texts:
        product = json.loads(text)
        if has_usage(product["product"]["attributes"].get("usagetype", ""), query.usage):
            figures |= read_prices(product)
            days.append(str(product["publicationDate"])[:10])
    if len(figures) > 1:
        amounts = ", ".join(str(usd) for usd in sorted(figures))
        raise PriceListError(f"the Price List has several prices of {query.usage} in {query.filters}: {amounts}")
    return Figure(figures.pop() * query.times, max(days)) if figures else None


def parse_type_size(texts: Iterable[str], query: Query) -> TypeSize | None:
    """What the products that fit a question say of a type; None where none does.

    Raises
    ------
    PriceListError : their size is not a whole number of vCPUs and GiB
    """
    for text in texts:
        attributes = json.loads(text)["product"]["attributes"]
        if has_usage(attributes.get("usagetype", ""), query.usage):
            memory = re.fullmatch(r"([\d,]+)(?:\.0+)? GiB", attributes.get("memory", ""))
            if memory is None or not attributes.get("vcpu", "").isdigit():
                raise PriceListError(f"the Price List gives no whole vCPUs and GiB for {query.filters}")
            arm = "Graviton" in attributes.get("physicalProcessor", "")
            gib = int(memory[1].replace(",", ""))
            return TypeSize(int(attributes["vcpu"]), gib, "arm64" if arm else "x86_64")
    return None


def fetch_products(client: Any, query: Query) -> list[str]:
    """Every product that AWS lists for a question, as JSON text.

    Raises
    ------
    ClientError, BotoCoreError
    """
    pages = client.get_paginator("get_products").paginate(**query.arguments)
    return [text for page in pages for text in page["PriceList"]]


def fetch_figure(client: Any, query: Query) -> Figure | None:
    """The price that AWS lists now; None where it lists none.

    Raises
    ------
    PriceListError, ClientError, BotoCoreError
    """
    return parse_figure(fetch_products(client, query), query)


def connect() -> Any:
    """A client of the API, as the credentials at hand."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 4, "mode": "standard"})
    return boto3.client("pricing", region_name=API_REGION, config=config)
