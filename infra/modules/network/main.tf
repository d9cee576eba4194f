# A VPC of our own without a way in: private subnets in several zones, S3 through a gateway endpoint.
# EMR chooses one zone of the fleet's subnets when it starts.

locals {
  # AmazonEMRServicePolicy_v2 acts only on resources that carry this tag; the VPC needs it too, because since
  # EMR 7.5 the service makes an interface endpoint (emr-service-vpce) in it.
  tags = merge(var.tags, { "for-use-with-amazon-emr-managed-policies" = "true" })

  # a -> eu-west-1a. Derived, not asked, so that a plan needs no account; every region of the EU has a, b and c.
  zones = { for index, letter in var.zones : "${var.region}${letter}" => index }

  subnet_bits = 4
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_12:To empty the VPC's own group one must tag it, and who may tag a group without tags owns any; nothing uses it
  # checkov:skip=CKV2_AWS_11:Flow logs cost more than the cluster; no way in exists, and EMR's own logs tell who ran what
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # EMR refuses a VPC without them
  tags                 = merge(local.tags, { Name = var.name })
}

resource "aws_subnet" "private" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, local.subnet_bits, each.value)
  tags              = merge(local.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-private" })
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}
