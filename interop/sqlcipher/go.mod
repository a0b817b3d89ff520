module github.com/causeway-im/causeway/interop/sqlcipher

go 1.24.0

require (
	github.com/causeway-im/causeway v0.0.0
	github.com/causeway-im/causeway/integration/status-go v0.0.0
	github.com/mutecomm/go-sqlcipher/v4 v4.4.2
)

require (
	github.com/dgryski/go-farm v0.0.0-20240924180020-3414d57e47da // indirect
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/klauspost/reedsolomon v1.14.2 // indirect
	github.com/waku-org/sds-go-bindings v0.0.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.uber.org/zap v1.28.0 // indirect
	golang.org/x/crypto v0.48.0 // indirect
	golang.org/x/sys v0.41.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)

replace github.com/causeway-im/causeway => ../..

replace github.com/causeway-im/causeway/integration/status-go => ../../integration/status-go

replace github.com/waku-org/sds-go-bindings => ../../compat/sds-go-bindings
