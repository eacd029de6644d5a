//go:build tools

// Package main holds the generators that buf.gen.yaml runs at the versions of go.mod.
package main

import (
	_ "google.golang.org/grpc/cmd/protoc-gen-go-grpc"
	_ "google.golang.org/protobuf/cmd/protoc-gen-go"
)
