"""The calls that Terraform's provider makes and moto lacks or answers wrongly, through boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localaws.support import REGION, Aws, allow, make_world, trust

pytestmark = pytest.mark.aws
ACCOUNT = "123456789012"


def refusal(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


# -- S3 -----------------------------------------------------------------------------------------------------------
def test_lifecycle_rules_come_back_whole(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    rules: list[dict[str, Any]] = [
        {
            "ID": "versions",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "a/", "ObjectSizeGreaterThan": 128}},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 7, "NewerNoncurrentVersions": 3},
        },
        {"ID": "big", "Status": "Enabled", "Filter": {"ObjectSizeLessThan": 99}, "Expiration": {"Days": 3}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules


def test_a_bucket_that_refuses_plain_http_is_open_to_its_owner(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    policy = {
        "Version": "2012-10-17",
        "Statement": [deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    closed = {"Version": "2012-10-17", "Statement": [deny | {"Action": "s3:PutObject"}]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(closed))
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    assert refusal(error) == "AccessDenied"


def test_access_logging_with_a_policy_for_everybody(aws: Aws) -> None:
    s3, source, target = aws.client("s3"), aws.bucket(), aws.bucket()
    statements = [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:DeleteBucket",
            "Resource": f"arn:aws:s3:::{target}",
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{target}/*",
        },
    ]
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    logging = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "x/"}}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=logging)
    assert s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]["TargetBucket"] == target


def test_markers_of_a_bucket_whose_versioning_was_suspended_can_be_deleted(aws: Aws) -> None:
    s3, bucket = aws.client("s3"), aws.bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    found = s3.list_object_versions(Bucket=bucket)
    for item in [*found["Versions"], *found["DeleteMarkers"]]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=item["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def test_a_role_does_in_s3_what_its_policies_say(aws: Aws) -> None:
    world = make_world(aws)
    owner, other = world.s3, aws.bucket("other")
    for bucket, key in ((world.code, "in/a.jpg"), (world.code, "out/old"), (other, "secret")):
        owner.put_object(Bucket=bucket, Key=key, Body=b"1")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{world.profile}"
    keys = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="node")["Credentials"]
    node = aws.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert node.get_object(Bucket=world.code, Key="in/a.jpg")["Body"].read() == b"1"
    assert node.list_objects_v2(Bucket=world.code)["KeyCount"] == 2
    node.put_object(Bucket=world.code, Key="out/new", Body=b"2")
    copied = {"Bucket": world.code, "Key": "in/a.jpg"}
    node.copy_object(Bucket=world.code, Key="out/copy", CopySource=copied)

    forbidden = {
        "reading another bucket": lambda: node.get_object(Bucket=other, Key="secret"),
        "listing another bucket": lambda: node.list_objects_v2(Bucket=other),
        "deleting an image": lambda: node.delete_object(Bucket=world.code, Key="in/a.jpg"),
        "writing an image": lambda: node.put_object(Bucket=world.code, Key="in/b.jpg", Body=b"3"),
        "copying from elsewhere": lambda: node.copy_object(
            Bucket=world.code, Key="out/x", CopySource={"Bucket": other, "Key": "secret"}
        ),
    }
    for what, call in forbidden.items():
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == "AccessDenied", what

    both = {"Objects": [{"Key": "out/old"}, {"Key": "in/a.jpg"}]}
    answer = node.delete_objects(Bucket=world.code, Delete=both)
    assert [d["Key"] for d in answer["Deleted"]] == ["out/old"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("in/a.jpg", "AccessDenied")]
    assert owner.head_object(Bucket=world.code, Key="in/a.jpg")["ContentLength"] == 1
    for number in range(20):  # the server's threads serve both callers by turns: none inherits the other's rights
        node.get_object(Bucket=world.code, Key="in/a.jpg")
        owner.put_object(Bucket=other, Key=f"mine-{number}", Body=b"")
        owner.delete_object(Bucket=other, Key=f"mine-{number}")


def test_a_boundary_limits_a_role_and_a_prefix_condition_its_listing(aws: Aws) -> None:
    iam, bucket = aws.client("iam"), aws.bucket()
    boundary = iam.create_policy(
        PolicyName=f"boundary-{bucket}", PolicyDocument=allow("s3:List*", on=[f"arn:aws:s3:::{bucket}"])
    )["Policy"]["Arn"]
    name = f"bounded-{bucket}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"), PermissionsBoundary=boundary)
    only = {"Condition": {"StringLike": {"s3:prefix": ["in/*"]}}}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="p",
        PolicyDocument=allow("s3:*", on=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], **only),
    )
    keys = aws.client("sts").assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="session")[
        "Credentials"
    ]
    s3 = aws.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert s3.list_objects_v2(Bucket=bucket, Prefix="in/a")["KeyCount"] == 0
    for call in (
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix="out/"),
        lambda: s3.put_object(Bucket=bucket, Key="in/a", Body=b""),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == "AccessDenied"


# -- EC2 ----------------------------------------
def test_what_is_in_use_cannot_be_deleted(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")
    endpoint = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=world.vpc,
        ServiceName=f"com.amazonaws.{REGION}.elasticmapreduce",
        SubnetIds=[world.subnet],
        SecurityGroupIds=[world.groups[2]],
    )["VpcEndpoint"]["VpcEndpointId"]
    rule = {
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 2,
        "UserIdGroupPairs": [{"GroupId": world.groups[0]}],
    }
    ec2.authorize_security_group_ingress(GroupId=world.groups[1], IpPermissions=[rule])

    def deletions() -> list[Any]:
        return [
            lambda: ec2.delete_subnet(SubnetId=world.subnet),
            lambda: ec2.delete_security_group(GroupId=world.groups[2]),
            lambda: ec2.delete_security_group(GroupId=world.groups[0]),
            lambda: ec2.delete_vpc(VpcId=world.vpc),
        ]

    for call in deletions():
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == "DependencyViolation"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    ec2.revoke_security_group_ingress(GroupId=world.groups[1], IpPermissions=[rule])
    ec2.delete_security_group(GroupId=world.groups[1])
    for call in deletions():
        call()


def test_a_nat_gateway_holds_its_subnet_until_it_is_deleted(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")
    gateway = ec2.create_nat_gateway(SubnetId=world.subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    with pytest.raises(ClientError) as error:
        ec2.delete_subnet(SubnetId=world.subnet)
    assert refusal(error) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    ec2.delete_subnet(SubnetId=world.subnet)


def test_rules_about_groups_and_prefix_lists_keep_their_descriptions(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")
    lists = ec2.describe_managed_prefix_lists()["PrefixLists"]
    s3 = next(found["PrefixListId"] for found in lists if found["PrefixListName"].endswith(".s3"))
    base = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    rules = {
        "to a group": {"UserIdGroupPairs": [{"GroupId": world.groups[0], "Description": "to a group"}]},
        "to a list": {"PrefixListIds": [{"PrefixListId": s3, "Description": "to a list"}]},
        "to an address": {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "to an address"}]},
    }
    for description, rule in rules.items():
        made = ec2.authorize_security_group_egress(GroupId=world.groups[1], IpPermissions=[base | rule])
        assert [r["Description"] for r in made["SecurityGroupRules"]] == [description]
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [world.groups[1]]}])
    assert {r.get("Description") for r in found["SecurityGroupRules"]} >= set(rules)


def test_revoking_an_unknown_rule_id_has_its_own_code(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")
    with pytest.raises(ClientError) as error:
        ec2.revoke_security_group_ingress(GroupId=world.groups[0], SecurityGroupRuleIds=["sgr-0123456789abcdef0"])
    assert refusal(error) == "InvalidSecurityGroupRuleId.NotFound"


def test_spot_prices_are_filtered_by_zone(aws: Aws) -> None:
    history = aws.client("ec2").describe_spot_price_history(
        InstanceTypes=["m5.xlarge"], ProductDescriptions=["Linux/UNIX"], AvailabilityZone=f"{REGION}a"
    )["SpotPriceHistory"]
    assert [(h["AvailabilityZone"], h["ProductDescription"]) for h in history] == [(f"{REGION}a", "Linux/UNIX")]
    assert float(history[0]["SpotPrice"]) > 0


# -- Budgets ----------------------------------------
def test_a_budget_with_alerts_and_tags(aws: Aws) -> None:
    budgets = aws.client("budgets")
    alert = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
    me, you = ({"SubscriptionType": "EMAIL", "Address": f"{n}@example.org"} for n in ("me", "you"))
    budget = {
        "BudgetName": "month",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "20", "Unit": "USD"},
    }
    budgets.create_budget(
        AccountId=ACCOUNT,
        Budget=budget,
        NotificationsWithSubscribers=[{"Notification": alert, "Subscribers": [me]}],
        ResourceTags=[{"Key": "project", "Value": "fruits"}],
    )
    where = {"AccountId": ACCOUNT, "BudgetName": "month"}
    budgets.create_subscriber(**where, Notification=alert, Subscriber=you)
    assert budgets.describe_subscribers_for_notification(**where, Notification=alert)["Subscribers"] == [
        me,
        you,
    ]
    budgets.delete_subscriber(**where, Notification=alert, Subscriber=me)
    assert budgets.describe_subscribers_for_notification(**where, Notification=alert)["Subscribers"] == [you]
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=budget | {"BudgetLimit": {"Amount": "30", "Unit": "USD"}})
    assert budgets.describe_budget(**where)["Budget"]["BudgetLimit"]["Amount"] == "30"
    arn = f"arn:aws:budgets::{ACCOUNT}:budget/month"
    budgets.tag_resource(ResourceARN=arn, ResourceTags=[{"Key": "env", "Value": "local"}])
    budgets.untag_resource(ResourceARN=arn, ResourceTagKeys=["project"])
    assert budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"] == [{"Key": "env", "Value": "local"}]
    with pytest.raises(ClientError) as error:
        budgets.describe_subscribers_for_notification(**where | {"BudgetName": "none"}, Notification=alert)
    assert refusal(error) == "NotFoundException"
    budgets.delete_budget(**where)


# -- SageMaker ----------------------------------------
def test_a_studio_domain_and_its_user(aws: Aws) -> None:
    studio, world = aws.client("sagemaker"), make_world(aws)
    settings = {"ExecutionRole": f"arn:aws:iam::{ACCOUNT}:role/studio"}
    made = studio.create_domain(
        DomainName="fruits",
        AuthMode="IAM",
        DefaultUserSettings=settings,
        SubnetIds=[world.subnet],
        VpcId=world.vpc,
        AppNetworkAccessType="VpcOnly",
        Tags=[{"Key": "a", "Value": "1"}],
    )
    domain = made["DomainId"]
    found = studio.describe_domain(DomainId=domain)
    assert (found["Status"], found["AppNetworkAccessType"], found["SubnetIds"]) == (
        "InService",
        "VpcOnly",
        [world.subnet],
    )
    user = studio.create_user_profile(DomainId=domain, UserProfileName="ana", UserSettings=settings)["UserProfileArn"]
    assert studio.describe_user_profile(DomainId=domain, UserProfileName="ana")["UserProfileArn"] == user
    assert [p["UserProfileName"] for p in studio.list_user_profiles(DomainIdEquals=domain)["UserProfiles"]] == ["ana"]
    studio.update_user_profile(DomainId=domain, UserProfileName="ana", UserSettings={"SecurityGroups": ["sg-1"]})
    assert studio.describe_user_profile(DomainId=domain, UserProfileName="ana")["UserSettings"] == {
        "SecurityGroups": ["sg-1"]
    }
    studio.add_tags(ResourceArn=made["DomainArn"], Tags=[{"Key": "b", "Value": "2"}])
    studio.delete_tags(ResourceArn=made["DomainArn"], TagKeys=["a"])
    assert studio.list_tags(ResourceArn=made["DomainArn"])["Tags"] == [{"Key": "b", "Value": "2"}]
    with pytest.raises(ClientError) as error:
        studio.delete_domain(DomainId=domain)
    assert refusal(error) == "ResourceInUse"
    studio.delete_user_profile(DomainId=domain, UserProfileName="ana")
    studio.update_domain(DomainId=domain, DefaultUserSettings=settings)
    studio.delete_domain(DomainId=domain)
    for call in (
        lambda: studio.describe_domain(DomainId=domain),
        lambda: studio.describe_user_profile(DomainId=domain, UserProfileName="ana"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert refusal(error) == "ResourceNotFound"
    assert studio.list_domains()["Domains"] == []
