output "tracking_uri" {
  description = "MLFLOW_TRACKING_URI of the profile aws."
  value       = "https://${local.hosts.mlflow}"
}

output "service_url" {
  description = "The service of the model in Production."
  value       = "https://${local.hosts.service}"
}

output "bucket" {
  description = "The bucket of the artifacts."
  value       = aws_s3_bucket.artifacts.bucket
}
