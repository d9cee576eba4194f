"""What was seen, judged: one pure function per assumption, on the evidence that ``gather`` collected.

A check returns a finding, or raises ``NotSeenError`` where the evidence that it needs is not there: what could not be
looked at is neither true nor false.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fruits.wording import format_count

from ops.aws.describe import read_tags
from ops.logs.layout import SHIPPING

Observations = Mapping[str, Any]
MANAGED_TAG = "for-use-with-amazon-emr-managed-policies"
MANAGED_GROUPS = ("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup", "ServiceAccessSecurityGroup")
SERVICE_POLICY = "AmazonEMRServicePolicy_v2"
CLOCK_SECONDS = 300
OPEN = ("0.0.0.0/0", "::/0")
parse_time = datetime.fromisoformat  # as the evidence keeps times


class NotSeenError(Exception):
    """The evidence of a check is missing; the message says why."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes
    ----------
    holds : whether the assumption is true of what was seen
    summary : one sentence for a reader, with the numbers
    details : the evidence that decides, small
    """

    holds: bool
    summary: str
    details: Any


def look_up(evidence: Observations, *path: str) -> Any:
    """A piece of the evidence.

    Raises
    ------
    NotSeenError : it was not collected, AWS did not answer, or the probe could not ask
    """
    piece: Any = evidence
    for number, name in enumerate(path, start=1):
        if not isinstance(piece, Mapping) or name not in piece:
            raise NotSeenError(f"{'.'.join(path[:number])} was not reached")
        piece = piece[name]
        if isinstance(piece, Mapping):
            for problem in ("error", "skipped"):
                if problem in piece:
                    raise NotSeenError(f"{'.'.join(path[:number])}: {piece[problem]}")
    return piece


def look_up_extra(e: Observations, name: str) -> Any:
    """What was seen of something that ``WITH`` names.

    Raises
    ------
    NotSeenError : it was not asked for, or not reached
    """
    if name not in look_up(e, "with"):
        raise NotSeenError(f"not asked for: WITH={name}")
    return look_up(e, "extras", name)


def starts_without_nat(e: Observations) -> CheckResult:
    if {"nat", "scaling", "studio"} & set(look_up(e, "with")):
        raise NotSeenError("this cluster had a NAT gateway, which WITH= asked for")
    cluster, network = look_up(e, "alive", "cluster"), look_up(e, "alive", "network")
    line = cluster["Status"]["Timeline"]
    out = [
        route["DestinationCidrBlock"]
        for table in network["tables"]
        for route in table["Routes"]
        if route.get("DestinationCidrBlock") in OPEN
    ]
    nats = [n["NatGatewayId"] for n in network["nats"] if n["State"] not in ("deleted", "failed")]
    minutes = (parse_time(line["ReadyDateTime"]) - parse_time(line["CreationDateTime"])).total_seconds() / 60
    holds = not out and not nats and cluster["Status"]["State"] in ("WAITING", "RUNNING")
    ways = f"{format_count(len(nats), 'NAT gateway')}, {format_count(len(out), 'route')} out"
    summary = f"{cluster['Status']['State']} after {minutes:.1f} min; {ways}"
    return CheckResult(holds, summary, {"timeline": line, "nat_gateways": nats, "routes_out": out})


def no_public_way_in(e: Observations) -> CheckResult:
    network = look_up(e, "alive", "network")
    public = [s["SubnetId"] for s in network["subnets"] if s.get("MapPublicIpOnLaunch")]
    addresses = [i["InstanceId"] for i in look_up(e, "alive", "machines") if i.get("PublicIpAddress")]
    wide = sorted(
        {
            group["GroupId"]
            for group in network["groups"]
            for rule in group["IpPermissions"]
            for spread in [*rule.get("IpRanges", []), *rule.get("Ipv6Ranges", [])]
            if spread.get("CidrIp", spread.get("CidrIpv6")) in OPEN
        }
    )
    ways = f"{format_count(len(wide), 'group')} open to the world, {format_count(len(addresses), 'public address')}"
    summary = f"{ways}, also after EMR added its rules"
    details = {"subnets": public, "addresses": addresses, "groups": wide}
    return CheckResult(not any(details.values()), summary, details)


def own_groups_only(e: Observations) -> CheckResult:
    groups = look_up(e, "alive", "network")["groups"]
    names = [g["GroupName"] for g in groups if g["GroupName"].startswith("ElasticMap")]
    summary = f"EMR made {format_count(len(names), 'group')} of its own beside the three that it was given"
    return CheckResult(not names, summary, names)


def packages_through_the_endpoint(e: Observations) -> CheckResult:
    answer = look_up(e, "probe", "repositories")
    summary = "dnf reached Amazon Linux's repositories" if answer["code"] == 0 else f"dnf: {answer['said'][-200:]}"
    return CheckResult(answer["code"] == 0, summary, answer)


def endpoint_lets_nothing_else_through(e: Observations) -> CheckResult:
    answer = look_up(e, "probe", "foreign_bucket")
    refused = "403" in answer["said"] or "AccessDenied" in answer["said"] or "Forbidden" in answer["said"]
    if answer["code"] and not refused:
        raise NotSeenError(f"the public object could not be asked for: {answer['said'][-160:]}")
    return CheckResult(refused, f"{answer['uri']} was {'refused' if refused else 'READ'} from inside", answer)


def policy_v2_and_its_tags(e: Observations) -> CheckResult:
    cluster, network = look_up(e, "alive", "cluster"), look_up(e, "alive", "network")
    attached = look_up(e, "alive", "service_role")["managed"]
    tags = {"cluster": read_tags(cluster), "VPC": read_tags(network["vpc"])}
    # of those that EMR may use: a NAT gateway's stands beside them
    subnet_ids = cluster["Ec2InstanceAttributes"].get("RequestedEc2SubnetIds")
    tags |= {s["SubnetId"]: read_tags(s) for s in network["subnets"] if not subnet_ids or s["SubnetId"] in subnet_ids}
    used = [cluster["Ec2InstanceAttributes"].get(key) for key in MANAGED_GROUPS]
    tags |= {g["GroupId"]: read_tags(g) for g in network["groups"] if g["GroupId"] in used}
    untagged = [name for name, resource_tags in tags.items() if resource_tags.get(MANAGED_TAG) != "true"]
    names = [arn.rsplit("/", 1)[-1] for arn in attached]
    holds = names == [SERVICE_POLICY] and not untagged and cluster["Status"]["State"] != "TERMINATED_WITH_ERRORS"
    policies = ", ".join(names) or "no managed policy"
    summary = f"started under {policies}; the tag is missing from {len(untagged)} of {format_count(len(tags), 'thing')}"
    return CheckResult(holds, summary, {"attached": names, "without_tag": untagged})


def our_role_is_passed(e: Observations) -> CheckResult:
    profile = look_up(e, "alive", "cluster")["Ec2InstanceAttributes"]["IamInstanceProfile"].rsplit("/", 1)[-1]
    arns = [(i.get("IamInstanceProfile") or {}).get("Arn", "") for i in look_up(e, "alive", "machines")]
    profiles = sorted({arn.rsplit("/", 1)[-1] for arn in arns})
    return CheckResult(profiles == [profile], f"instances have {', '.join(p or 'none' for p in profiles)}", profiles)


def tags_reach_the_machines(e: Observations) -> CheckResult:
    expected = {k: v for k, v in read_tags(look_up(e, "alive", "cluster")).items() if k in ("Project", "Environment")}
    machines = look_up(e, "alive", "machines")
    untagged = [i["InstanceId"] for i in machines if not expected.items() <= read_tags(i).items()]
    tagged = len(machines) - len(untagged)
    summary = f"the cluster's tags are on {tagged} of {format_count(len(machines), 'instance')}"
    return CheckResult(bool(machines) and not untagged and len(expected) == 2, summary, {"without": untagged})


def fleets_are_full(e: Observations) -> CheckResult:
    fleets = look_up(e, "alive", "fleets")
    short = [
        f["InstanceFleetType"]
        for f in fleets
        for kind in ("OnDemand", "Spot")
        if f.get(f"Provisioned{kind}Capacity", 0) < f.get(f"Target{kind}Capacity", 0)
    ]
    markets = sorted({f"{i['InstanceType']} {i['Market']}" for i in look_up(e, "alive", "instances")})
    return CheckResult(not short, f"got {', '.join(markets)}; short of capacity: {', '.join(short) or 'none'}", markets)


def spot_role_exists(e: Observations) -> CheckResult:
    spot = [i for i in look_up(e, "alive", "instances") if i["Market"] == "SPOT"]
    if not spot:
        raise NotSeenError("no Spot instance came: the fleet has none, or fell back to on demand")
    return CheckResult(True, format_count(len(spot), "Spot instance", "runs"), [i["InstanceType"] for i in spot])


def master_on_demand(e: Observations) -> CheckResult:
    markets = {i["PrivateDnsName"]: i["Market"] for i in look_up(e, "alive", "instances")}
    answer = look_up(e, "probe", "yarn")
    masters = {m["id"]: markets.get(m["host"], f"unknown host {m['host']}") for m in answer["masters"]}
    if not masters:
        raise NotSeenError("YARN knows no application")
    if not any(fleet["InstanceFleetType"] == "TASK" for fleet in look_up(e, "alive", "fleets")):
        raise NotSeenError("no task fleet, so no Spot nodes and no labels")
    labels = {n["host"]: n["labels"] for n in answer["nodes"]}
    wrong = [app for app, market in masters.items() if market != "ON_DEMAND"]
    unlabelled = [host for host, node_labels in labels.items() if not node_labels]
    right = len(masters) - len(wrong)
    on_demand = f"{right} of {format_count(len(masters), 'master')} on demand"
    summary = f"{on_demand}; {format_count(len(unlabelled), 'node')} without a label"
    return CheckResult(not wrong and not unlabelled, summary, {"masters": masters, "labels": labels})


def _list_executor_hosts(e: Observations) -> set[str]:
    applications = look_up(e, "probe", "executors")["applications"]
    return {executor["host"] for application in applications for executor in application["executors"]}


def executors_on_all_workers(e: Observations) -> CheckResult:
    """infra/modules/sizing counts the vCPUs of core and task nodes alike."""
    fleets = {f["Id"]: f["InstanceFleetType"] for f in look_up(e, "alive", "fleets")}
    instances = {i["PrivateDnsName"]: i for i in look_up(e, "alive", "instances")}
    workers = {fleets.get(i.get("InstanceFleetId")) for i in instances.values()} - {None, "MASTER"} or {"MASTER"}
    hosts = _list_executor_hosts(e)
    ran = {
        f"{fleets.get(instances[host].get('InstanceFleetId'))} {instances[host]['Market']}"
        for host in hosts
        if host in instances
    }
    if len(hosts) < len(workers):
        raise NotSeenError(
            f"executors ran on {format_count(len(hosts), 'host')}, too few for {len(workers)} kinds of node"
        )
    idle = sorted(str(kind) for kind in workers if not any(text.startswith(f"{kind} ") for text in ran))
    summary = f"executors ran on {', '.join(sorted(ran)) or 'unknown hosts'}; none on {', '.join(idle) or 'no kind'}"
    return CheckResult(not idle, summary, {"hosts": sorted(hosts), "ran": sorted(ran)})


def memory_is_watched(e: Observations) -> CheckResult:
    """Whether nodes watch memory: Hadoop up to 3.4.2 takes "true" for "cgroups do it" (YARN-11967)."""
    nodes = look_up(e, "probe", "memory")["nodes"]
    if not nodes:
        raise NotSeenError("YARN knows no node")
    names = ("yarn.nodemanager.resource.memory.enforced", "yarn.nodemanager.pmem-check-enabled")
    watched = [host for host, settings in nodes.items() if [settings[name] for name in names] == ["false", "true"]]
    summary = f"containers' memory is watched on {len(watched)} of {format_count(len(nodes), 'node')}"
    return CheckResult(len(watched) == len(nodes), summary, nodes)


def wheels_install(e: Observations) -> CheckResult:
    node, ready = look_up(e, "probe", "node"), look_up(e, "probe", "ready")
    libc = tuple(int(part) for part in re.findall(r"\d+", node["libc"][1])[:2])
    holds = node["system"] == "amzn" and ready["python"].startswith("3.11.") and libc >= (2, 34)
    summary = (
        f"{format_count(ready['packages'], 'package')} on {node['system']} {node['version']}, Python "
        f"{ready['python']}, C library {node['libc'][1]}, in {ready['seconds'].get('total', 0):.0f} s"
    )
    return CheckResult(holds, summary, {"node": node, "ready": ready})


def metadata_asks_for_a_token(e: Observations) -> CheckResult:
    answer = look_up(e, "probe", "metadata")
    holds = answer["without_token"] == 401 and answer["token"] == 200
    summary = f"without a token {answer['without_token']}, for a token {answer['token']} at hop limit 1"
    return CheckResult(holds, summary, answer)


def job_reads_and_writes(e: Observations) -> CheckResult:
    run, sent = look_up(e, "sample", "run"), look_up(e, "uploaded")
    versions = run["versions"]
    holds = run["images_ok"] == run["images_in"] == sent
    summary = f"{run['images_ok']} of {format_count(sent, 'image')} featurized with Spark {versions.get('spark')}"
    return CheckResult(holds, summary, {"images_ok": run["images_ok"], "slots": run.get("slots"), "versions": versions})


def arguments_arrive(e: Observations) -> CheckResult:
    arguments, args = look_up(e, "sample", "arguments"), look_up(e, "sample", "step")["Config"]["Args"]
    run, request = look_up(e, "sample", "run")["arguments"], look_up(e, "sample", "request")
    equal = {name: run.get(name) == value for name, value in request.items()}
    kept = f"EMR kept {format_count(len(args), 'argument')} as given"
    summary = f"{kept}; the job read {sum(equal.values())} of {format_count(len(equal), 'field')}"
    return CheckResult(arguments == args and all(equal.values()), summary, {"arguments": args, "fields": equal})


def completed_means_done(e: Observations) -> CheckResult:
    status = look_up(e, "sample", "step")["Status"]
    end_time, write_time = (
        parse_time(status["Timeline"]["EndDateTime"]),
        parse_time(look_up(e, "sample", "run_written")),
    )
    seconds = (end_time - write_time).total_seconds()
    summary = f"{status['State']} {seconds:.0f} s after run.json was written"
    return CheckResult(status["State"] == "COMPLETED" and seconds >= -1, summary, {"seconds": seconds})


def failure_is_told(e: Observations) -> CheckResult:
    step, error = look_up(e, "failing", "step"), look_up(e, "failing", "told")
    details = look_up(e, "failing", "details")
    holds = step["Status"]["State"] == "FAILED" and error["exit_code"] == 10 and "No such fruit" in error["message"]
    after = f"{details['seconds']:.0f} s later" if details["seconds"] is not None else "never"
    summary = f"_run/error.json names the cause; FailureDetails came {after}: {details['found'] or 'nothing'}"
    return CheckResult(holds, summary, {"error": error["message"], "details": details})


LAYOUT = {
    # steps/s-1ABC/stderr.gz
    "step": r"steps/s-[A-Z0-9]+/(controller|stderr|stdout)\.gz",
    # containers/application_1_0001/container_1_0001_01_000001/stdout.gz
    "container": r"containers/application_\d+_\d+/container_\w+_000001/(stderr|stdout)\.gz",
    # node/i-0ab1/bootstrap-actions/1/stdout.gz
    "bootstrap": r"node/i-[0-9a-f]+/bootstrap-actions/1/(controller|stderr|stdout)\.gz",
}


def logs_lie_where_we_look(e: Observations) -> CheckResult:
    keys = look_up(e, "logs", "keys")
    keys_by_kind = {kind: [key for key in keys if re.fullmatch(pattern, key)][:3] for kind, pattern in LAYOUT.items()}
    missing = [kind for kind, examples in keys_by_kind.items() if not examples]
    summary = f"{format_count(len(keys), 'object')}; missing kinds: {', '.join(missing) or 'none'}"
    return CheckResult(not missing, summary, keys_by_kind)


def driver_speaks_in_its_container(e: Observations) -> CheckResult:
    words = look_up(e, "logs", "traceback")
    summary = f"the failed driver's words: in containers {words['containers']}, in the step's own log {words['step']}"
    return CheckResult(words["containers"] and not words["step"], summary, words)


def logs_come_in_time(e: Observations) -> CheckResult:
    step = look_up(e, "sample", "step")
    end_time = parse_time(step["Status"]["Timeline"]["EndDateTime"])
    keys = look_up(e, "logs", "keys")
    times = [parse_time(time) for key, time in keys.items() if key.startswith(f"steps/{step['Id']}/")]
    if not times:
        raise NotSeenError("no log of the sample's step came")
    seconds = (max(times) - end_time).total_seconds()
    return CheckResult(
        seconds <= SHIPPING.total_seconds(), f"{seconds:.0f} s after the step's end", {"seconds": seconds}
    )


def second_plan_is_empty(e: Observations) -> CheckResult:
    changes = look_up(e, "second_plan", "changes")
    return CheckResult(not changes, f"{format_count(len(changes), 'resource')} would change", changes)


def clock_ends_the_cluster(e: Observations) -> CheckResult:
    clock, status = look_up(e, "clock"), look_up(e, "ended", "cluster")["Status"]
    holds = clock["by_the_clock"] and clock["seconds"] <= CLOCK_SECONDS
    summary = f"{status['State']} {clock['seconds']:.0f} s after the schedule's time" if holds else "it did not end it"
    return CheckResult(holds, summary, {"target": clock["target"], "status": status, "seconds": clock["seconds"]})


def plan_after_the_end(e: Observations) -> CheckResult:
    changes = [(address, actions) for address, actions in look_up(e, "plan_after_end", "changes")]
    created = [address for address, actions in changes if ".aws_emr_cluster." in address and actions == ["create"]]
    deleted = [address for address, actions in changes if "delete" in actions and "module.network" in address]
    outcome = f"the cluster is {'created' if created else 'NOT created'}"
    summary = f"{format_count(len(changes), 'resource')} would change, {outcome}"
    return CheckResult(len(created) == 1 and not deleted, summary, changes)


def applies_again(e: Observations) -> CheckResult:
    again = look_up_extra(e, "again")
    holds = again["cluster_id"] != again["before"] and again["state"] in ("WAITING", "RUNNING")
    summary = f"a second cluster is {again['state']} after {again['seconds']:.0f} s"
    return CheckResult(holds, summary, again)


def idle_watch_ends_the_cluster(e: Observations) -> CheckResult:
    end = look_up_extra(e, "idle")
    reason = end["reason"]
    summary = (
        f"{end['state']} {end['seconds']:.0f} s after the last step, limit {end['limit']} s; EMR says "
        f"{reason.get('Code', 'nothing')}: {reason.get('Message', '')}"
    )
    # the watch looks every five minutes, and EMR takes a while to end a cluster
    holds = end["state"].startswith("TERMINATED") and end["seconds"] <= end["limit"] + 900
    return CheckResult(holds, summary, end)


def own_key_encrypts(e: Observations) -> CheckResult:
    kms = look_up_extra(e, "kms")
    if not kms["volumes"]:
        raise NotSeenError("EC2 lists no volume of these machines")
    unencrypted = [v["id"] for v in kms["volumes"] if not v["encrypted"] or v["key"] != kms["key"]]
    holds = kms["object"] == kms["key"] and not unencrypted
    summary = (
        f"results are under {'our key' if kms['object'] == kms['key'] else 'another key'}; "
        f"so are {len(kms['volumes']) - len(unencrypted)} of {format_count(len(kms['volumes']), 'volume')}"
    )
    return CheckResult(holds, summary, kms)


def shell_is_online(e: Observations) -> CheckResult:
    ping = {i["InstanceId"]: i.get("PingStatus") for i in look_up_extra(e, "ssm")}
    online = [name for name, status in ping.items() if status == "Online"]
    return CheckResult(
        bool(online), f"Systems Manager sees {len(online)} of {format_count(len(ping), 'instance')} online", ping
    )


def way_out_exists(e: Observations) -> CheckResult:
    nats, answer = look_up_extra(e, "nat"), look_up(e, "probe", "way_out")
    live = [n["NatGatewayId"] for n in nats if n["State"] == "available"]
    host = f"a host of the internet was {'' if answer['reached'] else 'not '}reached"
    summary = f"{format_count(len(live), 'NAT gateway')}; {host}"
    return CheckResult(bool(live) and answer["reached"], summary, {"gateways": live, **answer})


def scaling_is_held(e: Observations) -> CheckResult:
    limits = look_up_extra(e, "scaling").get("ComputeLimits", {})
    summary = f"EMR holds {limits.get('MinimumCapacityUnits')} to {limits.get('MaximumCapacityUnits')} units"
    return CheckResult(bool(limits), f"{summary}; that it resizes was not waited for", limits)


def graviton_runs(e: Observations) -> CheckResult:
    kinds = sorted({str(i.get("Architecture")) for i in look_up_extra(e, "arm64")})
    built = look_up(e, "probe", "ready")["architecture"]
    holds = kinds == ["arm64"] and built == "aarch64"
    return CheckResult(holds, f"instances are {', '.join(kinds)}; TensorFlow ran on {built}", {"machines": kinds})


def one_node_runs(e: Observations) -> CheckResult:
    """infra/modules/emr makes a primary fleet and nothing else, and infra/modules/sizing gives it every executor."""
    kinds = look_up_extra(e, "one-node")
    primary, *workers = [i["PrivateDnsName"] for i in look_up(e, "alive", "instances")]
    if not (hosts := _list_executor_hosts(e)):
        raise NotSeenError("no executor was seen")
    instances = format_count(1 + len(workers), "instance")
    summary = f"fleets: {', '.join(kinds)}; {instances}; executors on {', '.join(sorted(hosts))}"
    return CheckResult(kinds == ["MASTER"] and not workers and hosts == {primary}, summary, {"hosts": sorted(hosts)})


def studio_opens(e: Observations) -> CheckResult:
    studio = look_up_extra(e, "studio")
    holds = studio["status"] == "InService" and studio["address"]
    summary = f"the domain is {studio['status']}; an address {'came' if studio['address'] else 'did not come'}"
    return CheckResult(holds, summary, studio)


def bill_is_as_expected(e: Observations) -> CheckResult:
    bill = look_up(e, "bill")
    paid, expected = float(bill["usd"]), float(bill["expected_usd"])
    if not bill["by_tag"] and paid > 1.2 * expected:
        raise NotSeenError(
            f"the whole account paid {paid:.2f} USD on these days, and the tag Project is not active in billing: "
            "activate it, and look again after the next run"
        )
    summary = f"{paid:.4f} USD {'by tag' if bill['by_tag'] else 'of the whole account'}, expected {expected:.4f}"
    return CheckResult(paid <= 1.2 * expected, summary, bill)


def idle_limit_is_set(e: Observations) -> CheckResult:
    policy = look_up(e, "alive", "idle")
    seconds = policy.get("IdleTimeout")
    return CheckResult(bool(seconds), f"EMR holds {seconds} s; that it ends the cluster was not waited for", policy)


def idle_watch_looks(e: Observations) -> CheckResult:
    looks = [look for look in look_up(e, "alive", "watch") if look["status"] != "RUNNING"]
    if not looks:
        raise NotSeenError("the idle watch has not ended a look yet")
    failed = [look["name"] for look in looks if look["status"] != "SUCCEEDED"]
    return CheckResult(not failed, f"{format_count(len(looks), 'look')}, {len(failed)} failed", looks)


def emr_makes_an_endpoint(e: Observations) -> CheckResult:
    endpoints = look_up(e, "alive", "network")["endpoints"], look_up(e, "ended", "endpoints")
    before_end, after_end = [
        [tags for tags in map(read_tags, listed) if tags.get("Name") == "emr-service-vpce"] for listed in endpoints
    ]
    release = str(e.get("alive", {}).get("cluster", {}).get("ReleaseLabel", ""))
    if not (before_end or after_end) and release < "emr-8":
        raise NotSeenError("none, as AWS's pages say of releases before Spark 8")
    tagged = all(tags.get(MANAGED_TAG) == "true" for tags in before_end)
    summary = f"{len(before_end)} while the cluster lived, {len(after_end)} after its end"
    return CheckResult((len(before_end), len(after_end)) == (1, 1) and tagged, summary, before_end)


def nothing_is_left(e: Observations) -> CheckResult:
    leftovers = {kind: names for kind, names in look_up(e, "left").items() if names}
    summary = ", ".join(f"{kind}: {', '.join(names)}" for kind, names in leftovers.items()) or "nothing"
    return CheckResult(not leftovers, f"left after destroy and purge: {summary}", leftovers)


def budget_is_there(e: Observations) -> CheckResult:
    budget = look_up(e, "alive", "budget")
    limit = budget["BudgetLimit"]
    summary = f"{budget['BudgetName']}: {float(limit['Amount']):.2f} {limit['Unit']} ({budget['TimeUnit'].lower()})"
    return CheckResult(budget["BudgetType"] == "COST" and float(limit["Amount"]) > 0, summary, budget["BudgetLimit"])


def interfaces_have_addresses(e: Observations) -> CheckResult:
    pages = look_up(e, "alive", "interfaces")
    reachable = {name: answer for name, answer in pages.items() if answer.get("came")}
    if not reachable:
        raise NotSeenError("; ".join(f"{name}: {answer.get('error', 'no address')}" for name, answer in pages.items()))
    return CheckResult(True, f"an address came for {', '.join(sorted(reachable))}", pages)


def cost_is_small(e: Observations) -> CheckResult:
    cost = look_up(e, "cost")
    holds = float(cost["usd"]) <= float(cost["limit_usd"])
    return CheckResult(holds, f"{cost['said']} by the instances' lifetimes; the bill shows it a day later", cost)


def operator_suffices(e: Observations) -> CheckResult:
    caller, denied = look_up(e, "caller"), look_up(e, "denied")
    if not caller["operator"]:
        raise NotSeenError(f"run as {caller['kind']}, not as a member of the operators' group")
    summary = f"as an operator; refused: {', '.join(denied) or 'nothing'}"
    return CheckResult(not denied, summary, denied)
