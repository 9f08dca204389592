module github.com/countersign/countersign/cmd/countersign

go 1.26.0

require github.com/countersign/countersign v0.0.0

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	golang.org/x/oauth2 v0.38.0 // indirect
)

replace github.com/countersign/countersign => ../..
