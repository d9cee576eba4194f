"""What a user makes in a Studio domain: it keeps the domain from going, it is found, stopped and closed. Seconds."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.aws.studio import describe_app, find_domain, list_apps
from ops.core.errors import OperatorError
from ops.core.target import Target
from ops.cost.leftovers import Lister
from ops.lifecycle import studio
from ops.prices import table as prices
from tests.localaws.support import REGION, Aws, make_world

pytestmark = pytest.mark.aws

SMALL = {"InstanceType": "ml.t3.medium"}


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture
def domain(aws: Aws) -> Iterator[str]:
    world, sagemaker = make_world(aws), aws.client("sagemaker")
    made = sagemaker.create_domain(
        DomainName="fruits-dev",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": "arn:aws:iam::123456789012:role/studio"},
        SubnetIds=[world.subnet],
        VpcId=world.vpc,
    )
    domain = str(made["DomainId"])
    sagemaker.create_user_profile(DomainId=domain, UserProfileName="ana")
    yield domain
    studio.close_domain(sagemaker, domain, pause=0)
    if sagemaker.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]:
        sagemaker.delete_user_profile(DomainId=domain, UserProfileName="ana")
        sagemaker.delete_domain(DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})


def open_notebook(aws: Aws, domain: str, space: str = "mine") -> None:
    """As the user does in Studio's page: a private space, JupyterLab in it."""
    sagemaker = aws.client("sagemaker")
    sagemaker.create_space(
        DomainId=domain,
        SpaceName=space,
        OwnershipSettings={"OwnerUserProfileName": "ana"},
        SpaceSharingSettings={"SharingType": "Private"},
        SpaceSettings={"AppType": "JupyterLab"},
    )
    sagemaker.create_app(DomainId=domain, SpaceName=space, AppType="JupyterLab", AppName="default", ResourceSpec=SMALL)


def test_a_user_with_a_space_and_a_space_with_an_app_cannot_go(aws: Aws, domain: str) -> None:
    sagemaker = aws.client("sagemaker")
    open_notebook(aws, domain)
    for call, names in (("delete_user_profile", {"UserProfileName": "ana"}), ("delete_space", {"SpaceName": "mine"})):
        with pytest.raises(ClientError) as error:
            getattr(sagemaker, call)(DomainId=domain, **names)
        assert refusal(error) == "ResourceInUse"
    found = sagemaker.describe_space(DomainId=domain, SpaceName="mine")
    assert (found["Status"], found["OwnershipSettings"]) == ("InService", {"OwnerUserProfileName": "ana"})


def test_a_stopped_app_is_still_listed_and_its_space_stays(aws: Aws, domain: str) -> None:
    sagemaker = aws.client("sagemaker")
    open_notebook(aws, domain)
    assert [describe_app(app) for app in list_apps(sagemaker, domain)] == ["JupyterLab of mine (ml.t3.medium)"]
    said: list[str] = []
    assert studio.stop_apps(sagemaker, domain, say=said.append, pause=0) == ["JupyterLab of mine (ml.t3.medium)"]
    assert said == ["waiting until SageMaker has stopped JupyterLab of mine (ml.t3.medium)"]
    assert [app["Status"] for app in sagemaker.list_apps(DomainIdEquals=domain)["Apps"]] == ["Deleted"]
    assert studio.stop_apps(sagemaker, domain, pause=0) == []
    assert [space["SpaceName"] for space in sagemaker.list_spaces(DomainIdEquals=domain)["Spaces"]] == ["mine"]
    # the same name again, as Studio's Run button does
    sagemaker.create_app(DomainId=domain, SpaceName="mine", AppType="JupyterLab", AppName="default", ResourceSpec=SMALL)
    assert len(list_apps(sagemaker, domain)) == 1


def test_closing_leaves_what_can_be_deleted_and_another_domain_alone(aws: Aws, domain: str) -> None:
    sagemaker = aws.client("sagemaker")
    open_notebook(aws, domain)
    open_notebook(aws, domain, "second")
    assert find_domain(sagemaker, "fruits-prod") is None
    assert find_domain(sagemaker, "fruits-dev") == domain
    assert studio.close_domain(sagemaker, "d-other", pause=0) == []
    assert sorted(studio.close_domain(sagemaker, domain, pause=0)) == ["mine", "second"]
    sagemaker.delete_user_profile(DomainId=domain, UserProfileName="ana")
    sagemaker.delete_domain(DomainId=domain)


def test_billing_says_what_runs_in_the_domain(aws: Aws, domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"AWS_ENDPOINT_URL": aws.endpoint, **aws.keys.environment()}.items():
        monkeypatch.setenv(name, value)
    account = Account(Target(env="dev", region=REGION, account_id="123456789012", endpoint=aws.endpoint, keys=aws.keys))

    def about() -> list[str]:
        return [item.about for item in Lister(account, prices.table()).domains()]

    assert about() == ["InService; nothing runs in it; its file system bills by the month"]
    open_notebook(aws, domain)
    running = "JupyterLab of mine (ml.t3.medium)"
    assert about() == [f"InService; runs {running} (make studio-stop ends it); its file system bills by the month"]


def test_what_does_not_stop_is_named(aws: Aws, domain: str) -> None:
    open_notebook(aws, domain)
    with pytest.raises(OperatorError, match=r"^still running in Studio: JupyterLab of mine .* Fix: make studio-stop"):
        studio.stop_apps(aws.client("sagemaker"), domain, patience=0, pause=0)


def test_the_way_in_is_for_a_user_that_is_there_and_short(aws: Aws, domain: str) -> None:
    sagemaker = aws.client("sagemaker")
    address = urllib.parse.urlsplit(studio.make_address(sagemaker, domain, "ana"))
    assert (address.hostname, address.path) == (f"{domain}.studio.eu-west-3.sagemaker.aws", "/auth")
    assert address.query.startswith("token=")
    assert address.query != urllib.parse.urlsplit(studio.make_address(sagemaker, domain, "ana")).query
    for given, code in (({"UserProfileName": "bob"}, "ResourceNotFound"), ({"ExpiresInSeconds": 301}, None)):
        with pytest.raises(ClientError) as error:
            sagemaker.create_presigned_domain_url(**{"DomainId": domain, "UserProfileName": "ana"} | given)
        assert refusal(error) == (code or "ValidationException")


def test_an_app_belongs_to_a_space_or_to_a_user(aws: Aws, domain: str) -> None:
    with pytest.raises(ClientError) as error:
        aws.client("sagemaker").create_app(DomainId=domain, AppType="JupyterLab", AppName="default")
    assert refusal(error) == "ValidationException"
