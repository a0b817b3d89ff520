module github.com/waku-org/sds-go-bindings

go 1.24.0

require (
	github.com/causeway-im/causeway v0.0.0
	go.uber.org/zap v1.28.0
)

require (
	github.com/dgryski/go-farm v0.0.0-20240924180020-3414d57e47da // indirect
	go.uber.org/multierr v1.11.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/causeway-im/causeway => ../..
