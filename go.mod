module github.com/causeway-im/causeway

go 1.24.0

require (
	github.com/dgryski/go-farm v0.0.0-20240924180020-3414d57e47da
	google.golang.org/protobuf v1.36.12
	pgregory.net/rapid v1.3.0
)

require (
	github.com/cockroachdb/datadriven v1.0.3 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
)
