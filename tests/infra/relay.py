"""A program: the AWS provider behind a socket of its own, with a schema of what the stacks use.

Terraform reads a provider's whole schema at each command, 1,500 kinds of resources, and tests/infra/roots once more at
each run: most of what a plan costs. The answer is cut to the kinds whose names stand in the stacks and in their tests;
Terraform refuses any other by name. Everything else passes as it is, in bytes.

    relay.py PROVIDER

prints what ``TF_REATTACH_PROVIDERS`` must say, and ends with its standard input. Source of the calls' names and of the
answer's fields: https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/tfplugin5.9.proto
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # TensorFlow brings it

ROOT = Path(__file__).resolve().parents[2]
SCHEMA_CALLS = ("/tfplugin5.Provider/GetSchema", "/tfplugin6.Provider/GetProviderSchema")
KINDS = (2, 3, 8)
"""The answer's fields whose entries are a kind's name and its schema: resources, data, ephemeral resources."""
ANY_LENGTH = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
AT_ONCE = 32
"""Threads: Terraform asks ten things at once."""


def used_kinds() -> set[str]:
    """Names of resources in the stacks and in what tests do to them."""
    files = (path for folder in ("infra", "tests/infra") for path in (ROOT / folder).rglob("*.*"))
    texts = (path.read_text() for path in files if path.suffix in (".tf", ".hcl", ".py", ".tfvars"))
    return {name for text in texts for name in re.findall(r"\baws_[a-z0-9_]+", text)}


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number of a protobuf message, and where it ends."""
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The number of each field of a message that holds messages and texts only, its value, and all of it as it came.

    >>> list(fields(bytes([0x12, 2, 65, 66, 0x0A, 0])))
    [(2, b'AB', b'\\x12\\x02AB'), (1, b'', b'\\n\\x00')]
    """
    at = 0
    while at < len(data):
        begin = at
        tag, at = read_number(data, at)
        assert tag & 7 == 2, f"a field of wire type {tag & 7}"
        length, at = read_number(data, at)
        yield tag >> 3, data[at : at + length], data[begin : at + length]
        at += length


def cut(schema: bytes, kinds: set[str]) -> bytes:
    """A provider's answer to GetSchema without the kinds that nobody uses."""

    def is_used(entry: bytes) -> bool:
        return next(name for number, name, _ in fields(entry) if number == 1).decode() in kinds

    return b"".join(whole for number, value, whole in fields(schema) if number not in KINDS or is_used(value))


class Relay(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Passes each call on; the schema is asked once."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel, self.kinds, self.schemas = channel, used_kinds(), dict[str, bytes]()

    def service(self, details: Any) -> Any:
        name = details.method
        if not name.startswith("/tfplugin"):
            return None  # the plugins' own broker, their output and their end: not of a provider that stays
        ask = self.channel.unary_unary(name)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                if name not in SCHEMA_CALLS:
                    return bytes(ask(request))
                if name not in self.schemas:
                    self.schemas[name] = cut(ask(request), self.kinds)
                return self.schemas[name]
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


def read_address(provider: subprocess.Popen[str]) -> dict[str, Any]:
    """What a provider prints for those who attach to it."""
    for line in provider.stdout or ():
        # 	TF_REATTACH_PROVIDERS='{"registry.terraform.io/hashicorp/aws":{"Protocol":"grpc",…}}'
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.*)'", line):
            address: dict[str, Any] = json.loads(found[1])
            return address
    raise RuntimeError("the provider ended without its address")


def main(program: str) -> None:
    command = [program, "-debug"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as provider,
    ):
        try:
            address = read_address(provider)
            threading.Thread(target=provider.stdout.read, daemon=True).start()  # it would stop at a full pipe
            (held,) = address.values()
            channel = grpc.insecure_channel(f"unix:{held['Addr']['String']}", options=ANY_LENGTH)
            server = grpc.server(ThreadPoolExecutor(AT_ONCE), [Relay(channel)], options=ANY_LENGTH)
            held["Addr"]["String"] = f"{folder}/provider"
            held["Pid"] = os.getpid()
            server.add_insecure_port(f"unix:{folder}/provider")
            server.start()
            print(json.dumps(address), flush=True)
            sys.stdin.read()
            server.stop(None).wait()
        finally:
            provider.kill()


if __name__ == "__main__":
    main(sys.argv[1])
