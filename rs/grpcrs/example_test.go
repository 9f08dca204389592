package grpcrs_test

import (
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/grpcrs"
)

// Require an access token for all methods of a server, and a scope for one of them.
func Example() {
	server := &discovery.Provider{Issuer: "https://as.example"}
	api, err := grpcrs.New(grpcrs.Config{
		Protection: &rs.Protection{Tokens: &rs.JWT{
			Issuer: server.Issuer, Audience: "https://photos.example/", Keys: server.Keys(),
		}},
		Methods: map[string]grpcrs.Guard{"/photos.Photos/List": rs.RequireScope("photos.read")},
		Public:  []string{healthpb.Health_Check_FullMethodName},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(api.Unary), grpc.StreamInterceptor(api.Stream))
	// register the services, then:
	if err := api.Check(s.GetServiceInfo()); err != nil {
		fmt.Println(err)
	}
	// Output: grpcrs: Config names methods that the server does not have: /grpc.health.v1.Health/Check, /photos.Photos/List
}
