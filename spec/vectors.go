package spec

import "embed"

// Vectors holds the files to test an implementation with: see section 24 of the
// specification. The names begin with "vectors/".
//
//go:embed vectors
var Vectors embed.FS

// Format is the version of the files in Vectors.
const Format = 1
