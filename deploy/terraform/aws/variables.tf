variable "region" {
  description = "The region of everything."
  type        = string
}

variable "name" {
  description = "The name of everything, and the prefix of the bucket."
  type        = string
  default     = "recipeline"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name must be 2 to 20 small letters, digits and hyphens, and begin with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC; its private subnets need a NAT gateway or endpoints for ECR, S3, Secrets Manager and CloudWatch Logs."
  type        = string
}

variable "private_subnet_ids" {
  description = "Private subnets in two availability zones or more."
  type        = list(string)

  validation {
    condition     = length(var.private_subnet_ids) > 1
    error_message = "private_subnet_ids must be subnets in two availability zones or more."
  }
}

variable "client_cidrs" {
  description = "The networks whose clients may reach the load balancer, which is internal."
  type        = list(string)

  validation {
    condition     = length(var.client_cidrs) > 0 && !contains(var.client_cidrs, "0.0.0.0/0")
    error_message = "client_cidrs must be your networks, not everyone's: the MLflow server asks for no login."
  }
}

variable "zone_id" {
  description = "The Route 53 zone of the two names."
  type        = string
}

variable "domain" {
  description = "The domain of the zone: the server is mlflow.<domain>, the service <name>.<domain>."
  type        = string
}

variable "certificate_arn" {
  description = "The certificate (ACM) of both names."
  type        = string
}

variable "chain_image" {
  description = "The image of the target `chain`, with its digest; it runs the MLflow server."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.chain_image))
    error_message = "chain_image must end with its digest, @sha256:..."
  }
}

variable "service_image" {
  description = "The image of the target `service`, with its digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.service_image))
    error_message = "service_image must end with its digest, @sha256:..."
  }
}

variable "database_password" {
  description = "The password of the database: TF_VAR_database_password. It is not in the state."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.database_password) >= 16
    error_message = "database_password must have 16 characters or more."
  }
}

variable "service_tokens" {
  description = "The tokens of the service, comma separated: TF_VAR_service_tokens. They are not in the state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "To be raised when a secret has changed: Terraform does not see write-only values."
  type        = number
  default     = 1
}

variable "rows" {
  description = "The rows to learn from, as the profile's DATA_URI: s3://bucket/prefix."
  type        = string
}

variable "database_class" {
  description = "The instance class of the database."
  type        = string
  default     = "db.t4g.micro"
}

variable "is_highly_available" {
  description = "Whether the database has a standby in another zone, and the service a second task."
  type        = bool
  default     = false
}
