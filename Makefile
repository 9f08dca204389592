# The modules of the repository; each has a go.mod of its own.
MODULES := . rs/grpcrs redisstore examples examples/browser examples/frameworks internal/interop internal/bench

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0

# The fuzz targets, as package:target.
FUZZ := ./internal/jose:FuzzParse ./internal/jose:FuzzDecode ./internal/jose:FuzzParseSet ./internal/jose:FuzzDecrypt \
	./idtoken:FuzzClaims ./idtoken:FuzzCheck ./client:FuzzCallback ./client:FuzzTokenResponse ./client:FuzzChallenges ./client:FuzzDeviceResponse ./client:FuzzPing ./client:FuzzIntrospected ./client/registration:FuzzRegistration ./discovery:FuzzMetadata \
	./discovery:FuzzLifetime ./discovery:FuzzResource \
	./client/login:FuzzReturnTo ./client/login:FuzzOpen ./client/login:FuzzCookies \
	./client/loopback:FuzzServe ./rs:FuzzAuthorization ./rs:FuzzForwardedCertificate ./rs:FuzzIntrospectionAnswer ./rs:FuzzSimple \
	./internal/dpop:FuzzCheck ./internal/dpop:FuzzNormalizeURL
# A number of runs, not a time: a time that ends while a worker is busy is taken for a
# failure ("context deadline exceeded"). What reads tokens and keys gets some 20 seconds.
FUZZTIME := 30000x
TOKENFUZZTIME := 250000x

.PHONY: test vet unit canary vuln browser proxies interop fuzz soak bench

# Every test of every module, and what reads the code. Servers of others: see interop.
test: vet unit canary vuln

vet:
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt would change these files' >&2; exit 1; }
	@set -e; for m in $(MODULES); do echo "vet and staticcheck: $$m"; \
		go -C $$m vet ./...; go -C $$m run $(STATICCHECK) ./...; done

unit:
	@set -e; for m in $(MODULES); do echo "test: $$m"; CI= go -C $$m test -race -count=1 ./...; done

# Every secret in the tests begins with the word canary: nothing that the whole suite
# prints, logs of passing tests included, may hold it.
canary:
	@echo 'canary: everything that the tests print'; out=$$(mktemp); \
		for m in . redisstore; do go -C $$m test -count=1 -v ./... >>"$$out" 2>&1 || { tail -n 50 "$$out"; exit 1; }; done; \
		if grep -n 'canary[- ]' "$$out"; then echo 'a secret was printed' >&2; exit 1; fi; rm -f "$$out"

# Exit code 3 means that a known vulnerability is called. Any other failure is the
# database's, which not every network lets through.
vuln:
	@for m in $(MODULES); do echo "govulncheck: $$m"; \
		out=$$(go -C $$m run $(GOVULNCHECK) ./... 2>&1); status=$$?; \
		if [ $$status = 0 ]; then continue; fi; \
		case "$$out" in \
		*'fetching vulnerabilities'*) echo 'govulncheck: NOT CHECKED, the vulnerability database cannot be had here';; \
		*) echo "$$out" >&2; exit 1;; esac; done

# The login in a real browser, and pictures of its pages in .cache/browser.
browser:
	COUNTERSIGN_BROWSER=$$(internal/debian/find -install chromium chromium) go -C examples/browser test -count=1 -v ./...

# Client certificates through proxies that end TLS.
proxies:
	nginx=$$(internal/debian/find nginx nginx) && haproxy=$$(internal/debian/find haproxy haproxy) && \
		COUNTERSIGN_NGINX=$$nginx COUNTERSIGN_HAPROXY=$$haproxy go test ./rs -run TestRealProxies -count=1 -v

# The same path against servers that somebody else wrote.
interop:
	internal/interop/run -v

fuzz:
	@set -e; for f in $(FUZZ); do \
		case $$f in ./internal/jose:* | ./idtoken:*) n=$(TOKENFUZZTIME);; *) n=$(FUZZTIME);; esac; \
		go test $${f%%:*} -run '^$$' -fuzz "^$${f##*:}$$" -fuzztime $$n; done

# 10,000 logins while the server fails in every way; 2,000 visitors whose sessions are on Redis.
soak:
	SOAK=10000 go test ./client -run TestSoak -count=1 -v
	SOAK=2000 go -C redisstore test . -run TestSoak -count=1 -v

bench:
	go test ./... -run '^$$' -bench . -benchmem
	go -C internal/bench test -run '^$$' -bench . -timeout 30m
