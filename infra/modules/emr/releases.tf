# The last day of support of each release that this project was written for
# (https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-release-components.html, read November 2026; each release's
# own page has the same: emr-7130-release.html, emr-spark800-release.html, "Standard support until May 20, 2027").

locals {
  end_of_support = jsondecode(file("${path.module}/releases.json"))

  release_end = var.release_end_of_support != null ? var.release_end_of_support : lookup(local.end_of_support, var.release_label, null)

  # The day of the plan; only preconditions read it, so no plan differs because of it.
  today = var.today != null ? var.today : formatdate("YYYY-MM-DD", plantimestamp())
}
