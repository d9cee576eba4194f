#!/usr/bin/env bash
# Resolve every requirements*.in again and write the hash-locked *.txt beside it. The node's list is locked once per
# architecture, for Amazon Linux 2023 (glibc 2.34) and from wheels alone: a node compiles nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
uv=$(command -v uv || echo .venv/bin/uv)
lock() { # lock IN OUT [uv options]
  local in=$1 out=$2
  shift 2
  "$uv" pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links "$@" "$in" -o "$out"
  echo "$out"
}
lock requirements.in requirements.txt --universal
lock requirements-dev.in requirements-dev.txt --universal -c requirements.txt
lock requirements-clouds.in requirements-clouds.txt --universal -c requirements-dev.txt
lock requirements-uv.in requirements-uv.txt --universal
lock requirements-java.in requirements-java.txt --universal
lock requirements-localaws.in requirements-localaws.txt --universal -c requirements-dev.txt
lock requirements-s3a.in requirements-s3a.txt --universal --no-deps
for arch in x86_64 aarch64; do
  lock bootstrap/node.in "bootstrap/requirements-$arch.txt" --python-platform "$arch-manylinux_2_34" --only-binary :all:
done
# the same pins but Spark's, so that only Spark differs between the two environments
grep -vE '^(pyspark|py4j)==' requirements-dev.txt | grep -E '^[a-z0-9._-]+==' | sed -E 's/ *\\$//' >build/constraints-spark4.txt
lock requirements-spark4.in requirements-spark4.txt --universal -c build/constraints-spark4.txt
lock requirements-checkov.in requirements-checkov.txt --universal
# the job's own engine and decoder, so that only the pipeline around them differs
grep -E '^(openvino|numpy|pillow)==' requirements.txt | sed -E 's/ *\\$//' >build/constraints-rivals.txt
lock requirements-rivals.in requirements-rivals.txt --universal -c build/constraints-rivals.txt
lock requirements-docs.in requirements-docs.txt --universal
lock requirements-viewers.in requirements-viewers.txt --universal
