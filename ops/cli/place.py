"""Where a command works: the environment and region that its options name, and the account behind them."""

from collections.abc import Mapping

from localaws.keys import Keys
from ops.aws.account import Account, Place
from ops.cli.values import read_env
from ops.core.target import DEFAULT_REGION, INVENTED_KEYS


def read_place(environ: Mapping[str, str]) -> Place:
    """Where to work: ENV, REGION, and the embedded AWS that a shell was pointed at (`make env`)."""
    keys, endpoint = INVENTED_KEYS, environ.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        token = environ.get("AWS_SESSION_TOKEN") or None
        keys = Keys(environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", ""), token)
    region = environ.get("REGION") or environ.get("AWS_REGION") or DEFAULT_REGION
    return Place(
        env=read_env(environ), region=region, endpoint=endpoint, keys=keys, currency=environ.get("CURRENCY", "")
    )


def open_account(environ: Mapping[str, str]) -> Account:
    """The account that ENV and the credentials at hand mean."""
    return Account.at(read_place(environ))
