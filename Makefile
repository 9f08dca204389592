# A number of runs, not a time: Go reports a deadline in a busy worker as a failure ("context
# deadline exceeded"). The targets that read tokens and keys run for about 20 seconds each,
# also FuzzDecrypt, which is slower.
FUZZTIME := 30000x
TOKENFUZZTIME := 250000x

# The time limit for the tests of a package. Go's own, 10 minutes, may be too short on a slow machine.
LIMIT := 40m

.PHONY: check test lint browser proxies interop openam release fuzz soak bench sbom

# Only the root module, for work on it: vet and the tests, without the race detector and without
# debugging information. The compiler collects garbage only from 2 GiB on. Four packages at a time,
# because some tests mostly wait.
check:
	GOFLAGS="$$GOFLAGS -gcflags=all=-dwarf=false" GOGC=off GOMEMLIMIT=2GiB go test -p 4 -exec='env -u GOGC -u GOMEMLIMIT' -short -vet=all ./...

# Every test that needs no browser and no real server. The last lines say what is not part of it.
test:
	@.ci/test

# Vet, staticcheck and known vulnerabilities, of every module.
lint:
	@.ci/lint

# The login in a real browser, and pictures of its pages in .cache/browser.
browser:
	COUNTERSIGN_BROWSER=$$(internal/debian/find -install chromium chromium) go -C examples/browser test -count=1 -timeout $(LIMIT) -v ./...

# Client certificates through proxies that end TLS, and a login through nginx as the docs configure it.
proxies:
	nginx=$$(internal/debian/find nginx nginx) && haproxy=$$(internal/debian/find haproxy haproxy) && caddy=$$(internal/debian/find caddy caddy) && \
		COUNTERSIGN_NGINX=$$nginx COUNTERSIGN_HAPROXY=$$haproxy COUNTERSIGN_CADDY=$$caddy go test ./rs ./internal -run 'TestRealProxies|TestNginx' -count=1 -timeout $(LIMIT) -v

# The complete login and API calls against servers of other projects.
interop:
	internal/interop/run -v

# OpenAM, the open source relative of PingOne Advanced Identity Cloud. It is not part of .ci/run: a
# run downloads 350 MB once and needs a JDK, Maven and some two minutes.
openam:
	internal/interop/openam/run -test.v

# An empty program fetches each released module. The exported API is compared with the last tag.
release:
	RELEASE=1 go -C internal/release test -count=1 -timeout $(LIMIT) -v ./...
	go -C internal/release run . -gate

# Every fuzz target of the repository.
fuzz:
	@set -e; git grep -oE '^func Fuzz[A-Za-z0-9]+' -- '*_test.go' | sed 's|/[^/]*:func | |' | while read -r dir target; do \
		case $$dir/$$target in */FuzzDecrypt) n=$(FUZZTIME);; internal/jose/* | idtoken/*) n=$(TOKENFUZZTIME);; *) n=$(FUZZTIME);; esac; \
		go -C $$dir test . -run '^$$' -fuzz "^$$target$$" -fuzztime $$n </dev/null; done

# 10,000 logins while the server fails in every way; 2,000 visitors whose sessions are on Redis.
soak:
	SOAK=10000 go test ./client -run TestSoak -count=1 -timeout $(LIMIT) -v
	SOAK=2000 go -C redisstore test . -run TestSoak -count=1 -timeout $(LIMIT) -v

bench:
	go test ./... -run '^$$' -bench . -benchmem
	go -C internal/bench test -run '^$$' -bench . -timeout 30m
	go -C internal/machines test -run '^$$' -bench . -benchtime 3x -timeout 30m

# A software bill of materials (CycloneDX) of the command, in .cache/countersign.sbom.json.
CYCLONEDX := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
VERSION := v0.1.0
sbom:
	mkdir -p .cache && CGO_ENABLED=0 go -C cmd/countersign build -trimpath -ldflags='-s -w' -o ../../.cache/countersign .
	go run $(CYCLONEDX) bin -json -version $(VERSION) -output .cache/countersign.sbom.json .cache/countersign
