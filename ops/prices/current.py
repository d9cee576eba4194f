"""The prices that a command counts with: of the Price List API when credentials allow, else of the dated table."""

import dataclasses
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.prices import pricelist
from ops.prices import table as prices

THREADS = 8
NOT_ASKED = "the dated table of this repository"


def find_current(region: str, types: Collection[str], *, ask: bool, client: Any = None) -> prices.Book:
    """The book for these types in a region; what AWS does not list keeps the table's figure and its date.

    Parameters
    ----------
    ask : whether there is an account to ask; the embedded AWS has no prices
    client : of the pricing API, instead of one with the credentials at hand
    """
    table = prices.table()
    if not ask or not types:
        return table
    try:
        return fetch_book(region, types, client or pricelist.connect(), table)
    except (ClientError, BotoCoreError, pricelist.PriceListError) as error:
        return dataclasses.replace(table, source=f"{NOT_ASKED}, because the Price List API gave none ({error})")


def fetch_book(region: str, types: Collection[str], client: Any, table: prices.Book) -> prices.Book:
    """The table with what AWS lists now.

    Raises
    ------
    PriceListError, ClientError, BotoCoreError
    """
    keys = [(kind, name) for name in sorted(types) for kind in ("ec2", "emr")]
    keys += [("service", item) for item in pricelist.ITEMS]
    queries = [getattr(pricelist, kind)(region, name) for kind, name in keys]
    with ThreadPoolExecutor(THREADS) as pool:
        listed = dict(zip(keys, pool.map(lambda query: pricelist.fetch_figure(client, query), queries), strict=True))
    instances, services = dict(table.instances), dict(table.services)
    shapes = {kind.type: kind for kind in table.instances.values()}  # a type is the same size everywhere
    for name in types:
        row = instances.get((region, name))
        renewed = renew_row(row, shapes.get(name), region, listed["ec2", name], listed["emr", name])
        if renewed is not None:
            instances[region, name] = renewed
    for item in pricelist.ITEMS:
        if (price := listed["service", item]) is not None:
            services[region, item] = prices.Service(price.usd, price.as_of)
    return prices.Book(instances, services, "the AWS Price List API (Spot from the dated table)")


def renew_row(
    row: prices.InstancePrice | None,
    shape: prices.InstancePrice | None,
    region: str,
    ec2: pricelist.Figure | None,
    emr: pricelist.Figure | None,
) -> prices.InstancePrice | None:
    """The row of a type with the prices that AWS lists; None where there is not enough for one.

    Parameters
    ----------
    row : the table's, for this region
    shape : the type's row of any region, for its size
    ec2, emr : what AWS lists
    """
    base = row or shape
    if base is None or ec2 is None or (row is None and emr is None):
        return None
    changes: dict[str, Any] = {"region": region, "ec2": ec2.usd, "ec2_as_of": ec2.as_of}
    if emr is not None:
        changes |= {"emr": emr.usd, "emr_as_of": emr.as_of}
    if row is None or row.spot_as_of == prices.INFERRED:  # the list has no Spot prices
        changes |= {"spot": prices.SPOT_SHARE * ec2.usd, "spot_as_of": prices.INFERRED}
    return dataclasses.replace(base, **changes)
