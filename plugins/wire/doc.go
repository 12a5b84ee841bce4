// Package wire is what Gapura and its plugins say to each other: the messages,
// generated from filter.proto, their translation from and to the vocabulary of
// package gateway, and the bounds that both sides keep.
package wire

// protoc is Debian's protobuf-compiler; the two generators are on PATH by
// GOBIN=... go install google.golang.org/protobuf/cmd/protoc-gen-go and
// go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0.
//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative filter.proto
