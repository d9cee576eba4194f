output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Addresses of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Ids of the private subnets, in the order of their zones."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "security_group_ids" {
  description = "Ids of the groups of the primary node, the core and task nodes, and EMR's service access."
  value = {
    primary = aws_security_group.primary.id
    core    = aws_security_group.core.id
    service = aws_security_group.service.id
  }
}

output "endpoints" {
  description = "Names of the services that are reached without the internet."
  value       = sort(concat(["s3"], tolist(local.interface_services)))
}
