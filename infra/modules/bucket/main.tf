# One private bucket: no public access, TLS only, owner enforced, encrypted, versioned.

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:Access logs of S3 bill and grow; who read what is CloudTrail's business, which is the account's
  # checkov:skip=CKV_AWS_21:Versions are a variable; artifacts lie under their hash and logs are never overwritten
  # checkov:skip=CKV_AWS_144:The data has to stay in its region, and the images are a copy of what the user has
  # checkov:skip=CKV_AWS_145:SSE-KMS where kms_key is given; a key of one's own costs 1 USD a month, so S3's keys are the default
  # checkov:skip=CKV2_AWS_62:Nothing would listen to the events
  bucket        = var.name
  force_destroy = var.force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # One data key for many objects: without it 90,000 photographs are 90,000 paid KMS calls.
    bucket_key_enabled = var.kms_key != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key != null ? "aws:kms" : "AES256"
      kms_master_key_id = one([for key in var.kms_key[*] : key.arn])
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = var.versioned ? "Enabled" : "Suspended"
  }
}

data "aws_partition" "this" {}

locals {
  # Written out instead of asked of the resource, so that the policy can be read in the plan.
  arn = "arn:${data.aws_partition.this.partition}:s3:::${var.name}"
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.arn, "${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.this.json

  # A policy put while the access block is being put is answered with OperationAborted (409).
  depends_on = [aws_s3_bucket_public_access_block.this]
}

# Behind a variable: the provider waits a fixed 55 s for these rules, on any server.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  # checkov:skip=CKV_AWS_300:The rule abandoned-uploads does so; the check does not read past a dynamic rule
  count = var.lifecycle_rules == null ? 0 : 1

  bucket = aws_s3_bucket.this.id

  rule {
    id     = "abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.lifecycle_rules.abandoned_upload_days
    }
  }

  dynamic "rule" {
    for_each = var.versioned ? [var.lifecycle_rules.old_version_days] : []

    content {
      id     = "old-versions"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }

      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  dynamic "rule" {
    for_each = var.lifecycle_rules.expire

    content {
      id     = "expire-${replace(trimsuffix(rule.key, "/"), "/", "-")}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }

  # Rules about versions are refused on a bucket that has none yet.
  depends_on = [aws_s3_bucket_versioning.this]
}
