"""What fails while a node installs: our script, uv and pip, dnf and yum, and EMR's own codes about it."""

from functools import partial

from ops.diagnose.cause import make_cause

AGAIN = "make destroy, then make apply"
make_node_cause = partial(make_cause, command=AGAIN, cluster_only=True)
"""A step's log may hold such words too (a limit, a package), and means something else."""
_UPLOAD = "upload the wheelhouse again: make wheelhouse TO=s3://<artifacts>/wheelhouse (make apply does it too)"

ROWS = (
    make_node_cause(
        "bootstrap-disk",
        meaning="the node has too little disk for TensorFlow",
        fix="a larger root volume: root_volume_gib in infra/env/<env>.cluster.tfvars, then make apply",
        node=("disk",),
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-bootstrap.html
        codes=("BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_PRIMARY", "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_WORKER"),
    ),
    make_node_cause(
        "bootstrap-hash",
        # error: Hash mismatch for `numpy==2.4.6` (uv)
        r"Hash mismatch for `(?P<package>[^`]+)`",
        # ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. (pip)
        r"THESE PACKAGES DO NOT MATCH THE HASHES",
        # In --require-hashes mode, all requirements must have their versions pinned with ==.
        r"In --require-hashes mode|Hashes are required in --require-hashes mode",
        meaning="a file of the wheelhouse does not have its hash",
        fix=_UPLOAD,
        node=("wheel-damaged",),
    ),
    make_node_cause(
        "access-denied/repository",
        # Error: Failed to download metadata for repo 'amazonlinux': … Status code: 403 for https://al2023-repos-…
        # (amazonlinux/amazon-linux-2023#1084)
        r"Status code: 403 for https?://(?P<where>[\w.-]{1,200})",
        # http://amazonlinux.us-east-1.amazonaws.com/2/core/…: [Errno 14] HTTP Error 403 - Forbidden (yum)
        r"(?:amazonlinux|al2023-repos|repo)[\w.-]{0,100}\S{0,300}: \[Errno 14\] HTTPS? Error 403",
        meaning="the node may not read Amazon Linux's own repository{where}: the S3 endpoint's policy refuses its "
        "bucket",
        fix="allow s3:GetObject on arn:aws:s3:::al2023-repos-* in the endpoint's policy "
        "(infra/modules/network/endpoints.tf), or a release whose Python is there already",
        loud=True,
    ),
    make_node_cause(
        "bootstrap-certificate",
        # https://cdn.amazonlinux.com/2/core/…: [Errno 14] curl#60 - "SSL certificate problem: self signed certificate
        # in certificate chain" (aws-mwaa-local-runner#279)     SSLCertVerificationError (pip)
        r"SSL certificate problem|CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|invalid peer certificate",
        meaning="something between the node and a repository presents a certificate of its own",
        fix="install from the wheelhouse, as our bootstrap does; otherwise give the node that proxy's certificate",
        loud=True,
    ),
    make_node_cause(
        "network-unreachable/repository",
        # Cannot find a valid baseurl for repo: amzn2-core/2/x86_64     Could not retrieve mirrorlist https://…
        r"Cannot find a valid baseurl for repo:? ?(?P<where>\S{0,80})|Could not retrieve mirrorlist",
        # Error: Failed to download metadata for repo 'amazonlinux': Cannot prepare internal mirrorlist: Curl error …
        r"Failed to download metadata for repo '(?P<where>[^'\n]{1,80})': .{0,80}(?:Curl error|Cannot download)",
        # …repomd.xml: [Errno 14] curl#35 - "OpenSSL SSL_connect …"     [Errno 256] No more mirrors to try. (yum)
        r"\[Errno 14\] curl#\d+ - [^\n]{0,200}|\[Errno 256\] No more mirrors to try",
        # One of the configured repositories failed (Unknown), and yum doesn't have enough cached data to continue.
        r"One of the configured repositories failed|All mirrors were tried|All mirrors were already tried",
        # WARNING: Retrying (Retry(total=4, …)) after connection broken by 'NewConnectionError(…Failed to establish a
        # new connection: [Errno 101] Network is unreachable')': /simple/numpy/ (pip)
        r"after connection broken by '(?:NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError)",
        # HTTPSConnectionPool(host='files.an-index-of-pypi.example', port=443): Read timed out.
        r"HTTPSConnectionPool\(host='(?P<where>[\w.-]{0,60}(?:pypi|pythonhosted|conda)[\w.-]{0,60})'",
        # error: Request failed after 3 retries … error sending request for url (https://index.example/simple/x/) (uv)
        r"error sending request for url \(https?://(?P<where>[^/)\s]{1,120})",
        # curl: (28) Failed to connect to repo.example.com port 443 …     curl: (6) Could not resolve host: …
        r"curl: \((?:5|6|7|28|35|52|56)\) (?P<where>[^\n]{0,120})",
        # wget: unable to resolve host address 'x'     fatal: unable to access 'https://…': Could not resolve host: …
        r"unable to resolve host address|fatal: unable to access '(?P<where>https?://[^/'\s]{1,120})|"
        r"Temporary failure resolving|Could not resolve host: (?P<host>\S{1,120})|CondaHTTPError",
        # Max retries exceeded with url: /simple/x (Caused by NewConnectionError(…     dial tcp …: i/o timeout
        r"Max retries exceeded with url|ssh: connect to host .{1,120} timed out|i/o timeout|Operation too slow",
        meaning="the node reaches no repository{where}: its subnet leads nowhere but S3",
        fix="install from the wheelhouse, as our bootstrap does; for the internet: enable_nat in "
        "infra/env/<env>.cluster.tfvars (bills by the hour)",
        loud=True,
    ),
    make_node_cause(
        "package-lock",
        # error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)
        r"(?:create|obtain)\w* (?:the )?transaction lock",
        # Another app is currently holding the yum lock; waiting for it to exit… and nothing after that
        r"(?:holding the (?:yum|dnf) lock|another copy is running as pid)[^\n]*(?:\n {2}[^\n]*)*\s*\Z",
        # E: Could not get lock /var/lib/dpkg/lock-frontend
        r"Could not get lock /var/lib|is another process using it",
        meaning="another process of the node was installing packages at the same time",
        fix="wait in the script until it has ended (dnf waits by itself with --setopt=exit_on_lock=False); our "
        "bootstrap installs nothing with dnf where Python 3.11 is there",
    ),
    make_node_cause(
        "package-database",
        # error: Rpmdb checksum is invalid: pkg checksums: … (lambci/docker-lambda#120)
        r"Rpmdb checksum is invalid|rpmdb open failed|database disk image is malformed",
        r"error: db[345] error",
        meaning="the node's database of packages is damaged",
        fix="rm -f /var/lib/rpm/__db* and rpm --rebuilddb before the first installation; on a fresh node: make apply "
        "again",
    ),
    make_node_cause(
        "repository-gone",
        # Status code: 404 for https://…/repomd.xml     HTTP Error 404 - Not Found     ERROR 404: Not Found. (wget)
        r"Status code: 404 for (?P<where>\S{1,200})|HTTPS? Error 404|ERROR 404: Not Found|404 +Not Found",
        # curl: (22) The requested URL returned error: 404
        r"requested URL returned error: (?P<where>4\d\d)|No URLs in mirrorlist|does not have a Release file",
        r"ERROR 403: Forbidden|HTTP Error 403: Forbidden|HTTP error 40[34] while getting (?P<where>\S{1,200})",
        meaning="a repository, or a file that is downloaded, is not there any more{where}",
        fix="the address of a release that is still kept; better take it along: --jars, the wheelhouse, or your own "
        "bucket",
    ),
    make_node_cause(
        "package-signature",
        # Error: GPG check FAILED     Public key for x.rpm is not installed     NO_PUBKEY
        r"GPG check FAILED|GPG key retrieval failed|Public key for \S{1,120} is not (?:installed|trusted)|NO_PUBKEY|"
        r"following signatures (?:couldn't|were invalid)",
        meaning="a package's signature is not one that the node trusts",
        fix="import the repository's key first (rpm --import), or take a newer release of the repository",
    ),
    make_node_cause(
        "download-damaged",
        # gzip: stdin: not in gzip format     tar: This does not look like a tar archive     cannot find zipfile …
        r"not in gzip format|does not look like a tar archive|gzip: stdin: unexpected end of file|"
        r"End-of-central-directory signature not found|File is not a zip file|invalid ELF header",
        meaning="a downloaded archive is not one: an error page, or cut off",
        fix="look at what lies at that address (curl -f fails instead of keeping an error's page)",
    ),
    make_node_cause(
        "bootstrap-memory",
        # /…/bootstrap.sh: line 12:  2345 Killed                  pip3 install tensorflow
        r"line \d+: +\d+ Killed +(?P<what>[^\n]{1,120})|\nKilled(?=\n|$)|virtual memory exhausted|"
        r"[Kk]illed \(program cc1plus\)|internal compiler error: Killed",
        meaning="the node had too little memory to install{what}",
        fix="a larger type, or wheels instead of builds and fewer packages at once",
    ),
    make_node_cause(
        "bootstrap-python",
        # hint: Wheels are available for `numpy` (v2.4.6) with the following Python ABI tag: `cp312` (uv)
        r"with the following Python (?:ABI tag|implementation tag)s?: `(?P<tag>[^`]+)`",
        # hint: Wheels are available for `tensorflow-cpu` (v2.19.0) on the following platform: `manylinux_2_17_…`
        r"on the following platforms?: `(?P<platform>[^`]+)`|no wheels with a matching \w+(?: \w+)? tag",
        # error: Distribution `av==17.0.1 @ …` can't be installed because it doesn't have a source distribution or wheel
        # for the current platform (MEDS_EIC_AR#161)
        r"Distribution `(?P<tag>[^` ]+)[^`]*` can't be installed because",
        # Because the requested Python version (>=3.9.25) does not satisfy Python>=3.11 … (uv)
        r"does not satisfy Python[<>=]",
        # error: Failed to install: numpy-2.4.6-cp312-….whl … The wheel is incompatible with the current Python
        r"[Ww]heel is incompatible with the current",
        # ERROR: Package 'pandas' requires a different Python: 3.7.16 not in '>=3.8' (pip)
        r"requires a different Python: (?P<tag>\S+ not in '[^']+')",
        # ERROR: numpy-….whl is not a supported wheel on this platform. (pip)
        r"is not a supported wheel on this platform",
        # ERROR: This script does not work on Python 3.7. The minimum supported Python version is 3.8. (get-pip.py)
        r"does not work on Python|minimum supported Python version|Python \d\.\d+ is (?:not supported|required)",
        # ERROR: This script requires Python 3.5 or later     requires python 3.5 or later
        # (amazon-archives/harmonize-search-analyze#3)
        r"requires [Pp]ython '?(?:>=)?3\.\d+(?:'| or (?:later|newer|above))?",
        meaning="the wheels and the node's Python or processor do not fit",
        fix="a release with Python 3.11 (EMR 7.1 or newer) and a wheelhouse for its processor: make wheelhouse ARCH=…",
        node=("python", "architecture"),
    ),
    make_node_cause(
        "bootstrap-package",
        # ERROR: No matching distribution found for septuptools (pip)
        r"No matching distribution found for (?P<package>[^\n]{1,100})",
        r"Could not find a version that satisfies the requirement (?P<package>\S{1,100})",
        # × No solution found when resolving dependencies: (uv)
        r"No solution found when resolving dependencies",
        # Error: Unable to find a match: python3.12-pip (dnf)     No package python34 available. (yum)
        r"Unable to find a match: (?P<package>[^\n]{1,100})|No package (?P<name>\S{1,100}) available",
        # ERROR: Cannot install x and y because these package versions have conflicting dependencies.
        r"because these package versions have conflicting dependencies|ResolutionImpossible",
        # nothing provides libstdc++.so.6(GLIBCXX_3.4.29) needed by x     Requires: glibc >= 2.28
        r"nothing provides (?P<package>\S{1,120})",
        r"none of the providers can be installed|Problem: conflicting requests|Error: Package: (?P<name>\S{1,120})|"
        r"package \S{1,120} conflicts with",
        # No match for argument: x     E: Unable to locate package x     has no installation candidate
        r"No match for argument: (?P<package>\S{1,120})|Unable to locate package (?P<name>\S{1,120})|"
        r"has no installation candidate|PackagesNotFoundError|Error: Nothing to do|UnsatisfiableError",
        # ERROR: Invalid requirement: 'x==' (from line 3 of requirements.txt)
        r"Invalid requirement: (?P<package>[^\n]{1,100})|Could not open requirements file",
        # requests 2.31 requires urllib3<3, but you have … which is incompatible.
        r"has inconsistent (?:version|Name|metadata)|has invalid metadata",
        meaning="a package cannot be had in the version that was asked for{package}",
        fix="a version that its index or the wheelhouse has: bootstrap/requirements.in, then make lock and make "
        "wheelhouse",
    ),
    make_node_cause(
        "bootstrap-system-python",
        # ERROR: Cannot uninstall requests 2.25.1, RECORD file not found. Hint: … installed by rpm. (datahub#13505)
        r"Cannot uninstall '?(?P<package>[\w.-]{1,80} ?[\w.]{0,20})'?[,.]?.{0,40}RECORD file",
        # error: uninstall-no-record-file … × Cannot uninstall pip 24.2 (microsoft/azurelinux#10867)
        r"uninstall-no-record-file",
        # error: externally-managed-environment (PEP 668; linuxserver/docker-mods#738)
        r"externally-managed-environment",
        # It is a distutils installed project and thus we cannot accurately determine which files belong to it
        r"distutils installed project",
        # Transaction check error: file /etc/init.d from install of … conflicts with file from package …
        r"conflicts with file from package (?P<package>\S{1,80})",
        r"Transaction (?:check|test) error",
        meaning="pip was told to change a package that belongs to the system{package}",
        fix="install into an environment of its own (uv venv, as our bootstrap does), never into the system's Python",
    ),
    make_node_cause(
        "bootstrap-build/missing",
        r"fatal error: (?P<missing>\S{1,80}\.h(?:pp)?): No such file",
        # /usr/bin/ld: cannot find -lpython3.9     ld: cannot find crti.o: No such file or directory
        r"\bld: cannot find (?P<missing>[^\s:]{1,80})",
        # Error: pg_config executable not found.     mysql_config not found     can't find Rust compiler
        r"(?P<missing>pg_config|mysql_config|krb5-config|llvm-config)\S* .{0,20}not found",
        r"can't find (?P<missing>Rust compiler)",
        r"(?P<missing>CMake) must be installed",
        r"(?:unable to execute|No such file or directory:) '?(?P<missing>gcc|g\+\+|cc|cmake)\b",
        meaning="a package has no wheel for this node, and what is needed to build it there is missing: {missing}",
        fix="a version with a wheel for the node's Python and processor (our wheelhouse holds wheels only), or dnf "
        "install what holds it (gcc, python3-devel, a -devel package) in a bootstrap action of your own",
    ),
    make_node_cause(
        "bootstrap-build",
        # ERROR: Failed building wheel for psycopg2     error: subprocess-exited-with-error
        r"Failed building wheel for (?P<package>\S{1,80})|Failed to build (?P<name>`?\S{1,80}`?)",
        # × python setup.py bdist_wheel did not run successfully. (uwsgi#2434)
        r"× (?P<package>[^\n]{1,120}) did not run successfully",
        r"subprocess-exited-with-error|error: command '?(?:gcc|x86_64-linux-gnu-gcc|g\+\+)'? failed",
        # Could not build wheels for x, which is required to install pyproject.toml-based projects
        r"Could not build wheels for (?P<package>[^\n,]{1,80})|invalid command 'bdist_wheel'|"
        r"Failed to build installable wheels",
        r"python setup\.py egg_info[^\n]{0,40} failed|metadata-generation-failed",
        meaning="a package has no wheel for this node, and could not be built there{package}",
        fix="a version with a wheel for the node's Python and processor; our wheelhouse holds wheels only",
    ),
    make_node_cause(
        "bootstrap-rights",
        # ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/python3.9/…'
        r"Permission denied: '(?P<where>[^'\n]{1,200})'",
        # error: could not create '/usr/lib/python2.7/site-packages/nco': Permission denied (nco/pynco#11)
        r"could not create '(?P<where>[^'\n]{1,200})': Permission denied",
        r"This command has to be run (?:with superuser privileges|under the root user)|You need to be root to perform|"
        r"are you root\?|[Rr]equires root privileges|must be (?:run as )?root",
        # mkdir: cannot create directory '/opt/x': Permission denied     tee: /etc/x: Permission denied
        r"(?:\w{1,20}: )(?:cannot [\w ]{1,40}|line \d+: )?['‘]?(?P<where>/[^'’\n:]{1,200})['’]?: Permission denied",
        # sudo: sorry, you must have a tty to run sudo     sudo: a password is required
        r"you must have a tty to run sudo|no tty present and no askpass|sudo: a (?:password|terminal) is required",
        meaning="the bootstrap may not write where it installs{where}",
        fix="sudo, or a folder that the user hadoop owns: a bootstrap action runs as hadoop",
    ),
    make_node_cause(
        "command-missing/bootstrap",
        # /emr/instance-controller/…/bootstrap.sh: line 7: pip: command not found
        r"line \d+: (?P<command>\S{1,120}): command not found",
        # /bin/bash^M: bad interpreter: No such file or directory
        r"(?P<command>\S{1,120}): bad interpreter",
        r"sudo: (?P<command>\S{1,120}): command not found|(?P<what>\S{1,120}): not found(?:\n|$)",
        # /usr/bin/env: 'python': No such file or directory     /usr/bin/python3.11: No module named pip
        r"env: ['‘](?P<command>\S{1,60}?)['’]: No such file|python\S{0,10}: (?P<what>No module named (?:pip|venv|"
        r"ensurepip|virtualenv|setuptools))",
        meaning="the bootstrap calls something that the node does not have{command}",
        fix="install it first, or call it by its whole path; a script with Windows' line ends names its interpreter "
        "with a ^M: save it with \\n alone",
    ),
    make_node_cause(
        "bootstrap-syntax",
        # install.sh: line 9: syntax error near unexpected token `fi'     unexpected end of file     unbound variable
        r"line (?P<where>\d+: (?:syntax error[^\n]{0,80}|unexpected EOF[^\n]{0,80}|\S{1,60}: unbound variable|"
        r"\[: [^\n]{1,60}))|[Ee]xec format error|: (?:invalid|unrecognized) option|no such option: (?P<what>\S{1,40})|"
        r"Unrecognized option",
        meaning="the bootstrap script itself is wrong{where}",
        fix="bash -n on it says where; a file with Windows' line ends has to be saved with \n alone",
    ),
    make_node_cause(
        "bootstrap-service",
        # Failed to start docker.service: Unit docker.service not found.     Job for x.service failed because …
        r"Unit (?P<where>\S{1,80}) (?:could not be|not) found|Job for (?P<name>\S{1,80}) failed|"
        r"(?P<what>\S{1,80}): unrecognized service",
        meaning="a service that the bootstrap starts is not there, or did not start{where}",
        fix="install it first; a bootstrap runs before EMR starts Hadoop's and Spark's own services",
    ),
    make_node_cause(
        "bootstrap-file",
        # cp: cannot stat '/etc/spark/conf': No such file or directory     tee: /usr/lib/spark/jars: No such file …
        r"(?:cp|mv|ln|chmod|chown|sed|cat|tar|tee|source|unzip|cd|bash|sh|python3?)\b[^\n]{0,40}?[ '‘:]"
        r"(?P<uri>[/~.]?[\w./+-]{2,200})['’]?: (?:Cannot open: )?No such file or directory",
        r"line \d+: (?P<uri>/\S{1,200}): No such file or directory|"
        r"user-provided path (?P<path>\S{1,200}) does not exist",
        meaning="a file that the bootstrap uses is not there{uri}",
        fix="upload it, or name it as it is; a bootstrap runs before Hadoop and Spark are installed, so /etc/spark and "
        "/usr/lib/spark are not there yet",
        weak=True,
    ),
    make_node_cause(
        "bootstrap-wheelhouse",
        meaning="the wheelhouse is not there, or not whole",
        fix=_UPLOAD.replace("the wheelhouse", "it"),
        node=("wheelhouse", "wheel-missing"),
    ),
    make_node_cause(
        "bootstrap-import",
        meaning="everything was installed, and yet TensorFlow does not run on the node",
        fix="see the traceback; it may be a processor without AVX: take another instance type",
        node=("import",),
    ),
    make_node_cause(
        "bootstrap-metastore",
        meaning="a node cannot reach the external Hive metastore that the cluster was given",
        fix="leave Hive's metastore out (this cluster has none), or open its port to the cluster's groups",
        codes=(
            "BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_PRIMARY",
            "BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_WORKER",
        ),
    ),
    make_node_cause(
        "bootstrap-script",
        # On the master instance (i-…), bootstrap action 1 could not be downloaded: s3://…: … (404) … Not Found
        r"bootstrap action \d+ could not be downloaded(?!.*(?:403|AccessDenied|Forbidden))",
        meaning="EMR could not fetch the bootstrap script",
        fix="upload it again (make apply does); let the nodes' role and the S3 endpoint reach the artifacts bucket",
        codes=("BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY", "BOOTSTRAP_FAILURE_FILE_NOT_FOUND_PRIMARY"),
    ),
    make_node_cause(
        "bootstrap-timeout",
        # On 2 slave instances (including i-… and i-…), bootstrap action 1 timed out     bootstrap action timeout
        r"bootstrap action \d* ?(?:timed out|timeout)|Bootstrap action timeout",
        meaning="a bootstrap action took longer than EMR waits",
        fix="install from the wheelhouse in your own bucket (it takes half a minute); fetch no data in a bootstrap",
    ),
)

OTHER = make_cause(
    "bootstrap-other",
    meaning="a bootstrap action failed",
    fix="see its words; then make destroy, and make apply again",
    command=AGAIN,
    node=("unexpected", "arguments", "tool", "prefix", "install"),
    codes=("BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"),
)
