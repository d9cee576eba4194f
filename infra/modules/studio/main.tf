# A notebook next to the cluster: SageMaker Studio in the same VPC, one user, Livy on the primary node. Off by default:
# an open notebook bills by the hour, and the domain brings a file system.

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition
}

resource "aws_security_group" "this" {
  # checkov:skip=CKV2_AWS_5:The domain below uses it; the check does not know domains
  name                   = "${var.name}-studio"
  description            = "Notebooks of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true
  tags                   = merge(var.tags, { Name = "${var.name}-studio" })
}

resource "aws_vpc_security_group_ingress_rule" "itself" {
  security_group_id            = aws_security_group.this.id
  description                  = "Notebook and kernel talk to each other"
  ip_protocol                  = "tcp"
  from_port                    = 8192
  to_port                      = 65535
  referenced_security_group_id = aws_security_group.this.id
  tags                         = merge(var.tags, { Name = "${var.name}-studio-kernels" })
}

resource "aws_vpc_security_group_egress_rule" "vpc" {
  security_group_id = aws_security_group.this.id
  description       = "The cluster, the home folders and the endpoints"
  ip_protocol       = "-1"
  cidr_ipv4         = var.vpc_cidr
  tags              = merge(var.tags, { Name = "${var.name}-studio-vpc" })
}

resource "aws_vpc_security_group_egress_rule" "services" {
  security_group_id = aws_security_group.this.id
  description       = "SageMaker services through the NAT gateway"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = merge(var.tags, { Name = "${var.name}-studio-services" })
}

resource "aws_vpc_security_group_ingress_rule" "livy" {
  security_group_id            = var.primary_group_id
  description                  = "Notebooks reach Livy"
  ip_protocol                  = "tcp"
  from_port                    = 8998
  to_port                      = 8998
  referenced_security_group_id = aws_security_group.this.id
  tags                         = merge(var.tags, { Name = "${var.name}-livy" })
}

resource "aws_sagemaker_domain" "this" {
  domain_name             = var.name
  auth_mode               = "IAM"
  vpc_id                  = var.vpc_id
  subnet_ids              = var.subnet_ids
  app_network_access_type = "VpcOnly"
  kms_key_id              = var.kms_key_arn
  tags                    = var.tags

  default_user_settings {
    execution_role    = aws_iam_role.this.arn
    security_groups   = [aws_security_group.this.id]
    studio_web_portal = "ENABLED"

    jupyter_lab_app_settings {
      app_lifecycle_management {
        idle_settings {
          lifecycle_management    = "ENABLED"
          idle_timeout_in_minutes = var.idle_minutes
          # Left out, the provider sends 0 for both, which SageMaker refuses.
          min_idle_timeout_in_minutes = 60
          max_idle_timeout_in_minutes = 525600
        }
      }
    }
  }

  # The home folders go with the domain; results are in the data bucket.
  retention_policy {
    home_efs_file_system = "Delete"
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_sagemaker_user_profile" "this" {
  domain_id         = aws_sagemaker_domain.this.id
  user_profile_name = var.user_name
  tags              = var.tags
}
