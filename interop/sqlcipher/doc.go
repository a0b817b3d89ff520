// Package sqlcipher has tests alone: the store of the library, and the reliability layer
// for status-go over it, in a database of SQLCipher, opened with the driver that
// status-go's is made from. They need a C compiler.
package sqlcipher
