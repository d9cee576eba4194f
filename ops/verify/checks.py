"""What was seen, judged: one pure function an assumption, on the evidence that ``gather`` collected.

A check returns a finding, or raises ``NotSeenError`` where the evidence that it needs is not there: what could not be
looked at is neither true nor false.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Evidence = Mapping[str, Any]
MANAGED_TAG = "for-use-with-amazon-emr-managed-policies"
MANAGED_GROUPS = ("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup", "ServiceAccessSecurityGroup")
SERVICE_POLICY = "AmazonEMRServicePolicy_v2"
LOG_DELAY_SECONDS = 900
CLOCK_SECONDS = 300
OPEN = ("0.0.0.0/0", "::/0")


class NotSeenError(Exception):
    """The evidence of a check is missing; the message says why."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    held : whether the assumption is true of what was seen
    said : one sentence for a reader, with the numbers
    seen : the evidence that decides, small
    """

    held: bool
    said: str
    seen: Any


def seen(evidence: Evidence, *path: str) -> Any:
    """A piece of the evidence.

    Raises
    ------
    NotSeenError : it was not collected, AWS did not answer, or the probe could not ask
    """
    found: Any = evidence
    for number, name in enumerate(path, start=1):
        if not isinstance(found, Mapping) or name not in found:
            raise NotSeenError(f"{'.'.join(path[:number])} was not reached")
        found = found[name]
        if isinstance(found, Mapping):
            for why in ("error", "skipped"):
                if why in found:
                    raise NotSeenError(f"{'.'.join(path[:number])}: {found[why]}")
    return found


def tags(thing: Mapping[str, Any]) -> dict[str, str]:
    """Tags as a dictionary."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags") or []}


def moment(text: str) -> datetime:
    """A time as the evidence keeps it (ISO 8601)."""
    return datetime.fromisoformat(text)


def extra(e: Evidence, name: str) -> Any:
    """What was seen of something that ``WITH`` names.

    Raises
    ------
    NotSeenError : it was not asked for, or not reached
    """
    if name not in seen(e, "with"):
        raise NotSeenError(f"not asked for: WITH={name}")
    return seen(e, "extras", name)


def starts_without_nat(e: Evidence) -> Finding:
    if {"nat", "scaling", "studio"} & set(seen(e, "with")):
        raise NotSeenError("this cluster had a NAT gateway, which WITH= asked for")
    cluster, network = seen(e, "alive", "cluster"), seen(e, "alive", "network")
    line = cluster["Status"]["Timeline"]
    out = [
        route["DestinationCidrBlock"]
        for table in network["tables"]
        for route in table["Routes"]
        if route.get("DestinationCidrBlock") in OPEN
    ]
    nats = [n["NatGatewayId"] for n in network["nats"] if n["State"] not in ("deleted", "failed")]
    minutes = (moment(line["ReadyDateTime"]) - moment(line["CreationDateTime"])).total_seconds() / 60
    held = not out and not nats and cluster["Status"]["State"] in ("WAITING", "RUNNING")
    said = f"{cluster['Status']['State']} after {minutes:.1f} min; {len(nats)} NAT gateways, {len(out)} routes out"
    return Finding(held, said, {"timeline": line, "nat_gateways": nats, "routes_out": out})


def no_public_way_in(e: Evidence) -> Finding:
    network = seen(e, "alive", "network")
    public = [s["SubnetId"] for s in network["subnets"] if s.get("MapPublicIpOnLaunch")]
    addresses = [i["InstanceId"] for i in seen(e, "alive", "machines") if i.get("PublicIpAddress")]
    wide = sorted(
        {
            group["GroupId"]
            for group in network["groups"]
            for rule in group["IpPermissions"]
            for spread in [*rule.get("IpRanges", []), *rule.get("Ipv6Ranges", [])]
            if spread.get("CidrIp", spread.get("CidrIpv6")) in OPEN
        }
    )
    said = f"{len(wide)} groups open to the world, {len(addresses)} public addresses, also after EMR added its rules"
    return Finding(not (public or addresses or wide), said, {"subnets": public, "addresses": addresses, "groups": wide})


def own_groups_only(e: Evidence) -> Finding:
    made = [g["GroupName"] for g in seen(e, "alive", "network")["groups"] if g["GroupName"].startswith("ElasticMap")]
    return Finding(not made, f"EMR made {len(made)} groups of its own beside the three that it was given", made)


def packages_through_the_endpoint(e: Evidence) -> Finding:
    answer = seen(e, "probe", "repositories")
    said = "dnf reached Amazon Linux's repositories" if answer["code"] == 0 else f"dnf: {answer['said'][-200:]}"
    return Finding(answer["code"] == 0, said, answer)


def endpoint_lets_nothing_else_through(e: Evidence) -> Finding:
    answer = seen(e, "probe", "foreign_bucket")
    refused = "403" in answer["said"] or "AccessDenied" in answer["said"] or "Forbidden" in answer["said"]
    if answer["code"] and not refused:
        raise NotSeenError(f"the public object could not be asked for: {answer['said'][-160:]}")
    return Finding(refused, f"{answer['uri']} was {'refused' if refused else 'READ'} from inside", answer)


def policy_v2_and_its_tags(e: Evidence) -> Finding:
    cluster, network = seen(e, "alive", "cluster"), seen(e, "alive", "network")
    attached = seen(e, "alive", "service_role")["managed"]
    things = {"cluster": tags(cluster), "VPC": tags(network["vpc"])}
    # of those that EMR may use: a NAT gateway's stands beside them
    asked = cluster["Ec2InstanceAttributes"].get("RequestedEc2SubnetIds")
    things |= {s["SubnetId"]: tags(s) for s in network["subnets"] if not asked or s["SubnetId"] in asked}
    used = [cluster["Ec2InstanceAttributes"].get(key) for key in MANAGED_GROUPS]
    things |= {g["GroupId"]: tags(g) for g in network["groups"] if g["GroupId"] in used}
    bare = [name for name, has in things.items() if has.get(MANAGED_TAG) != "true"]
    names = [arn.rsplit("/", 1)[-1] for arn in attached]
    held = names == [SERVICE_POLICY] and not bare and cluster["Status"]["State"] != "TERMINATED_WITH_ERRORS"
    said = f"started under {', '.join(names) or 'no managed policy'}; {len(bare)} of {len(things)} things lack the tag"
    return Finding(held, said, {"attached": names, "without_tag": bare})


def our_role_is_passed(e: Evidence) -> Finding:
    wanted = seen(e, "alive", "cluster")["Ec2InstanceAttributes"]["IamInstanceProfile"].rsplit("/", 1)[-1]
    borne = {
        (i.get("IamInstanceProfile") or {}).get("Arn", "").rsplit("/", 1)[-1] for i in seen(e, "alive", "machines")
    }
    return Finding(
        borne == {wanted}, f"instances bear {', '.join(name or 'none' for name in sorted(borne))}", sorted(borne)
    )


def tags_reach_the_machines(e: Evidence) -> Finding:
    wanted = {k: v for k, v in tags(seen(e, "alive", "cluster")).items() if k in ("Project", "Environment")}
    machines = seen(e, "alive", "machines")
    bare = [i["InstanceId"] for i in machines if not wanted.items() <= tags(i).items()]
    said = f"{len(machines) - len(bare)} of {len(machines)} instances bear the cluster's tags"
    return Finding(bool(machines) and not bare and len(wanted) == 2, said, {"without": bare})


def fleets_are_full(e: Evidence) -> Finding:
    fleets = seen(e, "alive", "fleets")
    short = [
        f["InstanceFleetType"]
        for f in fleets
        for kind in ("OnDemand", "Spot")
        if f.get(f"Provisioned{kind}Capacity", 0) < f.get(f"Target{kind}Capacity", 0)
    ]
    got = sorted({f"{i['InstanceType']} {i['Market']}" for i in seen(e, "alive", "instances")})
    return Finding(not short, f"got {', '.join(got)}; short of capacity: {', '.join(short) or 'none'}", got)


def spot_role_exists(e: Evidence) -> Finding:
    spot = [i for i in seen(e, "alive", "instances") if i["Market"] == "SPOT"]
    if not spot:
        raise NotSeenError("no Spot instance was got: the fleet has none, or fell back to on demand")
    return Finding(True, f"{len(spot)} Spot instances run", [i["InstanceType"] for i in spot])


def master_on_demand(e: Evidence) -> Finding:
    markets = {i["PrivateDnsName"]: i["Market"] for i in seen(e, "alive", "instances")}
    answer = seen(e, "probe", "yarn")
    masters = {m["id"]: markets.get(m["host"], f"unknown host {m['host']}") for m in answer["masters"]}
    if not masters:
        raise NotSeenError("YARN knows no application")
    if not any(fleet["InstanceFleetType"] == "TASK" for fleet in seen(e, "alive", "fleets")):
        raise NotSeenError("no task fleet, hence no Spot nodes and no labels")
    labels = {n["host"]: n["labels"] for n in answer["nodes"]}
    wrong = [app for app, market in masters.items() if market != "ON_DEMAND"]
    unlabelled = [host for host, found in labels.items() if not found]
    said = f"{len(masters) - len(wrong)} of {len(masters)} masters on demand; {len(unlabelled)} nodes without a label"
    return Finding(not wrong and not unlabelled, said, {"masters": masters, "labels": labels})


def executors_on_all_workers(e: Evidence) -> Finding:
    """infra/modules/sizing counts the vCPUs of core and task nodes alike."""
    fleets = {f["Id"]: f["InstanceFleetType"] for f in seen(e, "alive", "fleets")}
    instances = {i["PrivateDnsName"]: i for i in seen(e, "alive", "instances")}
    workers = {fleets.get(i.get("InstanceFleetId")) for i in instances.values()} - {None, "MASTER"} or {"MASTER"}
    hosts = {
        executor["host"]
        for application in seen(e, "probe", "executors")["applications"]
        for executor in application["executors"]
    }
    ran = {
        f"{fleets.get(instances[host].get('InstanceFleetId'))} {instances[host]['Market']}"
        for host in hosts
        if host in instances
    }
    if len(hosts) < len(workers):
        raise NotSeenError(f"executors ran on {len(hosts)} hosts, too few for {len(workers)} kinds of node")
    idle = sorted(str(kind) for kind in workers if not any(text.startswith(f"{kind} ") for text in ran))
    said = f"executors ran on {', '.join(sorted(ran)) or 'unknown hosts'}; none on {', '.join(idle) or 'no kind'}"
    return Finding(not idle, said, {"hosts": sorted(hosts), "ran": sorted(ran)})


def memory_is_watched(e: Evidence) -> Finding:
    """By the setting that counts: Hadoop up to 3.4.2 takes "true" for "cgroups do it" (YARN-11967)."""
    nodes = seen(e, "probe", "memory")["nodes"]
    if not nodes:
        raise NotSeenError("YARN knows no node")
    watched = [
        host
        for host, has in nodes.items()
        if has["yarn.nodemanager.resource.memory.enforced"] == "false"
        and has["yarn.nodemanager.pmem-check-enabled"] == "true"
    ]
    return Finding(len(watched) == len(nodes), f"{len(watched)} of {len(nodes)} nodes watch containers' memory", nodes)


def wheels_install(e: Evidence) -> Finding:
    node, ready = seen(e, "probe", "node"), seen(e, "probe", "ready")
    libc = tuple(int(part) for part in re.findall(r"\d+", node["libc"][1])[:2])
    held = node["system"] == "amzn" and ready["python"].startswith("3.11.") and libc >= (2, 34)
    said = (
        f"{ready['packages']} packages on {node['system']} {node['version']}, Python {ready['python']}, "
        f"C library {node['libc'][1]}, in {ready['seconds'].get('total', 0):.0f} s"
    )
    return Finding(held, said, {"node": node, "ready": ready})


def metadata_by_token(e: Evidence) -> Finding:
    answer = seen(e, "probe", "metadata")
    held = answer["without_token"] == 401 and answer["token"] == 200
    said = f"without a token {answer['without_token']}, for a token {answer['token']} at hop limit 1"
    return Finding(held, said, answer)


def job_reads_and_writes(e: Evidence) -> Finding:
    run, sent = seen(e, "sample", "run"), seen(e, "uploaded")
    versions = run["versions"]
    held = run["images_ok"] == run["images_in"] == sent
    said = f"{run['images_ok']} of {sent} images featurized with Spark {versions.get('spark')}"
    return Finding(held, said, {"images_ok": run["images_ok"], "slots": run.get("slots"), "versions": versions})


def arguments_arrive(e: Evidence) -> Finding:
    given, held_ = seen(e, "sample", "arguments"), seen(e, "sample", "step")["Config"]["Args"]
    run, request = seen(e, "sample", "run")["arguments"], seen(e, "sample", "request")
    same = {name: run.get(name) == value for name, value in request.items()}
    said = f"EMR kept {len(held_)} arguments as given; the job read {sum(same.values())} of {len(same)} fields"
    return Finding(given == held_ and all(same.values()), said, {"arguments": held_, "fields": same})


def completed_means_done(e: Evidence) -> Finding:
    status = seen(e, "sample", "step")["Status"]
    ended, written = moment(status["Timeline"]["EndDateTime"]), moment(seen(e, "sample", "run_written"))
    seconds = (ended - written).total_seconds()
    said = f"{status['State']} {seconds:.0f} s after run.json was written"
    return Finding(status["State"] == "COMPLETED" and seconds >= -1, said, {"seconds": seconds})


def failure_is_told(e: Evidence) -> Finding:
    step, error = seen(e, "failing", "step"), seen(e, "failing", "told")
    details = seen(e, "failing", "details")
    held = step["Status"]["State"] == "FAILED" and error["exit_code"] == 10 and "No such fruit" in error["message"]
    after = f"{details['seconds']:.0f} s later" if details["seconds"] is not None else "never"
    said = f"_run/error.json names the cause; FailureDetails came {after}: {details['found'] or 'nothing'}"
    return Finding(held, said, {"error": error["message"], "details": details})


def _relative(e: Evidence) -> dict[str, str]:
    keys: dict[str, str] = seen(e, "logs", "keys")
    return keys


LAYOUT = {
    # steps/s-1ABC/stderr.gz
    "step": r"steps/s-[A-Z0-9]+/(controller|stderr|stdout)\.gz",
    # containers/application_1_0001/container_1_0001_01_000001/stdout.gz
    "container": r"containers/application_\d+_\d+/container_\w+_000001/(stderr|stdout)\.gz",
    # node/i-0ab1/bootstrap-actions/1/stdout.gz
    "bootstrap": r"node/i-[0-9a-f]+/bootstrap-actions/1/(controller|stderr|stdout)\.gz",
}


def logs_lie_where_we_look(e: Evidence) -> Finding:
    keys = _relative(e)
    found = {kind: [key for key in keys if re.fullmatch(pattern, key)][:3] for kind, pattern in LAYOUT.items()}
    missing = [kind for kind, keys_ in found.items() if not keys_]
    return Finding(not missing, f"{len(keys)} objects; missing kinds: {', '.join(missing) or 'none'}", found)


def driver_speaks_in_its_container(e: Evidence) -> Finding:
    words = seen(e, "logs", "traceback")
    said = f"the failed driver's words: in containers {words['containers']}, in the step's own log {words['step']}"
    return Finding(words["containers"] and not words["step"], said, words)


def logs_come_in_time(e: Evidence) -> Finding:
    step = seen(e, "sample", "step")
    ended = moment(step["Status"]["Timeline"]["EndDateTime"])
    own = {key: when for key, when in _relative(e).items() if key.startswith(f"steps/{step['Id']}/")}
    if not own:
        raise NotSeenError("no log of the sample's step came")
    seconds = max((moment(when) - ended).total_seconds() for when in own.values())
    return Finding(seconds <= LOG_DELAY_SECONDS, f"{seconds:.0f} s after the step's end", {"seconds": seconds})


def second_plan_is_empty(e: Evidence) -> Finding:
    changes = seen(e, "second_plan", "changes")
    return Finding(not changes, f"{len(changes)} resources would change", changes)


def clock_ends_the_cluster(e: Evidence) -> Finding:
    clock, status = seen(e, "clock"), seen(e, "ended", "cluster")["Status"]
    held = clock["by_the_clock"] and clock["seconds"] <= CLOCK_SECONDS
    said = f"{status['State']} {clock['seconds']:.0f} s after the schedule's time" if held else "it did not end it"
    return Finding(held, said, {"target": clock["target"], "status": status, "seconds": clock["seconds"]})


def plan_after_the_end(e: Evidence) -> Finding:
    changes = [(address, actions) for address, actions in seen(e, "plan_after_end", "changes")]
    anew = [address for address, actions in changes if ".aws_emr_cluster." in address and actions == ["create"]]
    gone = [address for address, actions in changes if "delete" in actions and "module.network" in address]
    said = f"{len(changes)} resources would change, the cluster is {'made anew' if anew else 'NOT made'}"
    return Finding(len(anew) == 1 and not gone, said, changes)


def applies_again(e: Evidence) -> Finding:
    again = extra(e, "again")
    held = again["cluster_id"] != again["before"] and again["state"] in ("WAITING", "RUNNING")
    said = f"a second cluster is {again['state']} after {again['seconds']:.0f} s"
    return Finding(held, said, again)


def idle_watch_ends_the_cluster(e: Evidence) -> Finding:
    end = extra(e, "idle")
    reason = end["reason"]
    said = (
        f"{end['state']} {end['seconds']:.0f} s after the last step, limit {end['limit']} s; EMR says "
        f"{reason.get('Code', 'nothing')}: {reason.get('Message', '')}"
    )
    # the watch looks every five minutes, and EMR takes a while to end a cluster
    held = end["state"].startswith("TERMINATED") and end["seconds"] <= end["limit"] + 900
    return Finding(held, said, end)


def own_key_encrypts(e: Evidence) -> Finding:
    kms = extra(e, "kms")
    if not kms["volumes"]:
        raise NotSeenError("EC2 lists no volume of these machines")
    bare = [v["id"] for v in kms["volumes"] if not v["encrypted"] or v["key"] != kms["key"]]
    held = kms["object"] == kms["key"] and not bare
    said = (
        f"results are under {'our key' if kms['object'] == kms['key'] else 'another key'}; "
        f"{len(kms['volumes']) - len(bare)} of {len(kms['volumes'])} volumes are"
    )
    return Finding(held, said, kms)


def shell_is_online(e: Evidence) -> Finding:
    ping = {i["InstanceId"]: i.get("PingStatus") for i in extra(e, "ssm")}
    online = [name for name, status in ping.items() if status == "Online"]
    return Finding(bool(online), f"Systems Manager sees {len(online)} of {len(ping)} instances online", ping)


def way_out_exists(e: Evidence) -> Finding:
    nats, answer = extra(e, "nat"), seen(e, "probe", "way_out")
    live = [n["NatGatewayId"] for n in nats if n["State"] == "available"]
    said = f"{len(live)} NAT gateways; a host of the internet was {'' if answer['reached'] else 'not '}reached"
    return Finding(bool(live) and answer["reached"], said, {"gateways": live, **answer})


def scaling_is_held(e: Evidence) -> Finding:
    limits = extra(e, "scaling").get("ComputeLimits", {})
    said = f"EMR holds {limits.get('MinimumCapacityUnits')} to {limits.get('MaximumCapacityUnits')} units"
    return Finding(bool(limits), f"{said}; that it resizes was not waited for", limits)


def graviton_runs(e: Evidence) -> Finding:
    kinds = sorted({str(i.get("Architecture")) for i in extra(e, "arm64")})
    built = seen(e, "probe", "ready")["architecture"]
    held = kinds == ["arm64"] and built == "aarch64"
    return Finding(held, f"instances are {', '.join(kinds)}; TensorFlow ran on {built}", {"machines": kinds})


def one_node_runs(e: Evidence) -> Finding:
    """infra/modules/emr makes a primary fleet and nothing else, and infra/modules/sizing gives it every executor."""
    kinds, (primary, *others) = extra(e, "one-node"), [i["PrivateDnsName"] for i in seen(e, "alive", "instances")]
    hosts = {
        executor["host"]
        for application in seen(e, "probe", "executors")["applications"]
        for executor in application["executors"]
    }
    if not hosts:
        raise NotSeenError("no executor was seen")
    said = f"fleets: {', '.join(kinds)}; {1 + len(others)} instances; executors on {', '.join(sorted(hosts))}"
    return Finding(kinds == ["MASTER"] and not others and hosts == {primary}, said, {"hosts": sorted(hosts)})


def studio_opens(e: Evidence) -> Finding:
    studio = extra(e, "studio")
    held = studio["status"] == "InService" and studio["address"]
    said = f"the domain is {studio['status']}; an address {'came' if studio['address'] else 'did not come'}"
    return Finding(held, said, studio)


def bill_is_as_expected(e: Evidence) -> Finding:
    bill = seen(e, "bill")
    paid, expected = float(bill["usd"]), float(bill["expected_usd"])
    if not bill["by_tag"] and paid > 1.2 * expected:
        raise NotSeenError(
            f"the whole account paid {paid:.2f} USD on these days, and the tag Project is not active in billing: "
            "activate it, and look again after the next run"
        )
    said = f"{paid:.4f} USD {'by tag' if bill['by_tag'] else 'of the whole account'}, expected {expected:.4f}"
    return Finding(paid <= 1.2 * expected, said, bill)


def idle_limit_is_set(e: Evidence) -> Finding:
    policy = seen(e, "alive", "idle")
    seconds = policy.get("IdleTimeout")
    return Finding(bool(seconds), f"EMR holds {seconds} s; that it ends the cluster was not waited for", policy)


def idle_watch_looks(e: Evidence) -> Finding:
    looks = [look for look in seen(e, "alive", "watch") if look["status"] != "RUNNING"]
    if not looks:
        raise NotSeenError("the idle watch has not ended a look yet")
    failed = [look["name"] for look in looks if look["status"] != "SUCCEEDED"]
    return Finding(not failed, f"{len(looks)} looks, {len(failed)} failed", looks)


def emr_makes_an_endpoint(e: Evidence) -> Finding:
    alive = [v for v in seen(e, "alive", "network")["endpoints"] if tags(v).get("Name") == "emr-service-vpce"]
    ended = [v for v in seen(e, "ended", "endpoints") if tags(v).get("Name") == "emr-service-vpce"]
    if not alive and not ended and str(e.get("alive", {}).get("cluster", {}).get("ReleaseLabel", "")) < "emr-8":
        raise NotSeenError("none, as AWS's pages say of releases before Spark 8")
    tagged = all(tags(v).get(MANAGED_TAG) == "true" for v in alive)
    said = f"{len(alive)} while the cluster lived, {len(ended)} after its end"
    return Finding(len(alive) == 1 and len(ended) == 1 and tagged, said, [tags(v) for v in alive])


def nothing_is_left(e: Evidence) -> Finding:
    left = {kind: names for kind, names in seen(e, "left").items() if names}
    said = ", ".join(f"{kind}: {', '.join(names)}" for kind, names in left.items()) or "nothing"
    return Finding(not left, f"left after destroy and purge: {said}", left)


def budget_is_there(e: Evidence) -> Finding:
    budget = seen(e, "alive", "budget")
    limit = budget["BudgetLimit"]
    said = f"{budget['BudgetName']}: {float(limit['Amount']):.2f} {limit['Unit']} ({budget['TimeUnit'].lower()})"
    return Finding(budget["BudgetType"] == "COST" and float(limit["Amount"]) > 0, said, budget["BudgetLimit"])


def interfaces_have_addresses(e: Evidence) -> Finding:
    pages = seen(e, "alive", "interfaces")
    got = {name: answer for name, answer in pages.items() if answer.get("came")}
    if not got:
        raise NotSeenError("; ".join(f"{name}: {answer.get('error', 'no address')}" for name, answer in pages.items()))
    return Finding(True, f"an address came for {', '.join(sorted(got))}", pages)


def cost_is_small(e: Evidence) -> Finding:
    cost = seen(e, "cost")
    held = float(cost["usd"]) <= float(cost["limit_usd"])
    return Finding(held, f"{cost['said']} by the instances' lifetimes; the bill shows it a day later", cost)


def operator_suffices(e: Evidence) -> Finding:
    caller, denied = seen(e, "caller"), seen(e, "denied")
    if not caller["operator"]:
        raise NotSeenError(f"run as {caller['kind']}, not as a member of the operators' group")
    said = f"as an operator; refused: {', '.join(denied) or 'nothing'}"
    return Finding(not denied, said, denied)
