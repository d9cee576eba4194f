"""What stands in for Step Functions while plans are compared without AWS: botocore's own client asks it."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.keys import Keys
from ops.ci.validation import accept_workflows
from ops.core.target import Target

TARGET = Target(env="dev", region="eu-west-3", account_id="000000000000", offline=True)


def make_client(target: Target, keys: Keys) -> Any:
    arguments = {"region_name": target.region, **keys.arguments()}
    return boto3.client("stepfunctions", endpoint_url=target.environment()["AWS_ENDPOINT_URL_SFN"], **arguments)


def test_a_workflow_is_accepted_and_nothing_else_is_answered() -> None:
    with accept_workflows(TARGET) as target:
        client = make_client(target, target.keys)
        answer = client.validate_state_machine_definition(definition=json.dumps({"StartAt": "a"}))
        assert (answer["result"], answer["diagnostics"]) == ("OK", [])
        with pytest.raises(ClientError, match="AccessDenied"):
            client.list_state_machines()
        with pytest.raises(ClientError, match="AccessDenied"):
            make_client(target, Keys.new("AKIASOMEBODYELSE")).validate_state_machine_definition(definition="{}")
    assert "AWS_ENDPOINT_URL_SFN" not in TARGET.environment()
