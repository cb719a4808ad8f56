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

	v1 "tallystick/proto/tallystick/v1"
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
	if err := check(callOf(ctx), validator, req.Any().(proto.Message)); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

// check tells what is wrong with a message by itself. What is wrong with single items of a batch is noted in c instead, and
// each is refused by itself.
func check(c *call, validator protovalidate.Validator, m proto.Message) error {
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
	if _, batch := m.(*v1.PostBatchRequest); batch {
		if c.items = wrongItems(violations); c.items != nil {
			return nil
		}
	}
	if len(violations) > maxViolations {
		violations = violations[:maxViolations]
	}
	first := violations[0]
	field := protovalidate.FieldPathString(first.GetField())
	no := invalidField(field, first.GetMessage())
	no.detail = &validate.Violations{Violations: violations}
	return no
}

// wrongItems gives the first violation of each item of a batch, or nil when something else is wrong too.
func wrongItems(violations []*validate.Violation) map[int]error {
	items := make(map[int]error)
	for _, violation := range violations {
		path := violation.GetField().GetElements()
		if len(path) == 0 || path[0].GetFieldName() != "items" || path[0].GetSubscript() == nil {
			return nil
		}
		if i := int(path[0].GetIndex()); items[i] == nil {
			field := protovalidate.FieldPathString(&validate.FieldPath{Elements: path[1:]})
			items[i] = invalidField(field, violation.GetMessage())
		}
	}
	return items
}
