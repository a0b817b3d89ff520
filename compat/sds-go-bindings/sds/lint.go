//go:build lint

package sds

import "errors"

// ErrLintBuild is here because the bindings have it under this build tag, where
// their functions return it. These work under any.
var ErrLintBuild = errors.New("sds: lint-only build stub: native libsds not linked")
