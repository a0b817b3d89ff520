package sds

import "errors"

// Errors, to be tested with errors.Is. The texts hold the tokens of nim-sds, for
// hosts that look for these.
var (
	ErrInvalidArgument = errors.New("reInvalidArgument")
	ErrMessageTooLarge = errors.New("reMessageTooLarge")
	// ErrDeserialization: these bytes are no SDS message. Nothing was changed.
	ErrDeserialization = errors.New("reDeserializationError")
	// ErrPersistence: the store failed. What was wrapped must not be sent.
	ErrPersistence = errors.New("rePersistenceError")
	// ErrInternal: a mistake in this package.
	ErrInternal = errors.New("reInternalError")
	// ErrCleanedUp: Cleanup was called.
	ErrCleanedUp = errors.New("the reliability manager is cleaned up")

	errEmptyManager = errors.New("empty reliability manager")
	errNoChannel    = errors.New("libsds error: channel ID is empty string")
)

// What the texts of the bindings say was being done.
const (
	wrapRequest   = "error processing WRAP_MESSAGE request"
	unwrapRequest = "error processing UNWRAP_MESSAGE request"
	markRequest   = "error processing MARK_DEPENDENCIES_MET request"
	resetRequest  = "error processing RESET_RELIABILITY_MANAGER request"
)
