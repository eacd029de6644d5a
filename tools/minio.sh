#!/usr/bin/env bash
# The pinned MinIO server that the object-store tests run against (AGPL-3.0, a test tool only), about 7 minutes of one core.
exec "$(dirname "${BASH_SOURCE[0]}")/go-tool.sh" minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c
