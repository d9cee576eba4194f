"""What is parsed once for all of a process stays as AWS wrote it."""

import boto3
from botocore.loaders import Loader


def read_path() -> str:
    description = Loader().load_service_model("s3", "service-2")
    path: str = description["operations"]["GetObject"]["http"]["requestUri"]
    return path


def test_a_client_of_s3_changes_no_path_but_its_own() -> None:
    """It takes the bucket out of them, and who reads them later, the emulator's router for one, finds none."""
    keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "x"}
    client = boto3.session.Session().client("s3", region_name="eu-west-3", **keys)
    assert "/b/k?" in client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert read_path() == "/{Bucket}/{Key+}"
