# What every node must do: instance metadata by session token only, S3 objects encrypted, and the volumes too where
# there is a key.

resource "aws_emr_security_configuration" "this" {
  # checkov:skip=CKV_AWS_351:In transit means certificates that somebody must issue and renew; traffic between nodes stays inside private subnets without a way in
  # checkov:skip=CKV_AWS_349:With kms_key_arn the volumes are encrypted; without one EMR offers no way to
  # checkov:skip=CKV_AWS_350:With kms_key_arn the volumes are encrypted; without one EMR offers no way to
  # checkov:skip=CKV_AWS_171:With kms_key_arn objects are SSE-KMS; without one S3's own keys serve
  name_prefix = "${var.name}-"

  configuration = jsonencode({
    EncryptionConfiguration = {
      EnableInTransitEncryption = false
      EnableAtRestEncryption    = true
      AtRestEncryptionConfiguration = merge(
        {
          S3EncryptionConfiguration = var.kms_key_arn == null ? { EncryptionMode = "SSE-S3" } : { EncryptionMode = "SSE-KMS", AwsKmsKey = var.kms_key_arn }
        },
        var.kms_key_arn == null ? {} : {
          # EBS encryption by EC2 itself; LUKS, which asks KMS from the node, is left to types with local disks.
          LocalDiskEncryptionConfiguration = {
            EncryptionKeyProviderType = "AwsKms"
            AwsKmsKey                 = var.kms_key_arn
            EnableEbsEncryption       = true
          }
        },
      )
    }
    InstanceMetadataServiceConfiguration = {
      MinimumInstanceMetadataServiceVersion = 2
      HttpPutResponseHopLimit               = 1 # no container stands between the job and the service
    }
  })

  # A changed configuration is a new one: it must exist before the cluster that names it is replaced.
  lifecycle {
    create_before_destroy = true
  }
}
