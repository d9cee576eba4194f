"""The keys of one start of the embedded AWS: an access key that names its holder, and a random secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

OPERATOR = "AKIALOCALAWSOPERATOR"
"""Access key of the account's owner, for the clients of this machine's user."""
SERVICE = "AKIALOCALAWSSERVICES"
"""Access key with which the embedded services call each other; its secret never leaves the server's process."""


@dataclass(frozen=True)
class Keys:
    """What a client signs its calls with.

    Attributes
    ----------
    access_key : names the holder; no secret
    secret_key : known to the server and to whoever may read the state file
    session_token : of temporary keys only
    """

    access_key: str
    secret_key: str
    session_token: str | None = None

    @classmethod
    def new(cls, access_key: str) -> Keys:
        """Keys of this holder with a secret of 160 random bits."""
        return cls(access_key, secrets.token_hex(20))

    def __repr__(self) -> str:
        return f"Keys({self.access_key!r}, …)"

    def environment(self) -> dict[str, str]:
        """The variables that every AWS client reads."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            **({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {}),
        }

    def arguments(self) -> dict[str, str]:
        """The keyword arguments of a boto3 session or client."""
        return {name.lower(): value for name, value in self.environment().items()}
