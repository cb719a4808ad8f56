package rpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
)

// maxViolations bounds the answer to a large batch in which everything is wrong.
const maxViolations = 20

// interceptor validates each message, calls its handler and maps what it returns. Handlers return domain errors as they
// are.
func interceptor(validator protovalidate.Validator) connect.Interceptor {
	return connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			c := callOf(ctx)
			c.reached = true
			res, err := answer(ctx, validator, req, next)
			if err == nil {
				return res, nil
			}
			c.refusal = toRefusal(inTime(ctx, err))
			return nil, c.refusal.connectError()
		}
	})
}

// answer turns a panic into an error: one bad call must not end the process.
func answer(
	ctx context.Context, validator protovalidate.Validator, req connect.AnyRequest, next connect.UnaryFunc,
) (res connect.AnyResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := check(validator, req.Any().(proto.Message)); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// check tells what is wrong with a message by itself.
func check(validator protovalidate.Validator, m proto.Message) error {
	if text, bad := malformedText(m); bad {
		return refuse(connect.CodeInvalidArgument, reasonRequestMalformed).with("problem", text)
	}
	err := validator.Validate(m)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return fmt.Errorf("validate %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	violations := invalid.ToProto().GetViolations()
	if len(violations) > maxViolations {
		violations = violations[:maxViolations]
	}
	first := violations[0]
	field := protovalidate.FieldPathString(first.GetField())
	no := invalidField(field, first.GetMessage())
	no.detail = &validate.Violations{Violations: violations}
	return no
}
