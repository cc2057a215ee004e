# Artifacts: models, rows and cards of all runs. Nothing deletes them but `recipeline prune`; a deleted version is kept for 30 days.
resource "aws_s3_bucket" "artifacts" {
  bucket_prefix = "${var.name}-artifacts-"
}

resource "aws_s3_bucket_versioning" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    id     = "deleted"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "tls_only" {
  bucket = aws_s3_bucket.artifacts.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Action    = "s3:*"
      Principal = "*"
      Resource  = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# Runs, registry and ledger.
resource "aws_db_subnet_group" "store" {
  name       = "${var.name}-store"
  subnet_ids = var.private_subnet_ids
}

resource "aws_db_instance" "store" {
  identifier                 = "${var.name}-store"
  engine                     = "postgres"
  engine_version             = "16"
  instance_class             = var.database_class
  allocated_storage          = 20
  max_allocated_storage      = 100
  storage_type               = "gp3"
  storage_encrypted          = true
  db_name                    = "mlflow"
  username                   = "mlflow"
  password_wo                = var.database_password
  password_wo_version        = var.secrets_version
  db_subnet_group_name       = aws_db_subnet_group.store.name
  vpc_security_group_ids     = [aws_security_group.store.id]
  multi_az                   = var.is_highly_available
  publicly_accessible        = false
  backup_retention_period    = 14
  auto_minor_version_upgrade = true
  copy_tags_to_snapshot      = true
  deletion_protection        = true
  skip_final_snapshot        = false
  final_snapshot_identifier  = "${var.name}-store-final"
}

resource "aws_secretsmanager_secret" "database_password" {
  name_prefix = "${var.name}-database-"
}

resource "aws_secretsmanager_secret_version" "database_password" {
  secret_id                = aws_secretsmanager_secret.database_password.id
  secret_string_wo         = var.database_password
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret" "service_tokens" {
  name_prefix = "${var.name}-tokens-"
}

resource "aws_secretsmanager_secret_version" "service_tokens" {
  secret_id                = aws_secretsmanager_secret.service_tokens.id
  secret_string_wo         = var.service_tokens
  secret_string_wo_version = var.secrets_version
}
