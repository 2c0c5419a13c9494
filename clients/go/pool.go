package main

import (
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // by the load that nodes report
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // nodes that are not SERVING get no calls
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
)

// balancing is for nodes that ask for no token: load and health are told in
// streams that carry none. For others set enableOobLoadReport to false, so
// that the trailers of calls tell the load, and leave healthCheckConfig out.
const balancing = `{
  "loadBalancingConfig": [{"weighted_round_robin": {
    "enableOobLoadReport": true, "oobReportingPeriod": "1s", "blackoutPeriod": "1s",
    "weightUpdatePeriod": "0.5s", "weightExpirationPeriod": "60s"}}],
  "healthCheckConfig": {"serviceName": "xapp.inference.v1.InferenceService"}
}`

// isPool tells whether a target may name several nodes.
func isPool(target string) bool {
	return strings.HasPrefix(target, "dns:") || strings.Contains(target, ",")
}

// poolOptions spread calls over the nodes of a target in proportion to what
// they can take, and find a node that comes back within 3 s.
func poolOptions(target string) []grpc.DialOption {
	if !isPool(target) {
		return nil
	}
	dns.SetMinResolutionInterval(time.Second)
	delays := backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	options := []grpc.DialOption{
		grpc.WithDefaultServiceConfig(balancing),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: delays, MinConnectTimeout: time.Second}),
		// Go pings every 10 s at the most.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 1500 * time.Millisecond}),
	}
	if list, isList := strings.CutPrefix(target, "ipv4:"); isList {
		options = append(options, grpc.WithResolvers(addresses(list)))
	}
	return options
}

// addresses resolves a list, for which Go has no resolver of its own.
func addresses(list string) resolver.Builder {
	var state resolver.State
	for _, address := range strings.Split(list, ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	builder := manual.NewBuilderWithScheme("ipv4")
	builder.InitialState(state)
	return builder
}

// anotherNodeMay tells whether what one node refused may be asked of another.
func anotherNodeMay(err error) bool {
	reason := reasonOf(err)
	return status.Code(err) == codes.Unavailable || reason == "DEADLINE_UNREACHABLE" || reason == "QUEUE_FULL"
}

// reasonOf is the server's own word for what went wrong, "" where it has none.
func reasonOf(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
