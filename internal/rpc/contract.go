package rpc

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	v1 "tallystick/proto/tallystick/v1"
)

// files of the contract that describe services.
var files = []protoreflect.FileDescriptor{
	v1.File_tallystick_v1_ledger_proto, v1.File_tallystick_v1_member_proto, v1.File_tallystick_v1_merchant_proto,
	v1.File_tallystick_v1_finance_proto, v1.File_tallystick_v1_admin_proto,
}

// methods are all methods of the contract.
func methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				all = append(all, service.Methods().Get(j))
			}
		}
	}
	return all
}

// methodsByGet has every method of the contract by its path, and whether it may be asked by GET: reads alone may.
func methodsByGet() map[string]bool {
	all := make(map[string]bool)
	for _, method := range methods() {
		path := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
		options, _ := method.Options().(*descriptorpb.MethodOptions)
		all[path] = options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	}
	return all
}

// requests are empty messages of every request type, for the validator to compile their rules at the start.
func requests() []proto.Message {
	var all []proto.Message
	for _, method := range methods() {
		all = append(all, dynamicpb.NewMessage(method.Input()))
	}
	return all
}
