# `make` lists the targets.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
VULNDB      = golang.org/x/vulndb@latest
PLATFORMS   = android/arm64 ios/arm64 windows/amd64 darwin/arm64 js/wasm

FUZZTIME = 30s
CHECKS   = 10000
BENCH    = .

# The packages with goroutines, which tests run under the race detector too.
CONCURRENT = . ./community ./examples/hub ./rest ./store ./telemetry ./transport/... ./compat/sds-go-bindings/tests ./integration/status-go/...

# The modules that stand in for sds-go-bindings, and the layer of status-go over them.
COMPAT = ./compat/sds-go-bindings/... ./compat/logos-messaging/... ./integration/status-go/...

# The folders of the modules of go.work.
modules = $$(go list -m -f '{{.Dir}}')

.PHONY: help test lint platforms race bench demo qa interop spec fuzz vuln nightly fmt tidy

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

test: lint platforms ## all checks and all tests of all modules
	go test work
	@if command -v cc >/dev/null; then \
		echo "go test -race $(CONCURRENT)"; CGO_ENABLED=1 go test -race $(CONCURRENT); \
	elif [ "$$CI" = true ]; then \
		echo "the race detector needs a C compiler: install gcc"; exit 1; \
	else \
		echo "no C compiler (cc): the race detector was left out"; \
	fi
	@{ command -v node && command -v npm; } >/dev/null || echo "no node or no npm: the tests with @waku/sds were left out"
	@echo "not among these, since they build or run for minutes: make interop (go-waku), make nightly"

lint: ## gofmt, go vet (each module alone) and staticcheck
	@bad=$$(gofmt -l .); test -z "$$bad" || { echo "gofmt: run make fmt for:" $$bad; exit 1; }
	@for m in $(modules); do echo "go vet $$m"; (cd $$m && GOWORK=off go vet ./...) || exit 1; done
	go run $(STATICCHECK) work

platforms: ## build library, drop-in and adapter for phones, desktops and browsers, without cgo
	@set -e; packages=$$(go list -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./... $(COMPAT)); \
	for p in $(PLATFORMS); do \
		echo "go build for $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build $$packages; \
	done

race: ## all tests under the race detector (needs a C compiler)
	go test -race work

bench: ## all benchmarks as a Markdown table; BENCH=pattern
	@go run ./internal/benchtable '$(BENCH)' work

demo: ## a group chat over a lossy network, in one terminal
	go run ./suite/cmd/causeway demo

qa: ## real nodes driven through their API, at length (docs/qa.md)
	CAUSEWAY_QA=1 go test -count=1 -timeout=60m -v ./suite/qa

interop: ## the matrices with @waku/sds and with go-waku (needs Node.js and a C compiler; minutes of building)
	@CI=true CAUSEWAY_GOWAKU=1 go run ./internal/interoptable docs/interop.md docs/interop-gowaku.md -- -count=1 -timeout=30m ./suite/interop/...

spec: ## requirements of the specification and the tests that prove them
	@go run ./internal/speccheck

fuzz: ## every fuzz target for FUZZTIME each
	@set -e; for target in $$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' . | sed 's/:func /:/'); do \
		echo "== $$target"; \
		(cd $$(dirname $${target%:*}) && go test -run '^$$' -fuzz "^$${target##*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x .); \
	done

vuln: ## known vulnerabilities in what is called; the database comes as a Go module
	@set -e; db=$$(mktemp -d); trap 'rm -rf "$$db"' EXIT; \
	reports=$$(cd $$db && GOWORK=off go mod init db 2>/dev/null && go mod download -json $(VULNDB) | sed -n 's/.*"Dir": "\(.*\)",*/\1/p'); \
	GOWORK=off go run $(subst @,/cmd/indexdb@,$(VULNDB)) -vulns $$reports/data/osv -out $$db/v1; \
	for m in $(modules); do echo "govulncheck $$m"; (cd $$m && GOWORK=off go run $(GOVULNCHECK) -db file://$$db/v1 ./...) || bad=1; done; test -z "$$bad"

nightly: ## all tests at length: CAUSEWAY_NIGHTLY=1, and CHECKS cases for each property
	CAUSEWAY_NIGHTLY=1 go test -count=1 -timeout=0 work
	@set -e; packages=$$(go list -test -f '{{range .Deps}}{{if eq . "pgregory.net/rapid"}}{{$$.ForTest}}{{end}}{{end}}' work); \
	go test -count=1 -timeout=0 $$packages -rapid.checks=$(CHECKS)

fmt: ## format all code
	gofmt -w .

tidy: ## tidy the go.mod of each module
	@for m in $(modules); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done
