"""Pack the job: one zip of the package `fruits`, the same bytes for the same sources, named by its content."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ops.core.paths import ROOT

JOBS = ROOT / "jobs"
ENTRY = JOBS / "featurize_pca.py"
SUFFIXES = (".py", ".html", ".css", ".js")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def job_files() -> dict[str, Path]:
    """The package's files, by their names in the zip."""
    files = (path for path in (JOBS / "fruits").rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(JOBS).as_posix(): path for path in files}


def zipped(files: Mapping[str, Path]) -> bytes:
    """Files as a zip, in order and without times: the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()


def job_zip() -> bytes:
    """The package as a zip."""
    return zipped(job_files())


def content_key(*contents: bytes) -> str:
    """Sixteen hex digits that change with any of the contents."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def write_job_zip(folder: Path) -> Path:
    """`fruits.zip` in a folder named by its content; written once, and whole or not at all."""
    data = job_zip()
    target = folder / content_key(data, ENTRY.read_bytes()) / "fruits.zip"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(f".{hashlib.sha256(data).hexdigest()[:8]}.tmp")
        temporary.write_bytes(data)
        temporary.replace(target)
    return target
