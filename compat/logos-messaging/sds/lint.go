//go:build lint

package sds

import "github.com/waku-org/sds-go-bindings/sds"

// ErrLintBuild is sds.ErrLintBuild.
var ErrLintBuild = sds.ErrLintBuild
