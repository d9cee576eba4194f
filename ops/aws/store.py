"""S3 as the operator's tools read it: signed as boto3 signs, so that one identity is all that is needed.

pyarrow has a chain of credentials of its own, which knows neither a profile that assumes a role nor `aws login`. It is
handed the keys of boto3's chain, and handed them anew when they were renewed: a watch may last longer than they do.
"""

from collections.abc import Mapping
from typing import Any, Self

from fruits.store import Store, make_s3_options

SCHEMES = ("s3", "s3a", "s3n")


class SignedStore(Store):
    """The files below one URI; those in S3 as whoever boto3 takes this process for.

    Parameters
    ----------
    uri : as `Store` takes it
    session : of boto3; None makes one from the environment
    variables : where S3 is, as AWS's own variables say it; None takes the process's
    """

    def __init__(self, uri: str, session: Any = None, variables: Mapping[str, str] | None = None) -> None:
        super().__init__(uri)
        self._keys: Any = None
        self._signed: Any = None
        self._session, self._variables = session, variables

    @property
    def fs(self) -> Any:
        """The `pyarrow.fs.FileSystem` behind it, with keys that hold."""
        if self.scheme not in SCHEMES or (source := self._credentials()) is None:
            return super().fs
        keys = source.get_frozen_credentials()  # renewed by botocore where they end soon
        if keys != self._keys:
            from pyarrow import fs

            options = {"access_key": keys.access_key, "secret_key": keys.secret_key, "session_token": keys.token}
            options = {name: value for name, value in options.items() if value}
            options |= make_s3_options(self.authority, self._variables)
            self._signed, self._keys = fs.S3FileSystem(**options), keys
        return self._signed

    def child(self, key: str) -> Self:
        return type(self)(f"{self.uri}/{key}", self._session, self._variables)

    def _credentials(self) -> Any:
        if self._session is None:
            import boto3

            self._session = boto3.session.Session()
        return self._session.get_credentials()
