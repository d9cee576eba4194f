"""Why EC2 and EMR start no cluster: capacity, quotas, types, subnets, groups, roles, keys."""

from functools import partial

from ops.diagnose.cause import make_cause

AGAIN = "make destroy, then make apply"
# Codes: https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-validation.html
make_launch_cause = partial(make_cause, command="make doctor, then make apply", cluster_only=True, launch_only=True)

ROWS = (
    make_launch_cause(
        "quota",
        # The request to create the EMR cluster or add EC2 instances to it failed. The number of vCPUs for instance type
        # m5.xlarge exceeds the EC2 service quota for that type. Request a service quota increase …
        r"The number of vCPUs for instance type (?P<where>[\w.-]{1,40}) exceeds the EC2 service quota",
        r"exceeds? (?:the|your) (?:EC2 )?(?:service )?(?:quota|limit)|EC2[ _]QUOTA[ _]EXCEEDED",
        # An error occurred (VcpuLimitExceeded) when calling the RunInstances operation: You have requested more vCPU
        # capacity than your current vCPU limit of 16 allows …
        r"VcpuLimitExceeded|MaxSpotInstanceCountExceeded|InstanceLimitExceeded|current vCPU limit",
        # Max spot instance count exceeded (aws/aws-parallelcluster#340)
        r"[Mm]ax(?:imum)? [Ss]pot instance count exceeded|[Ss]pot (?:instance )?(?:request )?limit (?:was )?exceeded",
        # The EBS volume limit was exceeded     Client.VolumeLimitExceeded: Volume limit exceeded
        r"EBS volume limit was exceeded|VolumeLimitExceeded|Max(?:imum)?(?:Iops|IOPS)LimitExceeded",
        r"(?:Address|NetworkInterface|SecurityGroup\w*|Fleet|FleetRequest\w*)(?:Limit|Count)Exceeded",
        # Your quota allows for 0 more running instance(s). You requested at least 2 (InstanceLimitExceeded)
        # VpcLimitExceeded: The maximum number of VPCs has been reached.     TooManyBuckets
        r"\w+LimitExceeded\b|maximum number of [\w ]{1,40} has been reached|TooManyBuckets",
        # You've reached your quota for maximum Fleet Requests (terraform-aws-eks#2149)     Cannot exceed quota for x
        r"(?:reached|[Ee]xceed\w*|hit|over) (?:your |the |an? )?(?:[\w-]+ ){0,3}(?:quota|limit)\b|"
        r"LimitExceededException",
        r"Your quota allows for \d+ more|current instance limit of|exceeds? (?:the )?(?:EC2 )?(?:instance|"
        r"vCPU) (?:limit|quota)",
        meaning="the account's quota does not allow the machines that were asked for{where}",
        fix="fewer vCPUs (IMAGES= MINUTES=, or core and task in infra/env/<env>.cluster.tfvars), or ask for more at "
        "AWS Service Quotas: L-1216C47A on demand, L-34B43A08 Spot; make doctor says how many are free",
    ),
    make_launch_cause(
        "no-capacity",
        # EC2 is out of capacity for r5.24xlarge in availability zone us-east-1a. Learn more at https://…
        r"EC2 is out of capacity(?: for (?P<where>\S{1,60} in availability zone [\w-]{1,40}))?",
        # We currently do not have sufficient m5.xlarge capacity in the Availability Zone you requested
        # (aws/aws-parallelcluster#2716, skyplane#299)
        r"do not have sufficient (?P<where>\S{1,40}) capacity in",
        # ReservationCapacityExceeded: The requested reservation does not have sufficient compatible and available
        # capacity for this request.     MaxSpotInstance…     There is no Spot capacity available that matches …
        r"ReservationCapacityExceeded|no Spot capacity available|not have (?:enough|sufficient) .{0,60}capacity",
        r"[Ii]nsufficient(?:Instance|Host|ReservedInstance)?Capacity|[Ii]nsufficient (?:instance )?capacity",
        # UnfulfillableCapacity: … there isn't enough spare capacity to fulfill your request for Spot Instances
        r"UnfulfillableCapacity|spare capacity to fulfill|no (?:Spot|spot) capacity (?:is )?available",
        # capacity-oversubscribed: Your Spot request was not fulfilled … (AlexsLemonade/refinebio#528)
        r"capacity-(?:oversubscribed|not-available)|no more unused capacity available",
        # Unable to provision Spot capacity within the timeout … Spot provisioning timeout
        r"(?:provision|acquire|fulfill)\w* .{0,60}capacity .{0,40}(?:within|timeout|timed out)|"
        r"[Ss]pot provisioning timeout|timed? ?out .{0,40}provisioning",
        meaning="EC2 has not enough machines of the types that were asked for{where}",
        fix="wait and try again, or give more types and zones, or machines on demand (core, task, zones in "
        "infra/env/<env>.cluster.tfvars)",
        command=AGAIN,
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-errordetail-internal.html
        codes=(
            "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
            "INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY",
            "INSTANCE_FLEET_TIMEOUT",
        ),
    ),
    make_launch_cause(
        "spot-price",
        # Your Spot request price of 0.03 is lower than the minimum required Spot request fulfillment price of 0.08.
        r"Spot request price of (?P<where>[\d.]+) is lower than|SpotMaxPriceTooLow|price-too-low",
        meaning="no Spot machine is to be had at the price that was offered{where}",
        fix="offer up to the on-demand price (EMR's default), or on demand in task (infra/env/<env>.cluster.tfvars)",
        command=AGAIN,
        codes=("INTERNAL_ERROR_SPOT_PRICE_INCREASE_PRIMARY",),
    ),
    make_launch_cause(
        "type-not-offered",
        # The requested instance type m7i.xlarge is not supported in the requested availability zone.
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED.html
        r"[Ii]nstance type '?(?P<where>[\w.-]+)'? is not (?:supported|valid|available|offered)",
        # Your requested instance type (m5.xlarge) is not supported in your requested Availability Zone (us-east-1e).
        r"instance type \((?P<where>[\w.-]+)\) is not supported in your requested Availability Zone",
        # Specified instance types are not supported …     Instance type 'x' not supported
        r"[Ii]nstance types? (?:'(?P<where>[\w.-]+)' )?(?:are )?not supported",
        # Unsupported: The requested configuration is currently not supported. Please check the documentation …
        r"requested configuration is currently not supported|InvalidInstanceType",
        meaning="an instance type is not offered where the cluster should run{where}",
        fix="other types or zones (core, task, primary, zones in infra/env/<env>.cluster.tfvars); make doctor checks",
        codes=("VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED",),
    ),
    make_launch_cause(
        "subnet-full",
        # The subnet subnet-09a8dd1de8c5a9eb6 does not have enough free addresses to satisfy the request.
        r"(?P<subnet>subnet-\w{8,17}) does not have enough free|InsufficientFreeAddressesInSubnet",
        # Subnet does not have enough free addresses (EMR, in shared networks)
        r"not (?:have )?enough (?:free|available) (?:IP )?(?:addresses|IPs)|insufficient (?:free|IP) addresses",
        meaning="the subnet has too few free addresses for the nodes{subnet}",
        fix="a larger network (cidr in infra/env/<env>.cluster.tfvars), fewer nodes, or end what else runs in it",
    ),
    make_launch_cause(
        "subnet-without-route",
        # The VPC/subnet configuration was invalid: No route to any external sources detected in Route Table for Subnet:
        # subnet-… for VPC: vpc-… (h2oai/h2o-3 pull 3844)
        r"No route to any external sources detected in Route Table for Subnet: (?P<subnet>subnet-\w{8,17})",
        # The subnet configuration was invalid: Cannot find route to InternetGateway in main RouteTable rtb-…
        # https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-troubleshoot-error-vpc.html
        r"Cannot find route to (?:InternetGateway|NAT)|[Nn]o route to (?:the )?(?:[Ii]nternet|S3)",
        meaning="the network leads nowhere: the subnet has no route to S3 and EMR{subnet}",
        fix="a gateway endpoint for S3, or enable_nat (infra/modules/network); a public subnet needs an internet "
        "gateway in its route table",
    ),
    make_launch_cause(
        "subnet-unusable",
        # The subnet ID 'subnet-…' does not exist     InvalidSubnetID.NotFound
        r"subnet(?: ID)? '?(?P<subnet>subnet-\w{8,17})'? does not exist|InvalidSubnetID|InvalidVpcID",
        # No default VPC for this user     VPCIdNotSpecified     no default subnet
        r"No default (?:VPC|subnet)|VPCIdNotSpecified|MissingInput: No default",
        r"subnets? .{0,40}(?:same|one|different) VPC",
        # The subnet configuration was invalid: The subnet subnet-f384febf does not exist. (pyspark-on-aws-emr#3)
        r"(?:subnet|VPC)\w* (?P<subnet>(?:subnet|vpc)-\w{8,17}) (?:does not|cannot|is not)",
        # Subnet is required : The specified instance type m4.large can only be used in a VPC. (dart#74)
        r"can only be used in a VPC|[Ss]ubnet is required|VPCResourceNotSpecified",
        # ValidationException: The supplied ecSubnetId is not valid. (dimajix/terraform-emr-training#1)
        r"supplied \w*[Ss]ubnetIds? (?:is|are) not valid",
        # DNS hostnames are not enabled in the VPC     DHCP options
        r"(?:DNS [Hh]ostnames?|DNS [Rr]esolution|enableDns\w+) .{0,60}(?:not|disabled)|DHCP options",
        meaning="a subnet or network that the cluster was given cannot be used{subnet}",
        fix="take the subnets of make apply (infra/modules/network): all of one VPC, and there",
        codes=("VALIDATION_ERROR_SUBNET_NOT_FROM_ONE_VPC",),
    ),
    make_launch_cause(
        "public-access-blocked",
        # The security group sg-0ab… violates the block public access configuration … (terraform-aws-emr#10)
        r"[Bb]lock[ -]public[ -]access|BlockPublicAccess",
        # The EC2 Security Groups [sg-…] contain one or more ingress rules to ports other than [22] which allow public …
        r"(?:Security Groups? \[(?P<group>sg-\w{8,17}[^\]]{0,200})\] )?contain one or more ingress rules to ports "
        r"other than .{0,40} which allow public access",
        meaning="a security group of the cluster is open to the whole internet, and the account forbids that{group}",
        fix="close it: no rule from 0.0.0.0/0 or ::/0 but on port 22; make shell needs no open port",
    ),
    make_launch_cause(
        "security-group",
        # ServiceAccessSecurityGroup is missing ingress rule from EmrManagedMasterSecurityGroup on port 9443
        # (hashicorp/terraform#25673, terraform-aws-emr#34)
        r"is missing (?:an )?(?:ingress|egress) rule (?P<group>from \S{1,80} on port \d+)?",
        # You must also specify a ServiceAccessSecurityGroup if you use custom security groups when creating a cluster
        # in a private subnet. (hashicorp/terraform#9518)
        r"must also specify a ServiceAccessSecurityGroup",
        # The security group 'sg-9cb48144' does not exist (aws-cloudformation-templates#478)
        r"security group '?(?P<group>sg-\w{8,17})'? (?:in VPC '?\S{1,40}'? )?does not exist|InvalidGroup\.NotFound",
        r"security groups? .{0,60}(?:same|one|different|not (?:belong|from)).{0,20} (?:VPC|network)",
        meaning="a security group of the cluster is missing, or lacks a rule{group}",
        fix="take the groups of make apply (infra/modules/network/groups.tf): primary, core and service access, with "
        "9443 from the primary group to the service's and 8443 back",
        codes=("VALIDATION_ERROR_SECURITY_GROUP_NOT_FROM_ONE_VPC",),
    ),
    make_launch_cause(
        "kms-key",
        # Instance i-… was terminated: Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state
        r"InvalidKMSKey|InvalidKmsKey|KMS key provided is in an incorrect state",
        # KMS.DisabledException     arn:aws:kms:… is disabled.     is pending deletion.
        r"KMS\.?(?:Disabled|InvalidState|NotFound)\w*|KMSInvalidStateException|DisabledException",
        r"(?P<key>arn:aws[\w-]*:kms:\S{1,200}) (?:is disabled|is pending|does not exist)",
        r"customer master key that does not exist|ciphertext refers to",
        # Volume vol-… of a cluster ended at launch: Client.InternalError: Client error on launch
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html (encrypted volumes)
        r"Client\.InternalError: Client error on launch",
        meaning="a key of KMS cannot be used{key}",
        fix="enable it, or cancel its deletion (aws kms describe-key says its state), and let the cluster's roles use "
        "it (kms:Decrypt, kms:GenerateDataKey, kms:CreateGrant)",
    ),
    make_launch_cause(
        "role-missing",
        # Invalid InstanceProfile: fruits-dev-emr-node.     InstanceProfile is required for creating cluster
        # Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name
        r"(?i)invalid (?:iam)? ?instance ?profile|instance ?profile (?:is required|\S{0,200} (?:does not|cannot|not))|"
        r"parameter iamInstanceProfile|instance profile not yet created",
        # Service role fruits-dev-emr-service does not exist.
        r"Service role \S+ does not exist|has no role\.",
        # NoSuchEntity: The role with name EMR_DefaultRole cannot be found.
        r"[Rr]ole with name \S{1,200} cannot be found|NoSuchEntity\w*: .{0,60}[Rr]ole",
        # EMR service role arn:aws:iam::…:role/EMR_DefaultRole is invalid (beginner_de_project#28, aws-cdk#27736)
        r"(?:EMR )?[Ss]ervice role \S{1,300} is (?:invalid|missing)|EMR_(?:EC2_)?DefaultRole is (?:invalid|missing)",
        # Failed to authorize instance profile fruits-dev-emr-node
        r"Failed to authorize instance profile",
        # Service-linked role 'AWSServiceRoleForEMRCleanup' for EMR is required. (awslabs/aws-emr-launch#4)
        r"Service-linked role '?\S{1,80}'? .{0,30}required",
        # … is not authorized to assume role     Unable to assume role
        r"(?:cannot|unable to|not authorized to) assume (?:the )?(?:service )?role",
        meaning="a role or instance profile of the cluster is not there, or not usable",
        fix="make apply again: a role made seconds before is not known everywhere at once",
        command=AGAIN,
    ),
    make_launch_cause(
        "key-pair-missing",
        # The given SSH key name was invalid (Yelp/mrjob#2178)     InvalidKeyPair.NotFound
        r"InvalidKeyPair\.NotFound|key pair '?[^'\n]{1,80}'? does not exist|[Ii]nvalid SSH key|SSH key name (?:was|"
        r"is) invalid",
        meaning="the SSH key pair that the cluster was given is not there",
        fix="leave it out: make shell needs none",
        command=AGAIN,
        codes=("VALIDATION_ERROR_INVALID_SSH_KEY_NAME",),
    ),
    make_launch_cause(
        "release-unusable",
        # The supplied release label is invalid: emr-7.99.0.
        r"release label is invalid:? ?(?P<where>\S{0,40}?)\.?(?:\s|$)|[Uu]nsupported release",
        # Specified applications: [x] are not supported in release emr-…
        r"applications?.{0,80}(?:is|are) (?:invalid|not supported)",
        meaning="the EMR release, or an application of it, cannot be had{where}",
        fix="a release that EMR still offers: release_label in infra/env/<env>.cluster.tfvars",
    ),
    make_launch_cause(
        "image-unusable",
        # The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the
        # specified AMI.     InvalidAMIID.NotFound
        r"architecture '(?P<where>\w+)' of the specified (?:instance type|AMI) does not match|InvalidAMIID",
        # The image id '[ami-…]' does not exist     You are not authorized to use AMI     custom AMI … must be …
        r"image id '\[?(?P<image>ami-\w+)\]?' does not exist|InvalidAMI\w*|[Cc]ustom AMI .{0,80}(?:must|invalid|not)",
        meaning="the machine image cannot be started on this instance type{where}",
        fix="types of one processor (arm64 or x86_64) with an image for it; leave custom_ami_id out",
    ),
    make_launch_cause(
        "volume-unusable",
        # InvalidBlockDeviceMapping: Volume of size 15GB is smaller than snapshot 'snap-…', expect size >= 30GB
        # (scylladb#6999, nixpkgs#15148)
        r"Volume of size \w+ is smaller than\s+snapshot.{0,80}(?P<where>expect size ?>= ?\w+)",
        r"InvalidBlockDeviceMapping|VolumeTypeNotAvailable|InvalidSnapshot\.NotFound|requires? (?:an )?EBS (?:volume|"
        r"storage)",
        meaning="a disk of the nodes cannot be made as it was asked for{where}",
        fix="a larger root volume (root_volume_gib in infra/env/<env>.cluster.tfvars), or volumes that the type and "
        "the zone offer (gp3)",
    ),
    make_launch_cause(
        "account-not-ready",
        # PendingVerification: Your account is currently being verified. (aws-parallelcluster, kops)
        r"PendingVerification|account is (?:currently )?being (?:verified|validated)|"
        r"request for accessing resources in this region is being validated",
        # OptInRequired: You are not subscribed to this service.     Blocked: This account is currently blocked …
        r"OptInRequired|not subscribed to this service|account is (?:currently )?(?:blocked|suspended)|"
        r"SubscriptionRequired|region is not enabled|not (?:signed up|activated)",
        meaning="AWS does not let this account start machines (yet)",
        fix="sign in to the console as the account's owner and see what it asks for (a payment method, a verification, "
        "a service to be subscribed to); AWS answers at support, mostly within a day",
    ),
    make_launch_cause(
        "configuration-refused",
        # Duplicate classifications …     Classification … is invalid     The security configuration x does not exist
        r"[Cc]lassifications? .{0,80}(?:invalid|not (?:valid|supported|allowed)|[Dd]uplicate)|"
        r"[Dd]uplicate classification",
        r"[Ss]ecurity [Cc]onfiguration (?:with name )?'?(?P<where>\S{1,80}?)'? (?:does not|cannot|was not)",
        meaning="EMR refuses a part of the cluster's configuration{where}",
        fix="the part that it names: applications, configurations and security_configuration of infra/modules/emr; "
        "make apply's own are accepted",
    ),
    make_launch_cause(
        "name-taken",
        # EntityAlreadyExists: Role with name x already exists.     BucketAlreadyExists     InvalidGroup.Duplicate
        r"(?P<what>EntityAlreadyExists\w*|BucketAlready\w+|Invalid\w+\.Duplicate|ResourceAlreadyExists\w*)",
        meaning="something of that name is there already{what}",
        fix="another run or person made it: make status shows what is there; make destroy removes what is ours, or "
        "another name (project, env)",
        command="make status, then make apply",
    ),
    make_launch_cause(
        "state-locked",
        r"Error acquiring the state lock|state blob is already locked",
        meaning="Terraform's state is locked: another run is under way, or one was cut off",
        fix="wait for the other to end; where nothing runs any more, remove its lock: terraform force-unlock with the "
        "ID that Terraform prints, in build/terraform/<environment>/infra/cluster",
        command="make apply",
    ),
    make_launch_cause(
        "ec2-throttled",
        # Throttled from Amazon EC2 while launching cluster     RequestLimitExceeded
        r"Throttled from Amazon EC2|throttling from Amazon EC2|RequestLimitExceeded|ThrottlingException|Rate exceeded",
        meaning="EC2 refused the launch because it was asked too often",
        fix="wait a few minutes, then make apply again",
        command=AGAIN,
    ),
    make_launch_cause(
        "application-provisioning",
        # On the master instance (i-0991cbf940d71cbfd), application provisioning failed
        r"application provisioning (?:failed|timed out)",
        meaning="EMR could not set up Hadoop or Spark on a node",
        fix="once: make apply again. Each time: let the nodes reach Amazon's repositories through the S3 endpoint "
        "(infra/modules/network/endpoints.tf), and DNS as AmazonProvidedDNS gives it; node/<instance>/provision-node/ "
        "has the reason",
        command=AGAIN,
    ),
    make_launch_cause(
        "instance-failed",
        # EC2's StateReason codes: Server.InternalError, Server.ScheduledStop, Client.UserInitiatedShutdown, …
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
        r"(?P<where>(?:Server|Client)\.(?:InternalError|ScheduledStop|Instance\w+|UserInitiated\w+|"
        r"UserInitiatedShutdown|UserInitiatedHibernate))",
        # The master node was terminated.     All instances in the job flow are terminated (Yelp/mrjob#1822)
        r"master node was terminated|[Aa]ll instances in the job ?flow (?:are|were) terminated",
        meaning="an instance ended while the cluster started, or without being asked{where}",
        fix="once: make apply again. Each time: EC2's reason above; other types or zones (core, task, primary, zones "
        "in infra/env/<env>.cluster.tfvars)",
        command=AGAIN,
        weak=True,
        codes=("INSTANCE_FAILURE",),
    ),
)
