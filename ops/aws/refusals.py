"""What a refusal of AWS means, and what to do about it."""

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from ops.core.errors import LOGIN, ExitCode

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden")
_UNKNOWN = ("InvalidRequestException", "ValidationException")
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and botocore's own
_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "UnrecognizedClientException",
    "InvalidToken",
    "AuthFailure",
)
# botocore's `standard` retry mode knows the same
_THROTTLED = (
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
    "InternalFailure",
    "503",
    "500",
)
_NETWORK = (
    boto.HTTPClientError,  # EndpointConnectionError, timeouts, proxies, TLS
    boto.ConnectionError,
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,  # SSO's cached token is too old
    boto.UnauthorizedSSOTokenError,
    boto.SSOTokenLoadError,
    boto.ProfileNotFound,
)


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_denied(error: BaseException) -> bool:
    """Whether the credentials lack a right."""
    return _code(error) in _DENIED


def is_unknown(error: BaseException) -> bool:
    """Whether EMR does not know the cluster or the step that it was asked for."""
    return _code(error) in _UNKNOWN


def is_expired(error: BaseException) -> bool:
    """Whether there are no credentials, or AWS does not accept them any more."""
    if isinstance(error, ClientError) and error.operation_name.startswith("Head") and _code(error) == "400":
        return True  # the answer to a HEAD has no body that could name it (boto/boto#2916)
    return isinstance(error, _NO_CREDENTIALS) or _code(error) in _EXPIRED


def is_throttled(error: BaseException) -> bool:
    """Whether AWS is throttling calls, or has a trouble of its own that passes."""
    return _code(error) in _THROTTLED


def is_network(error: BaseException) -> bool:
    """Whether AWS was not reached at all."""
    return isinstance(error, _NETWORK) and not isinstance(error, _NO_CREDENTIALS)


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later: a lost network, a throttled call, a session to be renewed."""
    return is_network(error) or is_throttled(error) or is_expired(error)


def describe_refusal(error: Exception) -> tuple[str, str]:
    """What AWS's refusal means, and what to do."""
    text = flatten_error(error)
    if is_expired(error):
        return f"AWS does not accept these credentials any more ({text})", LOGIN
    if is_network(error):
        return f"AWS cannot be reached ({text})", "check the network, then run the command again."
    if is_throttled(error):
        return f"AWS is throttling calls ({text})", "wait a minute, then run the command again."
    if not isinstance(error, ClientError):
        return f"AWS was not asked: {text}", "read the message, then run the command again."
    code = _code(error)
    if code == "NoSuchBucket":
        bucket = error.response["Error"].get("BucketName")
        missing = f"there is no bucket {bucket}" if bucket else "there is no such bucket"
        return missing, "check the address; make apply creates the environment's own."
    if is_denied(error):
        return f"{error.operation_name} is not allowed ({code})", "the policies of infra/operators give this right."
    message = error.response["Error"].get("Message", "")
    return f"{error.operation_name} answers {code} {message}".strip(), "read the message, then run the command again."


def explain_refusal(error: Exception) -> tuple[str, int]:
    """A failure of a call to AWS as the sentence that a user reads, and the exit code."""
    meaning, fix = describe_refusal(error)
    exit_code = ExitCode.NOT_APPLIED if _code(error) == "NoSuchBucket" else ExitCode.FAILED
    if is_expired(error) or is_denied(error):
        exit_code = ExitCode.CREDENTIALS
    return f"{meaning}. Fix: {fix}", exit_code


def flatten_error(error: BaseException) -> str:
    """An error's words without line breaks and full stop."""
    return " ".join(str(error).split()).rstrip(".")
