data "aws_partition" "this" {}

locals {
  s3 = "arn:${data.aws_partition.this.partition}:s3:::"

  our_bucket_arns = [for bucket in var.bucket_names : "${local.s3}${bucket}"]
}

# Through this endpoint pass our buckets, and the buckets without which no cluster starts in a private subnet:
# https://docs.aws.amazon.com/emr/latest/ManagementGuide/private-subnet-iampolicy.html
data "aws_iam_policy_document" "s3_endpoint" {
  # checkov:skip=CKV_AWS_283:A gateway endpoint's policy says which buckets; who may use them say the roles and the buckets
  statement {
    sid = "OurBuckets"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = concat(local.our_bucket_arns, [for arn in local.our_bucket_arns : "${arn}/*"])

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "AmazonLinuxPackages"
    actions   = ["s3:GetObject"]
    resources = ["${local.s3}al2023-repos-${var.region}-*/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid     = "EmrPackages"
    actions = ["s3:GetObject"]
    resources = [
      "${local.s3}repo.${var.region}.emr.${data.aws_partition.this.dns_suffix}/*",
      # From EMR 8.0 and EMR Spark 8.0 on.
      "${local.s3}aws157-instance-data-0-prod-${var.region}/*",
      "${local.s3}aws157-instance-data-1-prod-${var.region}/*",
    ]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "EmrSystemLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.s3}aws157-logs-prod${var.region == "us-east-1" ? "" : "-${var.region}"}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid = "EmrApplicationHistory"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.s3}prod.${var.region}.appinfo.src/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid     = "SsmAgent"
      actions = ["s3:GetObject"]
      # https://docs.aws.amazon.com/systems-manager/latest/userguide/ssm-agent-minimum-s3-permissions.html
      resources = [
        "${local.s3}amazon-ssm-${var.region}/*",
        "${local.s3}aws-ssm-${var.region}/*",
        "${local.s3}${var.region}-birdwatcher-prod/*",
      ]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.private.id], aws_route_table.public[*].id)
  policy            = data.aws_iam_policy_document.s3_endpoint.json
  tags              = merge(var.tags, { Name = "${var.name}-s3" })
}

locals {
  interface_services = toset(concat(
    var.enable_ssm ? ["ssm", "ssmmessages", "ec2messages"] : [],
    var.enable_kms ? ["kms"] : [],
  ))
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_services

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  security_group_ids  = aws_security_group.endpoints[*].id
  # In one zone only: an endpoint bills by the hour and zone, and is reached from all of them.
  subnet_ids = [values(aws_subnet.private)[0].id]
  tags       = merge(var.tags, { Name = "${var.name}-${each.key}" })
}
