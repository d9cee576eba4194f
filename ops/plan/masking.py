"""Takes out of a text what must not be read in a pull request: account ids, keys, e-mail addresses, known secrets."""

import re
from collections.abc import Iterable

HIDDEN = "(sensitive)"
ACCOUNT = "************"

# 123456789012, also within arn:aws:iam::123456789012:role/x and fruits-dev-data-123456789012
_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
# 1234-5678-9012, as the console shows it
_DASHED = re.compile(r"(?<![0-9-])[0-9]{4}-[0-9]{4}-[0-9]{4}(?![0-9-])")
# AKIAIOSFODNN7EXAMPLE, ASIA…
_KEY_ID = re.compile(r"(?<![A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Z0-9])")
# ghp_…, github_pat_…, ghs_…
_TOKEN = re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")
# -----BEGIN RSA PRIVATE KEY----- … -----END RSA PRIVATE KEY-----, or its beginning alone
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
# owner@example.org
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

# password, db_password, secret_key, token: what a provider forgot to mark. token_type and kms_key_id are none.
SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passphrase|secret|secret_key|token|access_key|private_key|auth_key)$", re.IGNORECASE
)


def mask_text(text: str, *, secrets: Iterable[str] = (), accounts: Iterable[str] = ()) -> str:
    """A text without what must not be read.

    Parameters
    ----------
    secrets : values that Terraform calls sensitive; shorter ones than four characters are not looked for, because they
        stand in any text
    accounts : account ids, which are found within longer rows of digits too

    >>> mask_text("arn:aws:iam::123456789012:role/fruits-dev-123456789012, 1234-5678-9012, owner@example.org")
    'arn:aws:iam::************:role/fruits-dev-************, ************, (e-mail)'
    >>> mask_text("hunter22 at 9123456789012", secrets=["hunter22"], accounts=["123456789012"])
    '(sensitive) at 9************'
    """
    for secret in sorted({secret for secret in secrets if len(secret) >= 4}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for account in accounts:
        text = text.replace(account, ACCOUNT)
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _KEY_ID.sub(HIDDEN, text)
    text = _EMAIL.sub("(e-mail)", text)
    return _DASHED.sub(ACCOUNT, _ACCOUNT.sub(ACCOUNT, text))
