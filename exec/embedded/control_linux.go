package embedded

import (
	"context"
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The daemon answers one more call than BuildKit's API. It is written out by hand, with JSON in two well-known
// messages, because a generated service for two strings would be all ceremony.
const (
	controlService = "xbuild.daemon.v1.Control"
	acquireMethod  = "/" + controlService + "/Acquire"
)

// acquireRequest asks the daemon for its state, and with Settings whether it will serve a client that wants these.
type acquireRequest struct {
	// Settings is the hash of the client's settings; empty for a client that only looks.
	Settings string `json:"settings,omitempty"`
}

type verdict string

const (
	// use: the daemon has the client's settings, or is building and cannot be replaced now.
	use verdict = "use"
	// wait: another client was promised this daemon a moment ago and may be about to call. Ask again.
	wait verdict = "wait"
	// retiring: the daemon has other settings and nothing to do. It stops; start another one.
	retiring verdict = "retiring"
)

type acquireReply struct {
	Verdict verdict `json:"verdict"`
	Info    Info    `json:"info"`
}

// controlServer is the daemon's side of the call.
type controlServer interface {
	acquire(acquireRequest) (acquireReply, error)
}

var controlDesc = grpc.ServiceDesc{
	ServiceName: controlService,
	HandlerType: (*controlServer)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Acquire",
		Handler: func(srv any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var in wrapperspb.BytesValue
			if err := decode(&in); err != nil {
				return nil, err
			}
			var req acquireRequest
			if err := json.Unmarshal(in.Value, &req); err != nil {
				return nil, err
			}
			reply, err := srv.(controlServer).acquire(req)
			if err != nil {
				return nil, err
			}
			out, err := json.Marshal(reply)
			return wrapperspb.Bytes(out), err
		},
	}},
}

// callAcquire is the client's side.
func callAcquire(ctx context.Context, conn grpc.ClientConnInterface, req acquireRequest) (acquireReply, error) {
	var reply acquireReply
	in, err := json.Marshal(req)
	if err != nil {
		return reply, err
	}
	var out wrapperspb.BytesValue
	if err := conn.Invoke(ctx, acquireMethod, wrapperspb.Bytes(in), &out); err != nil {
		return reply, err
	}
	return reply, json.Unmarshal(out.Value, &reply)
}
