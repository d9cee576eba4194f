"""What a refusal of AWS means, and what to do about it."""

from __future__ import annotations

from botocore.exceptions import ClientError

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")


def is_denied(error: ClientError) -> bool:
    """Whether the credentials lack a right."""
    return str(error.response["Error"].get("Code", "")) in _DENIED


def why_not(error: Exception) -> tuple[str, str]:
    """What AWS's refusal means, and what to do."""
    if isinstance(error, ClientError):
        told = error.response["Error"]
        code, message = str(told.get("Code", "")), str(told.get("Message", ""))
        if is_denied(error):
            return f"{error.operation_name} is not allowed ({code})", "the policies of infra/operators give this right."
        return f"{error.operation_name} answers {code} {message}".strip(), "run it again; look at the message."
    return " ".join(str(error).split()), "look at the network, or run it again."
