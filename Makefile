# make test     every Go test under the race detector; says loudly what it had to skip
# make pictures the pictures of the documents
# make e2e      the journeys in Chromium, with axe-core from npm
# make kill     the kill test at length: 100 times on SQLite, 20 on PostgreSQL, about three minutes
# make thieves  random thieves at length: 1,800 on SQLite, 240 on PostgreSQL, a quarter of an hour
# make drill    every published attack against small registers, three days of each: a broken promise fails
# make lint     gofmt, vet, staticcheck, dead code, tidy modules, exact versions
# make bench    Go benchmarks
# make fuzz     each fuzz target for FUZZTIME
# make build    bin/ecluse

FUZZTIME ?= 20s
KILLS    ?= 100,20
THIEVES  ?= 1800,240
COUNT    ?= bin/count
SHELL    := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# Databases of tests live in memory where there is enough of it: most of their time is the disk's otherwise.
SCRATCH := $(shell d=/dev/shm; p=$$d/ecluse-$$$$; \
	[ "$$(df -Pk $$d 2>/dev/null | awk 'NR == 2 {print ($$4 > 8e6)}')" = 1 ] && printf '\043!/bin/sh\n' >$$p && chmod +x $$p && $$p && echo $$d; rm -f $$p)
ifneq ($(SCRATCH),)
test test-all e2e pictures kill thieves drill: export TMPDIR := $(SCRATCH)
endif

# ECLUSE_REQUIRE_ALL=1 (set in CI) turns every skip into a failure.
FORBID := $(if $(ECLUSE_REQUIRE_ALL),--forbid-skips)

.PHONY: all build test test-all e2e pictures kill thieves drill lint lint-go lint-modules bench fuzz check-external clean

all: lint test

build:
	go build -trimpath -ldflags '-s -w' -o bin/ecluse ./cmd/ecluse

bin/count: tools/count/main.go tools/go.mod
	cd tools && go build -o ../bin/count ./count

test: bin/count
	go test -race -json ./... | bin/count $(FORBID)

e2e: bin/count e2e/node_modules/axe-core/axe.min.js
	go test -count=1 -tags e2e -json ./e2e | bin/count $(FORBID)

kill: bin/count
	ECLUSE_KILLS=$(KILLS) go test -count=1 -run 'Kill' -timeout 15m -json ./cmd/ecluse | bin/count $(FORBID)

thieves: bin/count
	ECLUSE_ADVERSARY=$(THIEVES) go test -count=1 -run 'StolenAccount' -timeout 60m -json ./internal/exposure | bin/count $(FORBID)

drill:
	go run ./cmd/ecluse drill --scale 600 --days 3

# The pictures of the documents, from the real pages.
pictures:
	ECLUSE_PICTURES=$(CURDIR)/bin/pictures $(MAKE) e2e
	cp bin/pictures/top-case-en-light-wide.png docs/pictures/case.png
	cp bin/pictures/tour-over-en-light-wide.png docs/pictures/tour.png
	for name in colleagues account-form replacements review approval-account exposure; do \
	  cp "bin/pictures/top-$$name-fr-light-wide.png" "docs/pictures/$$name.png"; \
	done

# Everything in one count, for CI: the last line is the sum.
test-all: bin/count e2e/node_modules/axe-core/axe.min.js
	{ go test -race -json ./... || true; \
	  cd tools && { go test -race -json ./... || true; }; cd ..; \
	  ECLUSE_KILLS=$(KILLS) go test -count=1 -run 'Kill' -timeout 15m -json ./cmd/ecluse || true; \
	  ECLUSE_ADVERSARY=$(THIEVES) go test -count=1 -run 'StolenAccount' -timeout 60m -json ./internal/exposure || true; \
	  go test -count=1 -tags e2e -json ./e2e || true; } | bin/count $(FORBID)

e2e/node_modules/axe-core/axe.min.js: e2e/package-lock.json
	cd e2e && npm ci --no-fund --no-audit
	touch $@

lint: lint-go lint-modules

lint-go: bin/staticcheck bin/deadcode
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./... && go vet -tags e2e ./e2e
	cd tools && go vet ./...
	bin/staticcheck -tags e2e ./...
	dead="$$(bin/deadcode -test -tags e2e ./...)"; echo -n "$$dead"; test -z "$$dead"

bin/staticcheck bin/deadcode: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/ honnef.co/go/tools/cmd/staticcheck golang.org/x/tools/cmd/deadcode

# modernc.org/libc must be exactly the version that modernc.org/sqlite was made with: its ABI is not
# covered by semantic versioning. package-lock.json must name no address.
lint-modules:
	go mod tidy -diff
	cd tools && go mod tidy -diff
	want="$$(sed -n 's/^[[:space:]]*modernc.org\/libc //p' "$$(go list -m -f '{{.GoMod}}' modernc.org/sqlite)")"; \
	have="$$(go list -m -f '{{.Version}}' modernc.org/libc)"; \
	test -n "$$want" && test "$$have" = "$${want%% *}" || { echo "modernc.org/libc is $$have, sqlite needs $$want" >&2; exit 1; }
	! grep -n '"resolved"' e2e/package-lock.json

bench:
	go test -run '^$$' -bench . -benchmem ./...

# Each target is found where it stands and must match: a fuzz step that runs nothing fails.
fuzz:
	for file in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
	  for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
	    echo "fuzz $$(dirname "$$file") $$target"; \
	    out="$$(go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" 2>&1)" || { echo "$$out"; exit 1; }; \
	    ! grep -q 'no fuzz tests to fuzz' <<<"$$out" || { echo "$$target matches nothing"; exit 1; }; \
	  done; \
	done

# What other programs say of us: the checksums of every module that is built in.
check-external:
	go mod verify
	cd tools && go mod verify

clean:
	rm -rf bin
