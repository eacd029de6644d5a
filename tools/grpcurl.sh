#!/usr/bin/env bash
# The pinned grpcurl (MIT), about 90 seconds of one core.
exec "$(dirname "${BASH_SOURCE[0]}")/go-tool.sh" grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl v1.9.3
