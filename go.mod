module github.com/causeway-im/causeway

go 1.24.0

require (
	github.com/cockroachdb/datadriven v1.0.3
	github.com/dgryski/go-farm v0.0.0-20240924180020-3414d57e47da
	github.com/klauspost/reedsolomon v1.14.2
	golang.org/x/crypto v0.48.0
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require (
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	golang.org/x/sys v0.41.0 // indirect
)
