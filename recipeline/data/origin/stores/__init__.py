"""Object stores: files at URIs of S3, Google Cloud Storage and Azure."""
