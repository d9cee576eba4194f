"""What the account must give: known credentials, a region, vCPUs, types, a release, names, and a clock that agrees."""

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError
from fruits.wording import format_count

from ops.aws.describe import list_pages
from ops.aws.refusals import is_passing, is_throttled
from ops.core.target import PROJECT
from ops.doctor.finding import Finding, attempt, failure, ok, unchecked, warning
from ops.doctor.requirements import ClusterNeeds, count_needed_vcpus, list_vcpus
from ops.job import wheelhouse
from ops.prices import table as prices

QUOTAS = {"ON_DEMAND": ("on demand", "L-1216C47A"), "SPOT": ("on Spot", "L-34B43A08")}
"""EC2's quotas of vCPUs for the standard families (A, C, D, H, I, M, R, T, Z), to which all types of ours belong."""
STANDARD = tuple("acdhimrtz")
WARN_SKEW, MOST_SKEW = 60.0, 300.0
"""Seconds; AWS refuses a signature that is more than five minutes off (S3: fifteen)."""
SUPPORT_DAYS = 90


# ------------------------------------------------------------------------------------- pure: values in, findings out


def judge_identity(arn: str, account: str) -> Finding:
    """Who the credentials are."""
    if arn.endswith(":root"):
        return warning(
            "credentials",
            f"{arn}: the root user may do everything and cannot be limited",
            "work as a user of the operators' group (infra/operators).",
        )
    return ok("credentials", f"{arn} in account {account}")


def judge_region(name: str, *, european: Sequence[str], known: Sequence[str], priced: Sequence[str]) -> Finding:
    """Whether the region exists, is European, and has prices in the table."""
    if name not in known:
        return failure("region", f"AWS has no region {name}", f"REGION=one of {', '.join(european)}.")
    if name not in european:
        cure = f"REGION=one of {', '.join(european)}; or allow_non_eu = true, if your images may leave it."
        return failure("region", f"{name} is outside the European Union, and the plan refuses it", cure)
    if name not in priced:
        cure = f"none is needed with pricing:GetProducts; in the table are {', '.join(priced)}."
        return warning("region", f"{name} has no prices in the dated table", cure)
    return ok("region", f"{name}, in the European Union")


def judge_clock(skew: float | None, *, emulated: bool) -> Finding:
    """Seconds that this clock is ahead of AWS's."""
    if emulated:
        return unchecked("clock", "the embedded AWS runs on this machine's clock")
    if skew is None:
        return unchecked("clock", "AWS's answer has no time")
    about = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS's"
    cure = "set it by network time (timedatectl set-ntp true)."
    if abs(skew) >= MOST_SKEW:
        return failure("clock", f"{about}: AWS refuses signatures more than five minutes off", cure)
    return warning("clock", about, cure) if abs(skew) >= WARN_SKEW else ok("clock", about)


def judge_quota(market: str, *, need: int, quota: float, used: int, region: str) -> Finding:
    """Whether the vCPUs of one market are within the account's quota, beside what others use of it."""
    about, code = QUOTAS[market]
    name = f"vCPUs {about}"
    free = int(quota) - used
    others = f", of which others use {used}" if used else ""
    if need <= free:
        return ok(name, f"{need} of a quota of {quota:.0f}{others}")
    cure = (
        f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {code} "
        f"--desired-value {need + used} --region {region} (hours to days); or a smaller cluster."
    )
    return failure(name, f"{need} needed, and the quota is {quota:.0f}{others}", cure)


def judge_offerings(fleets: Sequence[prices.Fleet], offered: Mapping[str, Set[str]]) -> Finding:
    """Whether a zone has a type of each fleet; ``offered`` is what each zone has of the types asked for.

    EMR starts a cluster in one of the subnets' zones; a zone that lacks every type of a fleet cannot be it.
    """
    types = sorted({name for fleet in fleets for name in fleet.types})
    whole = [zone for zone, has in offered.items() if all(has & set(fleet.types) for fleet in fleets)]
    lacking = {zone: [name for name in types if name not in has] for zone, has in offered.items()}
    lacks = "; ".join(f"{zone} lacks {', '.join(names)}" for zone, names in lacking.items() if names)
    zones = ", ".join(offered)
    if not whole:
        cure = "other types (infra/env), or another REGION=."
        return failure("types", f"no zone has a type of every fleet: {lacks}", cure)
    if lacks:
        cure = f"none is needed: EMR can start in {', '.join(whole)}; more zones give more chances."
        return warning("types", f"not all zones have all types: {lacks}", cure)
    return ok("types", f"{', '.join(types)} in {zones}")


def judge_release(label: str, *, known: bool, end: str | None, today: date) -> Finding:
    """Whether EMR has the release in this region, and supports it for some time."""
    if not known:
        return failure("release", f"EMR has no {label} in this region", "release_label = another, or another REGION=.")
    if end is None:
        why = f"the end of {label}'s support is not in releases.json"
        return unchecked("release", why, "release_end_of_support =.")
    days = (date.fromisoformat(end) - today).days
    if days < 0:
        return failure("release", f"{label} has had no support since {end}", "release_label = a newer one.")
    if days < SUPPORT_DAYS:
        return warning(
            "release", f"{label} is supported for {format_count(days, 'more day')}, until {end}", "upgrade soon."
        )
    return ok("release", f"{label}, supported until {end}")


def judge_public_access(blocked: bool | None, region: str) -> Finding:
    """EMR's own refusal of groups that are open to the world."""
    if blocked is None:
        return unchecked("public access", "EMR does not say whether it blocks it")
    if blocked:
        return ok("public access", "EMR refuses clusters whose groups are open to the world")
    cure = (
        f"aws emr put-block-public-access-configuration --region {region} "
        "--block-public-access-configuration BlockPublicSecurityGroupRules=true"
    )
    return warning("public access", "EMR's block public access is off in this region (our groups are closed)", cure)


def judge_bucket(name: str, *, lies_in: str | None, foreign: str, region: str, applied: bool, env: str) -> Finding:
    """Whether a bucket's name can be used.

    Parameters
    ----------
    lies_in : region of the account's own bucket of this name; None where there is none
    foreign : S3's code, where it is there and not to be seen
    applied : the storage stack knows it
    """
    if foreign:
        cure = "another project name (TF variable project), or credentials that may see it."
        return failure("bucket", f"{name} is another account's, or these credentials may not see it ({foreign})", cure)
    if lies_in is None:
        if applied:
            cure = f"make apply ENV={env} makes it again."
            return failure("bucket", f"{name} is in the storage stack's state and not in S3", cure)
        return ok("bucket", f"{name} is free")
    if not applied:
        cure = f"import it, or empty and delete it: aws s3 rb s3://{name} --force"
        return failure("bucket", f"{name} is there, and the storage stack does not know it: apply will fail", cure)
    if lies_in != region:
        return failure("bucket", f"{name} is in {lies_in}, not in {region}", f"REGION={lies_in}.")
    return ok("bucket", f"{name} is ours")


def judge_states(name: str, *, lies_in: str | None, foreign: str, env: str) -> Finding:
    """Whether the bucket of Terraform's states is there; parameters as for `judge_bucket`."""
    if foreign:
        cure = "ask the account's owner: a bucket of this name holds the states of all of its environments."
        return failure("states", f"{name} is another account's, or these credentials may not see it ({foreign})", cure)
    if lies_in is None:
        cure = f"make state ENV={env}, once per account; make apply asks for it, too."
        return warning("states", f"Terraform's states have no bucket yet ({name})", cure)
    return ok("states", f"Terraform keeps them in {name}")


def judge_upload(made: wheelhouse.Wheelhouse, uploaded: Sequence[str], where: str) -> Finding:
    """Whether every file of the wheelhouse is in the artifacts bucket."""
    files = [*made.sums, wheelhouse.SUMS]
    missing = sorted(set(files) - set(uploaded))
    if not missing:
        return ok("wheels in S3", f"all {format_count(len(files), 'file')} in {where}")
    cause = f"{where} lacks {len(missing)} of {format_count(len(files), 'file')} (such as {missing[0]})"
    return warning("wheels in S3", cause, "make apply uploads what is missing.")


def read_skew(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds by which a moment is later than an answer's Date.

    >>> read_skew({"date": "Tue, 24 Nov 2026 12:00:00 GMT"}, datetime(2026, 11, 24, 12, 1, tzinfo=UTC))
    60.0
    >>> read_skew({"date": "noon"}, datetime(2026, 11, 24, 12, 1, tzinfo=UTC)) is None
    True
    """
    try:
        return (now - parsedate_to_datetime(headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None


def count_vcpus_in_use(reservations: Sequence[Mapping[str, Any]], market: str, env: str) -> int:
    """vCPUs of a market that run, without those of this environment's own cluster.

    Parameters
    ----------
    reservations : of DescribeInstances, running and pending
    """
    sizes, total = list_vcpus(), 0
    for instance in chain.from_iterable(reservation["Instances"] for reservation in reservations):
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
        if tags.get("Project") == PROJECT and tags.get("Environment") == env:
            continue
        if ("SPOT" if instance.get("InstanceLifecycle") == "spot" else "ON_DEMAND") != market:
            continue
        if not instance["InstanceType"].startswith(STANDARD):
            continue
        options = instance.get("CpuOptions") or {}
        counted = int(options.get("CoreCount") or 0) * int(options.get("ThreadsPerCore") or 1)
        total += sizes.get(instance["InstanceType"], counted)
    return total


# ---------------------------------------------------------------------------------------------- what asks the account


def check_caller(sts: Any, *, emulated: bool) -> list[Finding]:
    """Credentials and clock, from one call; a refusal tells the time as well."""
    try:
        answer = sts.get_caller_identity()
        findings = [judge_identity(answer["Arn"], answer["Account"])]
    except ClientError as error:
        if is_throttled(error):
            raise
        answer = error.response
        cure = "log in (aws sso login, or AWS_PROFILE=)."
        findings = [failure("credentials", f"AWS rejected them: {error}", cure)]
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return [*findings, judge_clock(read_skew(headers, datetime.now(UTC)), emulated=emulated)]


def check_quotas(quota_client: Any, ec2: Any, needs: ClusterNeeds, env: str, region: str) -> list[Finding]:
    """Both quotas, beside what runs now."""
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    running = list(list_pages(ec2, "describe_instances", "Reservations", Filters=states))
    findings = []
    for market, (_, code) in QUOTAS.items():
        if not (need := count_needed_vcpus(needs.fleets, market)):
            continue
        value = quota_client.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"]
        used = count_vcpus_in_use(running, market, env)
        findings.append(judge_quota(market, need=need, quota=value, used=used, region=region))
    return findings


def check_zones(ec2: Any, needs: ClusterNeeds) -> Finding:
    """What the subnets' zones offer of the types asked for."""
    types = sorted({name for fleet in needs.fleets for name in fleet.types})
    filters = [{"Name": "instance-type", "Values": types}, {"Name": "location", "Values": list(needs.zones)}]
    call, key = "describe_instance_type_offerings", "InstanceTypeOfferings"
    offered: dict[str, set[str]] = {zone: set() for zone in needs.zones}
    for offering in list_pages(ec2, call, key, LocationType="availability-zone", Filters=filters):
        offered[offering["Location"]].add(offering["InstanceType"])
    return judge_offerings(needs.fleets, offered)


def check_release(emr: Any, needs: ClusterNeeds, ends: Mapping[str, str]) -> Finding:
    """The release in this region."""
    labels = emr.list_release_labels(Filters={"Prefix": needs.release})["ReleaseLabels"]
    return judge_release(needs.release, known=needs.release in labels, end=ends.get(needs.release), today=date.today())


def check_public_access(emr: Any, region: str) -> Finding:
    """EMR's block public access."""
    answer = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    return judge_public_access(answer.get("BlockPublicSecurityGroupRules"), region)


def check_names(s3: Any, buckets: Sequence[str], known: Sequence[str], region: str, env: str) -> list[Finding]:
    """Each bucket's name; those that the storage stack knows are to be there, the others not."""
    findings = []
    for name in buckets:
        lies_in, foreign = None, ""
        try:
            lies_in = s3.head_bucket(Bucket=name).get("BucketRegion") or region
        except ClientError as error:
            if is_passing(error):
                raise
            code = str(error.response["Error"]["Code"])
            if code not in ("404", "NoSuchBucket"):
                foreign = code
        applied = name in known
        findings.append(judge_bucket(name, lies_in=lies_in, foreign=foreign, region=region, applied=applied, env=env))
    return findings


def check_uploaded_wheels(s3: Any, artifacts: str, made: wheelhouse.Wheelhouse) -> Finding:
    """The wheelhouse in the artifacts bucket."""
    store = wheelhouse.S3Store(s3, artifacts, f"wheelhouse/{made.key}")
    return judge_upload(made, list(store.list()), f"s3://{artifacts}/wheelhouse/{made.key}/")


def check_account(
    clients: Any, needs: ClusterNeeds, ends: Mapping[str, str], *, env: str, region: str
) -> list[Finding]:
    """What the plan needs of the account.

    Parameters
    ----------
    clients : from a service's name to its client
    """
    ec2, emr = clients("ec2"), clients("emr")
    return [
        *attempt("vCPUs", check_quotas, clients("service-quotas"), ec2, needs, env, region),
        *attempt("types", check_zones, ec2, needs),
        *attempt("release", check_release, emr, needs, ends),
        *attempt("public access", check_public_access, emr, region),
    ]
