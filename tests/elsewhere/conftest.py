"""Other clouds' stores on loopback: an emulator of Google's, and Azurite for Azure's, each a process of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fruits import store as store_module

ROOT = Path(__file__).resolve().parents[2]
AZURITE = ROOT / "build/azurite/node_modules/azurite/dist/src/blob/main.js"
BUCKET = "fruits"
# Azurite's one account and its key, published in its own documentation
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VARIABLES = (
    "STORAGE_EMULATOR_HOST",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
)


class Cloud:
    """A store of another cloud: the environment that leads to it, and the address of a bucket in it."""

    def __init__(self, uri: str, environment: Mapping[str, str]) -> None:
        self.uri = uri
        self.environment = dict(environment)


@pytest.fixture(scope="session")
def gcs() -> Iterator[Cloud]:
    """An emulator of Google Cloud Storage with one bucket."""
    pytest.importorskip("gcp_storage_emulator", reason="needs the package gcp-storage-emulator")
    command = [sys.executable, str(Path(__file__).with_name("gcs_server.py")), BUCKET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port.isdigit(), "the emulator of Google Cloud Storage did not start"
            yield Cloud(f"gs://{BUCKET}", {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"})
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Azurite with one container."""
    node = shutil.which("node")
    if node is None or not AZURITE.is_file():
        pytest.skip("needs Azurite: `make azurite` installs it where node and npm are")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("azurite")
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    options += ["--skipApiVersionCheck", "--disableTelemetry"]
    command = [node, str(AZURITE), *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
            wait_for(endpoint, process)
            connection = f"AccountName={AZURITE_ACCOUNT};AccountKey={AZURITE_KEY};BlobEndpoint={endpoint};"
            environment = {"AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{connection}"}
            with pytest.MonkeyPatch.context() as patch:
                use(patch, environment)
                store_module.Store(f"abfss://{BUCKET}@{AZURITE_ACCOUNT}.dfs.core.windows.net").fs.create_dir(BUCKET)
            yield Cloud(f"abfss://{BUCKET}@{AZURITE_ACCOUNT}.dfs.core.windows.net", environment)
        finally:
            process.terminate()


def use(patch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Let this process's stores see an environment, and no client of an earlier one."""
    for name in VARIABLES:
        patch.delenv(name, raising=False)
    for name, value in environment.items():
        patch.setenv(name, value)
    store_module._open_file_system.cache_clear()


def wait_for(endpoint: str, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    parts = urlsplit(endpoint)
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                said = process.stdout.read1(2000).decode(errors="replace") if process.stdout else ""  # type: ignore[attr-defined]
                pytest.fail(f"Azurite did not start: {said}")
            time.sleep(0.05)
        else:
            return


@pytest.fixture(params=["gcs", "azure"])
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Each of the two, seen by this process."""
    found: Cloud = request.getfixturevalue(request.param)
    use(monkeypatch, found.environment)
    yield found
    store_module._open_file_system.cache_clear()
