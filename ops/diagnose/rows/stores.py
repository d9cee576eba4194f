"""What object stores answer: rights, credentials, regions, what is not there, too many questions; and HDFS."""

from ops.diagnose.cause import make_cause

_REACH = (
    "let the endpoint reach it (infra/modules/network/endpoints.tf); nothing but S3 is reachable without enable_nat"
)

ROWS = (
    make_cause(
        "credentials",
        # Status Code: 403, AWS Error Code: InvalidAccessKeyId, … (pydata/parallel-tutorial#13)
        r"InvalidAccessKeyId|INVALID_ACCESS_KEY_ID|SignatureDoesNotMatch|SIGNATURE_DOES_NOT_MATCH",
        # ExpiredToken: The provided token has expired.     InvalidToken
        r"ExpiredToken|EXPIRED_TOKEN|InvalidToken\b|security token included in the request is (?:invalid|expired)",
        # NoAuthWithAWSException: No AWS Credentials provided by …     Unable to locate credentials (boto3#902)
        r"NoAuthWithAWSException|NoCredentialsError|Unable to (?:locate|load) (?:AWS )?credentials",
        # InvalidClientTokenId     No valid credential sources found     Token has expired and refresh failed (SSO)
        r"InvalidClientTokenId|No valid credential sources|Token has expired and refresh failed|"
        r"SSO session .{0,60}(?:expired|invalid)|InvalidIdentityToken|credentials? (?:have|has) expired",
        r"NO_CREDENTIALS|No AWS Credentials provided|RequestTimeTooSkewed|UnrecognizedClientException",
        # Unable to load AWS credentials from any provider in the chain     Failed to load credentials from IMDS
        r"credentials from (?:any|service endpoint|IMDS)|Failed to connect to service endpoint|"
        r"(?:Partial|No) credentials (?:found|provided)|config profile \(\S{1,80}\) could not be found",
        # The AWS Access Key Id you provided does not exist in our records.     AWS Access Key ID and Secret Access Key
        # must be specified as the username or password (respectively) of a s3n URL
        r"Access Key Id you provided does not exist|AWS Access Key ID and Secret Access Key must be|AuthFailure\b|"
        r"request signature we calculated does not match|AWS authentication requires|Authorization header",
        meaning="the store does not accept who the nodes say they are",
        fix="set no keys: the nodes' role (infra/modules/iam/instance_role.tf) is enough; keys in "
        "spark.hadoop.fs.s3a.* or the environment go before it, and expire",
    ),
    make_cause(
        "kms-key/store",
        # software.amazon.awssdk.services.kms…: arn:aws:kms:… is disabled. (Service: Kms, … DisabledException)
        r"KMS\.?(?:Disabled|InvalidState|NotFound)\w*|KMSInvalidStateException",
        r"(?P<key>arn:aws[\w-]*:kms:\S{1,200}) (?:is disabled|is pending|does not exist)",
        meaning="a key of KMS cannot be used{key}",
        fix="enable it, or cancel its deletion: aws kms describe-key says its state",
    ),
    make_cause(
        "bucket-refuses",
        # AccessControlListNotSupported: The bucket does not allow ACLs
        r"(?P<where>AccessControlListNotSupported|bucket does not allow ACLs)",
        r"(?P<where>ServerSideEncryptionConfigurationNotFound\w*|requires? AWS Signature Version 4)",
        # The operation is not valid for the object's storage class (Glacier)
        r"(?P<where>InvalidObjectState|not valid for the object's (?:storage class|access tier))",
        meaning="a bucket's own settings refuse the request{where}",
        fix="leave ACLs out of what is written (spark.hadoop.fs.s3a.acl.default, fs.s3.canned.acl), and ask for the "
        "encryption that the bucket's policy wants",
    ),
    make_cause(
        "access-denied",
        # User: arn:aws:sts::123456789012:assumed-role/fruits-dev-emr-node/i-0ab is not authorized to perform:
        # s3:PutObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:PutObject action
        # EC2 Message: You are not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:…
        r"(?:(?P<principal>arn:[^\s:]{1,20}:\S{1,300}) )?(?:is|are) not authorized to (?:perform|call)(?: this "
        r"operation)?(?:: (?P<action>[\w-]+:\w+)(?: on (?:resource: )?\"?(?P<resource>arn:[^\s\",]{1,1000}))?)?",
        # When listing objects under key 'x' in bucket 'b': AWS Error ACCESS_DENIED during ListObjectsV2 operation: …
        r"(?:key '(?P<key>[^'\n]{0,1000})' )?in bucket '(?P<bucket>[^'\n]{1,100})': AWS Error ACCESS_DENIED during "
        r"(?P<operation>\w+) operation",
        # When testing for existence of bucket 'b': AWS Error ACCESS_DENIED during HeadBucket operation: No …
        r"(?:bucket '(?P<bucket>[^'\n]{1,100})': )?AWS Error ACCESS_DENIED(?: during (?P<operation>\w+) operation)?",
        # fatal error: An error occurred (AccessDenied) when calling the ListObjectsV2 operation: Access Denied
        # An error occurred (403) when calling the HeadObject operation: Forbidden
        r"An error occurred \((?:AccessDenied\w*|403|UnauthorizedOperation)\) when calling the (?P<operation>\w+)",
        # java.nio.file.AccessDeniedException: s3://b/k: getFileStatus on s3://b/k: …AmazonS3Exception: Forbidden
        r"java\.nio\.file\.AccessDeniedException: (?P<uri>s3[an]?://\S{1,1000}?):? (?P<call>[\w -]{1,60}?)(?: on |:|\n|"
        r"$)",
        # operation error EMR: RunJobFlow, https response error StatusCode: 400, …, api error AccessDeniedException: …
        r"operation error (?P<service>[\w ]{1,40}): (?P<operation>\w{1,60}), .{0,200}(?:AccessDenied|"
        r"UnauthorizedOperation)",
        # com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; …
        r"(?:AmazonS3Exception|S3Exception): (?:Access Denied|Forbidden|User: )|Status Code: 403",
        # User account is not authorized to call EC2.     emr-troubleshoot-error-permissions
        r"[Aa]ccount is not authorized to call EC2|insufficient EC2 permissions",
        meaning="{action} on {resource} was refused",
        fix="{grant}",
        command="make apply, then make run-step",
    ),
    make_cause(
        "wrong-region",
        # AWS Error UNKNOWN (HTTP status 301) during HeadObject operation: No response body. Looks like the configured
        # region is 'eu-west-3' while the bucket is located in 'us-east-2'.   (pyarrow; apache/arrow)
        r"configured region is '(?P<configured>[^'\n]{0,40})' while the bucket is located in '"
        r"(?P<region>[^'\n]{1,40})'",
        # The authorization header is malformed; the region 'eu-west-3' is wrong; expecting 'us-east-1'
        r"the region '(?P<configured>[^'\n]{0,40})' is wrong; expecting '(?P<region>[^'\n]{1,40})'",
        # The bucket is in this region: us-east-1. Please use this region to retry … (apache/hadoop pull 1820)
        r"bucket is in this region: (?P<region>[\w-]{1,40})",
        # The bucket you are attempting to access must be addressed using the specified endpoint. (… 301 …
        r"must be addressed using the specified endpoint",
        # AWS Error UNKNOWN (HTTP status 301) during CreateMultipartUpload operation (crowemi/target-s3#4)
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|AWSRedirectException|"
        r"HTTP status 301|Status Code: 301",
        # NoRegionError: You must specify a region.     Unable to load region from any of the providers in the chain
        r"NoRegionError|You must specify a region|Unable to (?:load|find a) region",
        meaning="a bucket is in another region{elsewhere}",
        fix="take a bucket of the cluster's region, or set REGION= to the bucket's for make apply and make run-step",
    ),
    make_cause(
        "wrong-region/bad-request",
        # AmazonS3Exception: Bad Request (Service: Amazon S3; Status Code: 400; Error Code: 400 Bad Request; …
        r"Error Code: 400 Bad Request|S3Exception: (?:Bad Request|null) \(Service: (?:Amazon )?S3[;,] Status Code: 400",
        meaning="S3 calls the request bad (400), and says no more: its region or endpoint is not the bucket's, or the "
        "credentials are not whole",
        fix="set REGION= to the bucket's, and no keys: the nodes' role is enough (a session token is part of temporary "
        "keys)",
        distinction="aws s3api head-bucket --bucket …: it names the bucket's region, and works only with good "
        "credentials",
    ),
    make_cause(
        "address-wrong",
        # IllegalArgumentException: Wrong FS: s3://b/x, expected: hdfs://ip-10-0-0-7:8020
        r"Wrong FS: (?P<where>\S{1,300}, expected: \S{1,200})",
        # URISyntaxException: Relative path in absolute URI: a:b     Can not create a Path from an empty string
        r"URISyntaxException: (?P<where>[^\n]{1,200})|Can ?not create a Path from (?P<what>\S{1,20} \w+ string)",
        r"Pathname (?P<where>\S{0,300}) from .{0,300}is not a valid DFS filename|Incomplete HDFS URI",
        meaning="an address is not one, or not of the store that is asked for it{where}",
        fix="write it whole, with its store: s3://bucket/folder; no blanks and no colons in names",
    ),
    make_cause(
        "output-shared",
        # FileNotFoundException: File s3://b/x/_temporary/0 does not exist.
        r"File(?:NotFoundException: (?:File )?)?\S{0,300}_temporary/\S{0,200} does(?:n't| not) exist|"
        r"No such file or directory:? '?\S{0,300}/_temporary/",
        meaning="what a job was writing was removed under it: two runs write to one address, or one cleans up after "
        "another",
        fix="one run at a time for an OUTPUT= (our job's lease sees to it), or another OUTPUT=",
    ),
    make_cause(
        "bucket-missing",
        # AWS Error NO_SUCH_BUCKET during …     (NoSuchBucket) when calling …     The specified bucket does not exist
        # java.io.IOException: Bucket mnt does not exist (S3A; scality/Zenko#990)
        r"NO_SUCH_BUCKET|NoSuchBucket|specified bucket does not exist|UnknownStoreException|"
        r"[Bb]ucket '?[\w.-]{3,63}'? does not exist",
        meaning="a bucket that was named does not exist",
        fix="check its spelling in INPUT= and OUTPUT=; make status shows yours",
    ),
    make_cause(
        "bucket-name",
        # IllegalArgumentException: The bucketName parameter must be specified.     null uri host.     … null/empty
        r"bucketName parameter must be specified|null uri host|bucket is null/empty|Invalid bucket name|"
        r"Bucket name should not|InvalidBucketName",
        meaning="a bucket's name cannot be used in an address",
        fix="lower-case letters, digits and hyphens only, no underscore, and no number at its end",
    ),
    make_cause(
        "connector-missing",
        # UnsupportedFileSystemException: No FileSystem for scheme "s3" (gettyimages/docker-spark#57)
        r"No FileSystem for scheme:? \"?(?P<where>\w+)",
        # ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found (jupyter/docker-stacks#272)
        r"Class (?P<where>\S{1,120}FileSystem) not found",
        meaning="Spark has no connector for the store that an address names{where}",
        fix="on EMR write s3://…, which its own connector serves, and add no hadoop-aws jar; elsewhere see "
        "docs/elsewhere/object-stores.md",
    ),
    make_cause(
        "connections-exhausted",
        # SdkClientException: Unable to execute HTTP request: Timeout waiting for connection from pool
        r"Timeout waiting for connection from pool|Acquire operation took longer than the configured|"
        r"Connection pool (?:is )?(?:exhausted|shut down)",
        meaning="all connections to the store that a process may have were taken{where}",
        fix="more connections: spark.hadoop.fs.s3a.connection.maximum, on EMR fs.s3.maxConnections (emrfs-site); and "
        "close what is opened (a stream that is not closed keeps its connection)",
    ),
    make_cause(
        "connection-broken",
        # Premature end of Content-Length delimited message body (expected: 4,194,304; received: 16,384)
        r"Premature end of (?:Content-Length delimited message body|chunk coded message body)|Premature EOF",
        r"IncompleteReadError|IncompleteRead\(|SSL peer shut down incorrectly|"
        r"Your socket connection to the server was not read from or written to",
        r"Status Code: 500|Error Code: InternalError|InternalError\) when calling",
        # Unable to execute HTTP request: Connection reset     Read timed out (SdkClientException)
        r"Unable to execute HTTP request: (?:Connection reset|Broken pipe|Read timed out|Remote host)",
        meaning="the store ended a connection in the middle of a transfer{where}",
        fix="run the step again: it continues where it stopped; each time at the same object: look at that object",
    ),
    make_cause(
        "s3-throttled",
        # AWS Error SLOW_DOWN during GetObject operation: Please reduce your request rate.     (… SlowDown; …
        r"SLOW_DOWN|SlowDown|reduce your request rate|AWSServiceThrottledException|Status Code: 503",
        meaning="S3 answered too often that it is asked too much",
        fix="run the step again: it continues where it stopped; fewer vCPUs ask less",
    ),
    make_cause(
        "service-throttled",
        r"ThrottlingException|ThrottledException|Rate exceeded|ProvisionedThroughputExceeded|TooManyRequests",
        meaning="a service of AWS answered that it is asked too often",
        fix="run the step again, later; fewer steps and smaller clusters at once ask less",
    ),
    make_cause(
        "file-missing",
        # java.io.FileNotFoundException: No such file or directory: s3://b/jobs/x.py
        # java.io.FileNotFoundException: File file:/opt/gone/featurize.py does not exist
        r"FileNotFoundException: (?:No such file or directory:|File(?: does not exist:)?) ?(?P<uri>(?:s3|file|"
        r"hdfs)\S*)",
        r"NoSuchKey|NO_SUCH_KEY|\(404\) when calling the HeadObject",
        # EMRFS: java.io.FileNotFoundException: No such file or directory 's3://b/x'     File does not exist: hdfs://…
        r"No such file or directory:? '?(?P<uri>(?:s3[an]?|hdfs|gs|abfss?|file)://[^\s']{1,400})|"
        r"File does not exist: (?P<path>(?:hdfs:|/)\S{1,400})",
        # FileNotFoundException: /mnt/x.csv (No such file or directory)
        r"FileNotFoundException: (?P<uri>/[^\s(]{1,300}) \(No such file or directory\)",
        # It is possible the underlying files have been updated.
        r"It is possible the underlying files have been updated",
        # Warning: Local jar /opt/x.jar does not exist, skipping. (geotrellis#1579)     File /opt/job.py does not exist
        r"(?:Local (?:jar|file)|File file:) ?(?P<uri>/\S{1,300}) does not exist",
        # python3: can't open file '/mnt/tmp/gone.py': [Errno 2] No such file or directory
        r"can't open file '(?P<uri>[^'\n]{1,300})'",
        meaning="a file that the step names is not there{uri}",
        fix="submit by make run-step, which uploads what the step needs",
    ),
    make_cause(
        "input-missing/spark",
        # pyspark.…AnalysisException: [PATH_NOT_FOUND] Path does not exist: file:/data/gone.
        r"Path does not exist: (?P<uri>\S{1,400})|PATH_NOT_FOUND",
        # AnalysisException: s3a://b/events/x doesn't exist
        r"AnalysisException: (?P<uri>(?:s3|hdfs|file|abfs|gs)\S{1,400}) (?:doesn't|does not) exist",
        # org.apache.hadoop.mapred.InvalidInputException: Input path does not exist: s3://b/x
        r"Input path does not exist: (?P<uri>\S{1,400})|matches 0 files",
        r"Unable to infer schema for|UNABLE_TO_INFER_SCHEMA",
        meaning="there is nothing at an address that is read{uri}",
        fix="check INPUT=; make upload-dataset INPUT=folder puts images there",
        command="make upload-dataset INPUT=folder, then make run-step",
    ),
    make_cause(
        "output-exists",
        # AnalysisException: [PATH_ALREADY_EXISTS] Path s3://b/x already exists.     FileAlreadyExistsException
        r"PATH_ALREADY_EXISTS|[Pp]ath (?P<uri>(?:s3|hdfs|file)\S{1,400}) already exists|FileAlreadyExistsException|"
        r"Output directory (?P<folder>\S{1,400}) already exists",
        meaning="there is something already where results should go{uri}",
        fix="another OUTPUT=; our job continues in its own folder, a plain write needs mode('overwrite')",
    ),
    make_cause(
        "data-unreadable",
        # RuntimeException: s3://b/x.parquet is not a Parquet file. Expected magic number at tail …
        r"(?P<uri>(?:s3|hdfs|file)\S{1,400}) is not a Parquet file|[Ee]xpected magic number at tail",
        # Parquet magic bytes not found in footer.     Malformed ORC file
        r"Parquet magic bytes not found|Malformed ORC file|CANNOT_READ_FILE_FOOTER|Could not read footer",
        # PIL.UnidentifiedImageError: cannot identify image file 'x.jpg'     OSError: image file is truncated
        r"cannot identify image file|image file is truncated|broken data stream when reading image",
        # EOFException: Unexpected end of input stream     incorrect header check     not in gzip format
        r"Unexpected end of (?:input|ZLIB) stream|incorrect header check|not in (?:gzip|GZIP) format|"
        r"file signature not found|truncated file|invalid magic number|BadZipFile|CRC check failed",
        # Malformed records are detected in record parsing     MALFORMED_RECORD_IN_PARSING     CANNOT_DECODE
        r"ChecksumException|Checksum (?:error|mismatch)|[Nn]ot an? (?:Avro )?data file|not a SequenceFile|"
        r"invalid stored block lengths|Invalid (?:UTF-8|JSON)|MALFORMED_\w+|[Mm]alformed (?:records|CSV|JSON)|"
        r"UnicodeDecodeError: 'utf",
        # Parquet column cannot be converted in file s3://…  Column: [x], Expected: double, Found: INT64
        r"[Cc]olumn(?: type)? (?:cannot be|could not be) converted in file|SchemaColumnConvertNotSupported\w*",
        meaning="a file that is read is not what it should be{uri}",
        fix="repair or remove it; one that was cut off while it was written is the usual one",
    ),
    make_cause(
        "hdfs-full",
        # could only be written to 0 of the 1 minReplication nodes. There are 2 datanode(s) running and …
        # File … could only be replicated to 0 nodes instead of 1 (emr-troubleshoot-error-resource-2)
        r"could only be (?:replicated|written) to 0 |Cannot replicate block, only managed to replicate to zero",
        r"(?:NSQuota|DSQuota|Quota)ExceededException|[Nn]ame node is in safe mode|SafeModeException",
        meaning="HDFS has no room, or no node that takes a block",
        fix="write to s3:// instead; otherwise more core nodes (core in infra/env/<env>.cluster.tfvars)",
    ),
    make_cause(
        "hdfs-unreachable",
        # Call From ip-10-0-0-7/10.0.0.7 to ip-10-0-0-9:8020 failed on connection exception: … Connection refused
        r"Call From \S{1,200} to (?P<where>\S{1,200}:(?:8020|9000|9820)) failed on",
        r"Retrying connect to server: (?P<where>\S{1,200}:(?:8020|9000|9820))",
        r"Operation category \w+ is not supported in state standby",
        meaning="HDFS did not answer{where}",
        fix="write to s3:// instead; its NameNode runs on the primary node: make status says whether that lives",
        command="make status, then make apply",
    ),
    make_cause(
        "hdfs-rights",
        # AccessControlException: Permission denied: user=ana, access=WRITE, inode="/user":hdfs:hdfsadmingroup:…
        r"Permission denied: (?P<where>user=\S{1,60}, access=\w+, inode=\S{1,200})",
        meaning="a user may not write in a folder of HDFS{where}",
        fix="write to s3:// instead, or as the user hadoop, which owns /user/hadoop",
    ),
    make_cause(
        "network-unreachable",
        # AWS Error NETWORK_CONNECTION during …: curlCode: 28, Timeout was reached
        r"NETWORK_CONNECTION|curlCode: (?:6|7|28)\b",
        # java.net.UnknownHostException: fruits.s3.eu-west-3.amazonaws.com
        r"UnknownHostException:? ?(?P<where>[\w.-]{0,120})|Could not connect to the endpoint URL",
        # ConnectTimeoutException: Connect to b.s3.eu-west-3.amazonaws.com:443 […] failed: connect timed out
        r"Connect to (?P<where>[\w.-]{1,120}amazonaws\.com):\d+ .{0,200}(?:timed out|refused)",
        r"Connect timeout on endpoint URL|Unable to execute HTTP request: .{0,200}(?:timed out|[Tt]imeout)",
        meaning="a service could not be reached from the cluster{where}",
        fix=_REACH,
    ),
    make_cause(
        "network-unreachable/sign",
        r"[Cc]onnect(?:ion)?(?: to \S{1,120}(?: \[[^\]]{0,200}\])?)?(?: failed:)? [Cc]?onnect(?:ion)? timed out|"
        r"[Cc]onnect(?:ion)? timed out",
        r"Network is unreachable|No route to host|Name or service not known|Temporary failure in name resolution",
        meaning="a service could not be reached from the cluster{where}",
        fix=_REACH,
        weak=True,
    ),
)
