provider "aws" {
  region              = var.region
  allowed_account_ids = var.offline ? null : [var.account_id]

  # ENV=local and plans without an account; the emulator's address comes from AWS_ENDPOINT_URL.
  skip_credentials_validation = var.offline || var.emulated
  skip_metadata_api_check     = var.offline || var.emulated
  skip_requesting_account_id  = var.offline
  s3_use_path_style           = var.emulated
  max_retries                 = var.emulated ? 4 : null

  default_tags {
    tags = local.tags
  }
}
