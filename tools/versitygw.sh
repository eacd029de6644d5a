#!/usr/bin/env bash
# The pinned Versity S3 Gateway (Apache-2.0), the second S3 server of the object-store contract: it shares no code with
# MinIO, keeps a POSIX folder and checks signatures. About 80 seconds of one core.
exec "$(dirname "${BASH_SOURCE[0]}")/go-tool.sh" versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
