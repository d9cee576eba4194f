#!/usr/bin/env bash
# Install the node's Python environment, TensorFlow included, from a wheelhouse: no internet, every hash checked.
#
#   install_tensorflow.sh --wheelhouse URI --prefix /opt/fruits --logs URI
#
#   --wheelhouse URI   s3://bucket/wheelhouse/<key>/ or a folder: what `make wheelhouse` made
#   --prefix DIR       where to install (default /opt/fruits): DIR/venv/bin/python, DIR/ready.json
#   --logs URI         s3:// URI or folder that gets bootstrap/<cluster>/<instance>.json when something fails
#   --need-mb N        free space to ask for, in MiB (default 3500)
#   --info DIR         where the node keeps its identity (default /mnt/var/lib/info, EMR's; below $NODE_ROOT where that stands for the root)
#
# Runs as an EMR bootstrap action: before the applications, as the user hadoop, on every node, also on those added
# later. It never touches the system's Python. Run again it finds its own work and ends within a second.
#
# Exit codes, by cause (the cause is also in the JSON):
#    0  ready
#    1  unexpected     a command failed that should not; the line is named
#    2  arguments      wrong arguments
#   10  tool           a program is missing that every node has
#   11  prefix         the place to install to cannot be written
#   12  disk           not enough free space
#   13  python         no python3.11, and dnf could not install it
#   14  wheelhouse     it cannot be fetched, or is none
#   15  architecture   it was built for another processor
#   16  wheel-missing  a wheel that it lists is not there
#   17  wheel-damaged  a file does not have its hash
#   18  install        uv refused
#   19  import         installed, and yet TensorFlow does not run
set -Eeuo pipefail
export LC_ALL=C
umask 022

readonly name=install_tensorflow
wheelhouse='' prefix=/opt/fruits logs='' need_mb=3500 info=${NODE_ROOT:-}/mnt/var/lib/info
phase=arguments staging='' began=${EPOCHREALTIME/./} phase_began=${EPOCHREALTIME/./}
timings=()

have() { command -v "$1" >/dev/null 2>&1; }

seconds() { # seconds SINCE: elapsed since that many microseconds, as 12.3
  local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

begin() {
  phase=$1
  phase_began=${EPOCHREALTIME/./}
}

say() { # one line for the phase that ends here, and its seconds for ready.json
  local took
  took=$(seconds "$phase_began")
  timings+=("$phase=$took")
  printf '%s: [%5s s] %s\n' "$name" "$took" "$1"
}

json() { # a JSON string
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  printf '"%s"' "${text//[[:cntrl:]]/ }"
}

identity() { # identity FILE KEY DEFAULT: what the node's own JSON says of itself
  local value=''
  if [[ -r $info/$1 ]]; then
    value=$(sed -n "s/.*\"$2\"[[:space:]]*:[[:space:]]*\"\([^\"/]*\)\".*/\1/p" "$info/$1" | head -n 1)
  fi
  printf '%s' "${value:-$3}"
}

report() { # report CODE CAUSE MESSAGE LINE: leave the cause where an operator finds it
  [[ -n $logs ]] || return 0
  local host cluster instance target body left=1
  host=$(uname -n)
  cluster=$(identity job-flow.json jobFlowId no-cluster)
  instance=$(identity instance.json instanceId "$host")
  target=${logs%/}/bootstrap/$cluster/$instance.json
  # No file in between: the disk may be what is full.
  body=$(
    printf '{"cause": %s, "code": %d, "phase": %s, "line": %d,\n' "$(json "$2")" "$1" "$(json "$phase")" "$4"
    printf ' "message": %s,\n' "$(json "$3")"
    printf ' "cluster": %s, "instance": %s,' "$(json "$cluster")" "$(json "$instance")"
    printf ' "host": %s,\n' "$(json "$host")"
    printf ' "wheelhouse": %s, "prefix": %s,\n' "$(json "$wheelhouse")" "$(json "$prefix")"
    printf ' "seconds": %s, "failed_at": "%s"}' "$(seconds "$began")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  )
  if [[ $logs == s3://* ]]; then
    printf '%s\n' "$body" | aws s3 cp --only-show-errors - "$target" >&2 || left=0
  else
    { mkdir -p -- "${target%/*}" && printf '%s\n' "$body" >"$target"; } || left=0
  fi
  ((left)) || printf '%s: the cause could not be left in %s\n' "$name" "$target" >&2
}

fail() { # fail CODE CAUSE MESSAGE
  trap - ERR
  set +e
  printf '%s: failed in %s after %s s (%s, exit %d): %s\n' "$name" "$phase" "$(seconds "$began")" "$2" "$1" "$3" >&2
  report "$1" "$2" "$3" "${BASH_LINENO[0]:-0}"
  exit "$1"
}

unexpected() { # unexpected LINE COMMAND CODE
  ((BASHPID == $$)) || exit "$3" # in a substitution: the command around it decides
  trap - ERR
  set +e
  local message="line $1 failed with code $3: $2"
  printf '%s: failed in %s after %s s (unexpected, exit 1): %s\n' "$name" "$phase" "$(seconds "$began")" "$message" >&2
  report 1 unexpected "$message" "$1"
  exit 1
}

clean() {
  [[ -z $staging ]] || rm -rf -- "$staging"
}

trap 'unexpected "$LINENO" "$BASH_COMMAND" "$?"' ERR
trap clean EXIT
trap 'exit 130' INT TERM

as_root() {
  if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

arguments() {
  while (($#)); do
    case $1 in
      --wheelhouse | --prefix | --logs | --need-mb | --info)
        (($# >= 2)) || fail 2 arguments "$1 needs a value: see the head of this script."
        case $1 in
          --wheelhouse) wheelhouse=$2 ;;
          --prefix) prefix=$2 ;;
          --logs) logs=$2 ;;
          --need-mb) need_mb=$2 ;;
          --info) info=$2 ;;
        esac
        shift 2
        ;;
      *) fail 2 arguments "$1 is not known: give --wheelhouse URI --prefix DIR --logs URI." ;;
    esac
  done
  [[ -n $wheelhouse ]] || fail 2 arguments "--wheelhouse is missing: give the URI that \`make wheelhouse\` printed."
  [[ $prefix == /* ]] || fail 2 arguments "--prefix $prefix is not absolute: give a path from the root, such as /opt/fruits."
  [[ $need_mb =~ ^[0-9]{1,9}$ ]] || fail 2 arguments "--need-mb $need_mb is not a number of MiB."
  wheelhouse=${wheelhouse%/}
  prefix=${prefix%/}
}

check_tools() {
  local tool tools=(df sed head sha256sum mktemp flock date)
  [[ $wheelhouse$logs != *s3://* ]] || tools+=(aws)
  for tool in "${tools[@]}"; do
    have "$tool" || fail 10 tool "$tool was not found: it is on every EMR node; put it on PATH."
  done
}

make_prefix() {
  if ! { mkdir -p -- "$prefix" && [[ -w $prefix ]]; } 2>/dev/null; then
    { ((EUID != 0)) && have sudo && sudo -n install -d -m 755 -o "$(id -un)" -- "$prefix"; } 2>/dev/null ||
      fail 11 prefix "$prefix cannot be written by $(id -un): give another --prefix, or the right to it."
  fi
  # One installation at a time; a second one waits, and then finds the work done.
  exec 9>"$prefix/.lock"
  flock 9
  rm -rf -- "$prefix"/.staging.* # of a run that was killed
}

lock_of_wheelhouse() { # the sha256 of the lock that is asked for, as far as it is known without fetching anything
  local last=${wheelhouse##*/}
  if [[ $last =~ ^[0-9a-f]{16}$ ]]; then
    printf '%s' "$last"
  elif [[ -f $wheelhouse/requirements.txt ]]; then
    sha256 "$wheelhouse/requirements.txt"
  fi
}

sha256() {
  local sum
  sum=$(sha256sum -- "$1")
  printf '%s' "${sum%% *}"
}

already_there() {
  local asked here
  [[ -f $prefix/ready.json && -x $prefix/venv/bin/python ]] || return 1
  asked=$(lock_of_wheelhouse)
  here=$(sed -n 's/.*"lock_sha256": "\([0-9a-f]*\)".*/\1/p' "$prefix/ready.json")
  [[ -n $asked && -n $here && $here == "$asked"* ]] || return 1
  "$prefix/venv/bin/python" -I -c 'import sys, importlib.util as u; sys.exit(u.find_spec("tensorflow") is None)'
}

check_disk() {
  local free
  { read -r _ && read -r _ _ _ free _; } < <(df -Pm -- "$prefix")
  ((free >= need_mb)) ||
    fail 12 disk "$prefix has $free MiB free and $need_mb are needed: give the root volume more space (root_volume_gib)."
  say "disk: $free MiB free"
}

find_python() {
  if ! have python3.11; then
    have dnf || fail 13 python "python3.11 was not found, and there is no dnf to install it with: use EMR 7.1 or newer."
    as_root dnf install -y -q python3.11 >&2 || fail 13 python \
      "python3.11 was not found, and dnf could not install it: let the endpoint reach Amazon Linux's repositories."
    hash -r
  fi
  local version
  if ! version=$(python3.11 -I -c 'import platform, sys; print(platform.python_version(), sys.executable)') ||
    [[ $version != 3.11.*\ /* ]]; then
    fail 13 python "python3.11 does not run: repair or remove $(command -v python3.11)."
  fi
  python=${version#* }
  version=${version%% *}
  say "python: $version ($python)"
}

fetch() {
  if [[ $wheelhouse == s3://* ]]; then
    wheels=$staging/wheels
    mkdir -- "$wheels"
    aws s3 cp --recursive --only-show-errors "$wheelhouse/" "$wheels" >&2 ||
      fail 14 wheelhouse "$wheelhouse/ could not be fetched: check the endpoint, the instance role and the key."
  else
    wheels=$wheelhouse
  fi
  [[ -f $wheels/SHA256SUMS && -f $wheels/requirements.txt ]] ||
    fail 14 wheelhouse "$wheelhouse/ holds no complete wheelhouse: run \`make wheelhouse\` and upload what it makes."
  local files size
  files=$(wc -l <"$wheels/SHA256SUMS")
  size=$(du -sm -- "$wheels")
  say "wheelhouse: $files files, ${size%%[!0-9]*} MiB"
}

verify() {
  local sum file missing=() damaged machine last uv_sum=''
  machine=$(uname -m)
  while read -r sum file; do
    [[ -f $wheels/$file ]] || missing+=("$file")
    case $file in
      *_x86_64.whl | *_aarch64.whl)
        [[ $file == *_"$machine".whl ]] ||
          fail 15 architecture "$file is not for $machine: build the wheelhouse with \`make wheelhouse ARCH=$machine\`."
        ;;&
      uv-*.whl) uv_wheel=$file uv_sum=$sum ;;
    esac
  done <"$wheels/SHA256SUMS"
  ((${#missing[@]} == 0)) || fail 16 wheel-missing \
    "$wheelhouse/ lacks ${#missing[@]} of its files (such as ${missing[0]}): upload it again with \`make wheelhouse\`."
  # Python's SHA-256 is OpenSSL's, several times as fast as the sha256sum of some systems.
  damaged=$(cd -- "$wheels" && "$python" -I - <<'PYTHON'
import hashlib
import sys

for line in open("SHA256SUMS", encoding="utf-8"):
    expected, _, name = line.rstrip("\n").partition("  ")
    with open(name, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            print(name)
            sys.exit(1)
PYTHON
  ) || fail 17 wheel-damaged \
    "$wheelhouse/${damaged:-SHA256SUMS} does not have its hash: upload it again with \`make wheelhouse\`."
  lock=$(sha256 "$wheels/requirements.txt")
  last=${wheelhouse##*/}
  if [[ $last =~ ^[0-9a-f]{16}$ && $lock != "$last"* ]]; then
    fail 17 wheel-damaged "$wheelhouse/requirements.txt is not the lock that its key names: run \`make wheelhouse\`."
  fi
  # uv is run before it could check itself, so its hash is looked up in the lock here.
  [[ -n $uv_wheel ]] || fail 16 wheel-missing "$wheelhouse/ lacks uv: build it with \`make wheelhouse\`."
  grep -q -- "--hash=sha256:$uv_sum" "$wheels/requirements.txt" ||
    fail 17 wheel-damaged "$wheelhouse/$uv_wheel does not have a hash of the lock: run \`make wheelhouse\`."
  say "hashes: all right, lock ${lock:0:16}"
}

install_packages() {
  local variable uv count venv=$prefix/venv log=$staging/uv.log
  # What the machine sets for pip or uv must not bring in another index.
  for variable in "${!UV_@}" "${!PIP_@}"; do unset "$variable"; done
  unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
  export UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_CACHE_DIR=$staging/cache TMPDIR=$staging
  "$python" -I -m zipfile -e "$wheels/$uv_wheel" "$staging/uv"
  uv=$(echo "$staging"/uv/*.data/scripts/uv)
  chmod +x -- "$uv"
  rm -rf -- "$venv" "$prefix/ready.json"
  if ! {
    "$uv" venv --quiet --offline --python "$python" "$venv" &&
      "$uv" pip install --offline --no-index --find-links "$wheels" --require-hashes --only-binary :all: \
        --python "$venv/bin/python" --requirement "$wheels/requirements.txt"
  } >"$log" 2>&1; then
    cat -- "$log" >&2
    fail 18 install "uv refused to install ($(grep -v '^ *$' "$log" | tail -n 1)): see above, and build the wheelhouse again."
  fi
  "$venv/bin/python" -I - "$venv/lib" >"$staging/compile.log" 2>&1 <<'PYTHON' ||
import compileall
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

# A fifth of the code is the packages' own tests, which no job imports. A hundred files at a time: compileall's own
# processes (-j) are handed one by one, which takes as long again as the compiling.
lib = Path(sys.argv[1])
files = [str(path) for path in lib.rglob("*.py") if not {"test", "tests"} & set(path.relative_to(lib).parts)]
with ProcessPoolExecutor() as pool:
    compiled = pool.map(partial(compileall.compile_file, quiet=1), files, chunksize=100)
    sys.exit(0 if all(compiled) else 1)
PYTHON
    fail 18 install "byte-compiling failed ($(tail -n 1 "$staging/compile.log")): build the wheelhouse again."
  chmod -R a+rX -- "$venv"
  count=$(grep -c '^ + ' "$log")
  say "installed: $count packages, byte-compiled, in $venv"
}

run_tensorflow() {
  local versions log=$staging/import.log
  versions=$(TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=1 "$prefix/venv/bin/python" -I - 2>"$log" <<'PYTHON'
import importlib
import json
import platform
from importlib.metadata import distributions

import tensorflow as tf

if float(tf.reduce_sum(tf.ones((2, 2)))) != 4.0:
    raise SystemExit("TensorFlow computed 2 + 2 wrongly")
for module in ("openvino", "numpy", "pandas", "pyarrow", "PIL", "bokeh"):
    importlib.import_module(module)
packages = sorted((d.metadata["Name"].lower(), d.version) for d in distributions())
print(json.dumps({"python": platform.python_version(), "packages": dict(packages)}))
PYTHON
  ) || {
    tail -n 20 -- "$log" >&2
    fail 19 import "TensorFlow does not run on this node ($(tail -n 1 -- "$log")): see above."
  }
  say "imported: TensorFlow runs"
  "$prefix/venv/bin/python" -I - "$prefix/.ready.json" "$versions" "$lock" "$wheelhouse" "$(uname -m)" \
    "total=$(seconds "$began")" "${timings[@]}" <<'PYTHON'
import json
import sys
from datetime import datetime, timezone

path, versions, lock, wheelhouse, machine, *timings = sys.argv[1:]
ready = {
    "ready_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "lock_sha256": lock,
    "wheelhouse": wheelhouse,
    "architecture": machine,
    **json.loads(versions),
    "seconds": {name: float(value) for name, _, value in (timing.partition("=") for timing in timings)},
}
with open(path, "w", encoding="utf-8") as file:
    json.dump(ready, file, indent=1)
    file.write("\n")
PYTHON
  mv -- "$prefix/.ready.json" "$prefix/ready.json"
}

main() {
  local python='' wheels='' uv_wheel='' lock=''
  arguments "$@"
  begin check
  check_tools
  make_prefix
  if already_there; then
    say "$prefix is ready already"
    return
  fi
  check_disk
  staging=$(mktemp -d "$prefix/.staging.XXXXXX")
  begin python
  find_python
  begin fetch
  fetch
  begin verify
  verify
  begin install
  install_packages
  begin import
  run_tensorflow
  printf '%s: [%5s s] ready: %s\n' "$name" "$(seconds "$began")" "$prefix/venv/bin/python"
}

main "$@"
