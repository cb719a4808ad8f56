// Command exportproto writes buf/validate/validate.proto into a folder, so that buf can compile our protos offline.
// Nobody publishes that file as a Go module, but the Go module of its generated code carries the descriptor.
//
//	exportproto third_party/proto
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: exportproto FOLDER")
		os.Exit(2)
	}
	if err := export(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "exportproto:", err)
		os.Exit(1)
	}
}

func export(folder string) error {
	descriptor := validate.File_buf_validate_validate_proto
	path := filepath.Join(folder, descriptor.Path())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	printer := protoprint.Printer{Compact: true}
	if err := printer.PrintProtoFile(descriptor, file); err != nil {
		return err
	}
	return file.Close()
}
