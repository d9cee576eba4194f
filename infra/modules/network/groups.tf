# Our own security groups, never the ones that EMR would make: those survive the cluster and block the VPC's destroy
# (hashicorp/terraform-provider-aws issues 1454, 8285, 27747). EMR adds its rules between the three groups by itself
# (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-man-sec-groups.html); `revoke_rules_on_delete` takes
# them away first, or the groups, which name each other, could not be deleted. No group has inline rules, so that
# EMR's are no drift.

resource "aws_security_group" "primary" {
  # checkov:skip=CKV2_AWS_5:The cluster in the module emr uses it; the check does not follow outputs
  name                   = "${var.name}-primary"
  description            = "EMR primary node of ${var.name}"
  vpc_id                 = aws_vpc.this.id
  revoke_rules_on_delete = true
  tags                   = merge(local.tags, { Name = "${var.name}-primary" })
}

resource "aws_security_group" "core" {
  # checkov:skip=CKV2_AWS_5:The cluster in the module emr uses it; the check does not follow outputs
  name                   = "${var.name}-core"
  description            = "EMR core and task nodes of ${var.name}"
  vpc_id                 = aws_vpc.this.id
  revoke_rules_on_delete = true
  tags                   = merge(local.tags, { Name = "${var.name}-core" })
}

resource "aws_security_group" "service" {
  # checkov:skip=CKV2_AWS_5:The cluster in the module emr uses it; the check does not follow outputs
  name                   = "${var.name}-service"
  description            = "EMR service access to ${var.name}"
  vpc_id                 = aws_vpc.this.id
  revoke_rules_on_delete = true
  tags                   = merge(local.tags, { Name = "${var.name}-service" })
}

locals {
  node_groups = {
    primary = aws_security_group.primary.id
    core    = aws_security_group.core.id
  }
}

# The provider takes AWS's own "everything out" rule away; these are what is left open.
resource "aws_vpc_security_group_egress_rule" "vpc" {
  for_each = local.node_groups

  security_group_id = each.value
  description       = "Other nodes, the service and the endpoints in this VPC"
  ip_protocol       = "-1"
  cidr_ipv4         = aws_vpc.this.cidr_block
  tags              = merge(var.tags, { Name = "${var.name}-${each.key}-vpc" })
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each = local.node_groups

  security_group_id = each.value
  description       = "S3 through the gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 0 # all of TCP, as AWS asks of private subnets; it is one service's addresses
  to_port           = 65535
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  tags              = merge(var.tags, { Name = "${var.name}-${each.key}-s3" })
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = var.enable_nat ? local.node_groups : {}

  security_group_id = each.value
  description       = "The internet through the NAT gateway"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = merge(var.tags, { Name = "${var.name}-${each.key}-internet" })
}

# The service-access group of a private cluster: 9443 from the primary, 8443 to all nodes.
resource "aws_vpc_security_group_ingress_rule" "service_from_primary" {
  security_group_id            = aws_security_group.service.id
  description                  = "The primary node reports to EMR"
  ip_protocol                  = "tcp"
  from_port                    = 9443
  to_port                      = 9443
  referenced_security_group_id = aws_security_group.primary.id
  tags                         = merge(var.tags, { Name = "${var.name}-service-9443" })
}

# From Spark 8 on EMR's nodes reach the service by an endpoint that EMR makes in the VPC, behind this group, "the same rule is
# needed if you are using custom security groups"
# (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-man-sec-groups.html).
resource "aws_vpc_security_group_ingress_rule" "service_from_vpc" {
  count = var.service_endpoint ? 1 : 0

  security_group_id = aws_security_group.service.id
  description       = "Nodes reach the service endpoint of EMR"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = aws_vpc.this.cidr_block
  tags              = merge(var.tags, { Name = "${var.name}-service-443" })
}

resource "aws_vpc_security_group_egress_rule" "service_to_nodes" {
  for_each = local.node_groups

  security_group_id            = aws_security_group.service.id
  description                  = "EMR manages the ${each.key} nodes"
  ip_protocol                  = "tcp"
  from_port                    = 8443
  to_port                      = 8443
  referenced_security_group_id = each.value
  tags                         = merge(var.tags, { Name = "${var.name}-service-8443-${each.key}" })
}

resource "aws_security_group" "endpoints" {
  count = length(local.interface_services) > 0 ? 1 : 0

  name                   = "${var.name}-endpoints"
  description            = "Interface endpoints of ${var.name}"
  vpc_id                 = aws_vpc.this.id
  revoke_rules_on_delete = true
  tags                   = merge(var.tags, { Name = "${var.name}-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = length(local.interface_services) > 0 ? local.node_groups : {}

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "The ${each.key} nodes call AWS"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value
  tags                         = merge(var.tags, { Name = "${var.name}-endpoints-${each.key}" })
}

# Ways in that the operator asked for, from addresses of their own network; never from everywhere.
resource "aws_vpc_security_group_ingress_rule" "extra" {
  for_each = { for rule in var.ingress : "${rule.cidr}-${rule.port}" => rule }

  security_group_id = aws_security_group.primary.id
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
  tags              = merge(var.tags, { Name = "${var.name}-extra-${each.value.port}" })
}
