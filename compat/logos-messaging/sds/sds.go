// Package sds is package sds of github.com/waku-org/sds-go-bindings under the name
// of the organisation that the bindings moved to. Types and errors are the same
// ones, so that a program may use both names; all documentation is there.
package sds

import (
	"go.uber.org/zap"

	"github.com/waku-org/sds-go-bindings/sds"
)

// EventChanBufferSize is sds.EventChanBufferSize.
const EventChanBufferSize = sds.EventChanBufferSize

// The types of the bindings, and those of Causeway's additions.
type (
	MessageID          = sds.MessageID
	HistoryEntry       = sds.HistoryEntry
	UnwrappedMessage   = sds.UnwrappedMessage
	EventCallbacks     = sds.EventCallbacks
	ReliabilityManager = sds.ReliabilityManager

	Options         = sds.Options
	OutgoingMessage = sds.OutgoingMessage
	OutgoingKind    = sds.OutgoingKind
)

// Why a message is to be broadcast.
const (
	OutgoingResend          = sds.OutgoingResend
	OutgoingRepair          = sds.OutgoingRepair
	OutgoingAcknowledgement = sds.OutgoingAcknowledgement
)

// The errors.
var (
	ErrInvalidArgument = sds.ErrInvalidArgument
	ErrMessageTooLarge = sds.ErrMessageTooLarge
	ErrDeserialization = sds.ErrDeserialization
	ErrPersistence     = sds.ErrPersistence
	ErrInternal        = sds.ErrInternal
	ErrCleanedUp       = sds.ErrCleanedUp
)

// NewReliabilityManager is sds.NewReliabilityManager.
func NewReliabilityManager(logger *zap.Logger) (*ReliabilityManager, error) {
	return sds.NewReliabilityManager(logger)
}

// NewReliabilityManagerWithOptions is sds.NewReliabilityManagerWithOptions.
func NewReliabilityManagerWithOptions(logger *zap.Logger, o Options) (*ReliabilityManager, error) {
	return sds.NewReliabilityManagerWithOptions(logger, o)
}
