"""The server process: moto's WSGI application with our corrections, on waitress, with EMR's supervisor beside it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Read by moto when it is imported.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"  # it would let every web page in
os.environ.setdefault("MOTO_ACCOUNT_ID", "123456789012")
# only the image of EMR's nodes: moto makes a volume and a snapshot for each of its own 1,300 at every start
os.environ.setdefault("MOTO_AMIS_PATH", str(Path(__file__).with_name("images.json")))

import moto.moto_api._internal.urls as moto_api_urls
import waitress.channel
import waitress.parser
import waitress.server
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends

from localaws import keys, services, state
from localaws.emr import api as emr_api
from localaws.emr.life import Supervisor
from localaws.errors import LocalAwsError
from localaws.faults import wrap_faults
from localaws.guard import Wsgi, wrap_guard
from localaws.keys import Keys
from localaws.limits import wrap_limits
from localaws.processes import end_processes
from localaws.reaper import Reaper
from localaws.services import workflows
from localaws.services.scheduler import Clock
from localaws.services.workflows import Workflows
from localaws.settings import ACCOUNT, Settings
from localaws.state import Record

LOG = logging.getLogger(__name__)
THREADS = 24
MAX_BODY = 2**31


def wrap_delay(application: Wsgi, seconds: float) -> Wsgi:
    """The application, which answers calls that change something a little later.

    Terraform's provider now and then fails with "decomposing response: … use of closed network connection" when a
    server on loopback answers before the client has finished its own write; 10 ms were measured to be enough.
    """
    if seconds <= 0:
        return application

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            time.sleep(seconds)
        return application(environ, start_response)

    return call


class _Parser(waitress.parser.HTTPRequestParser):  # type: ignore[misc]
    """waitress 3.0.2 waits forever for the body of a request with ``Expect: 100-continue`` and no body (an empty
    object that boto3 puts): it marks the request as incomplete again when it sends its 100."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.content_length == 0 and not self.chunked:
            self.expect_continue = False


class _Channel(waitress.channel.HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser


def _describe_status(supervisor: Supervisor, token: str) -> dict[str, Any]:
    clusters = [
        {
            "id": c.id,
            "name": c.request["Name"],
            "region": c.region,
            "state": c.state,
            "steps": len(c.steps),
            "yarn": supervisor.describe_yarn(c),
        }
        for c in supervisor.list_clusters()
    ]
    return {"token": token, "clusters": clusters}


def _make_steering_page(method: Callable[[dict[str, Any]], Any]) -> Callable[..., tuple[int, dict[str, str], str]]:
    """A page in the form of moto's own: it calls a method with the request's content, and answers its result."""

    def respond(request: Any, full_url: str, headers: Any) -> tuple[int, dict[str, str], str]:
        try:
            return 200, {"Content-Type": "application/json"}, json.dumps(method(json.loads(request.data or "{}")))
        except LocalAwsError as error:
            return 400, {"Content-Type": "text/plain"}, str(error)

    return respond


def find_keys(access_key: str, known_keys: Iterable[Keys]) -> Keys | None:
    """The keys behind an access key: one of those given, an IAM user's, or a role session's; None without any."""
    for pair in known_keys:
        if pair.access_key == access_key:
            return pair
    for user in list(iam_backends[ACCOUNT]["aws"].users.values()):
        for key in user.access_keys:
            if key.access_key_id == access_key and key.status == "Active":
                return Keys(access_key, key.secret_access_key)
    for session in list(sts_backends[ACCOUNT]["aws"].assumed_roles):
        if session.access_key_id == access_key:
            return Keys(access_key, session.secret_access_key, session.session_token)
    return None


def _correct_moto(supervisor: Supervisor, settings: Settings, token: str) -> None:
    """Put our services and the pages that steer the emulator into moto."""
    services.install()
    emr_api.install(supervisor)
    workflows.set_workflows(Workflows(ACCOUNT, settings, supervisor.make_client))
    pages: dict[str, Callable[[dict[str, Any]], Any]] = {
        "status": lambda _: _describe_status(supervisor, token),
        "clock": lambda content: supervisor.set_clock(float(content["rate"])),
        "fault": lambda content: supervisor.set_fault(str(content["fault"])),
    }
    for name, method in pages.items():
        moto_api_urls.url_paths[f"{{0}}/moto-api/localaws/{name}"] = _make_steering_page(method)


def _build_application(settings: Settings, port: int, operator: Keys, service: Keys) -> Wsgi:
    """moto's application, behind the guard, the limits, the recording and the faults."""
    moto_application = DomainDispatcherApplication(create_backend_app)
    application = wrap_faults(wrap_delay(moto_application, settings.api_delay_seconds), settings)
    if settings.record:
        from localaws.recording import wrap_recording  # it reads AWS's reference, which only the tests install

        application = wrap_recording(application, Path(settings.record), ACCOUNT)
    known_keys = (operator, service)
    return wrap_guard(
        wrap_limits(application), port, lambda name: find_keys(name, known_keys), owner=operator.access_key
    )


def serve(settings: Settings, token: str) -> None:
    """Serve on a free loopback port until SIGTERM, SIGINT or the loss of the state file, which says where.

    Parameters
    ----------
    settings : how to behave
    token : written into the state file and the status answer, so that no other server on the port is taken for this one
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())

    end_processes(settings.clusters)  # of a server that was killed with its reaper
    shutil.rmtree(settings.clusters, ignore_errors=True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    operator, service = Keys.new(keys.OPERATOR), Keys.new(keys.SERVICE)
    reaper = Reaper(settings.clusters)
    supervisor = Supervisor(settings, endpoint, service)
    _correct_moto(supervisor, settings, token)
    server = waitress.server.create_server(
        _build_application(settings, port, operator, service),
        sockets=[listener],
        threads=THREADS,
        max_request_body_size=MAX_BODY,
        ident="localaws",
        clear_untrusted_proxy_headers=True,
    )
    server.channel_class = _Channel
    clock = Clock(ACCOUNT, settings, lambda region, clusters: emr_api.terminate(ACCOUNT, region, clusters))
    clock.start()
    threading.Thread(target=server.run, name="waitress", daemon=True).start()
    record = Record(os.getpid(), endpoint, token, time.time(), operator, yarn=settings.yarn)
    state.write_record(settings.home, record)
    LOG.info("listening on %s", endpoint)
    while not stopped.wait(1.0):
        if state.read_record(settings.home) != record:  # the folder was removed: nothing could find this process
            LOG.warning("the state file is gone")
            break
    LOG.info("stopping")
    clock.stopped.set()
    supervisor.shutdown()
    reaper.close()
