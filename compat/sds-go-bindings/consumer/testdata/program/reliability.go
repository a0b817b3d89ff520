package main

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync"

	"go.uber.org/zap"

	"UPSTREAM/sds"
)

var errUnavailable = errors.New("SDS manager unavailable")

// reliability is the layer of status-go that owns the manager: the same seams, the
// same lock, the same use of what the bindings return.
type reliability struct {
	factory func(*zap.Logger) (*sds.ReliabilityManager, error)
	ops     sync.RWMutex
	manager *sds.ReliabilityManager

	hint    func(id string) []byte
	missing func(hints [][]byte)
	sent    func(id string)
}

func newReliability() *reliability {
	return &reliability{factory: sds.NewReliabilityManager}
}

func (r *reliability) start() error {
	r.ops.Lock()
	defer r.ops.Unlock()
	if r.manager != nil {
		return nil
	}
	manager, err := r.factory(zap.NewNop())
	if err != nil {
		return err
	}
	manager.RegisterCallbacks(sds.EventCallbacks{
		OnMessageReady: func(sds.MessageID, string) {},
		OnMessageSent:  func(id sds.MessageID, _ string) { r.sent(string(id)) },
		OnMissingDependencies: func(_ sds.MessageID, deps []sds.HistoryEntry, _ string) {
			var hints [][]byte
			for _, d := range deps {
				hints = append(hints, decodeHint(d.RetrievalHint)...)
			}
			if len(hints) > 0 {
				r.missing(hints)
			}
		},
		RetrievalHintProvider: func(id sds.MessageID) []byte { return r.hint(string(id)) },
	})
	r.manager = manager
	return nil
}

func (r *reliability) close() error {
	r.ops.Lock()
	defer r.ops.Unlock()
	if r.manager == nil {
		return nil
	}
	err := r.manager.Cleanup()
	r.manager = nil
	return err
}

// wrap returns the payload as it is if it is too large for SDS.
func (r *reliability) wrap(payload []byte, id, channel string) ([]byte, error) {
	r.ops.RLock()
	defer r.ops.RUnlock()
	if r.manager == nil {
		return nil, errUnavailable
	}
	wrapped, err := r.manager.WrapOutgoingMessage(payload, sds.MessageID(id), channel)
	if err != nil && strings.Contains(err.Error(), "reMessageTooLarge") {
		return payload, nil
	}
	return wrapped, err
}

// unwrap returns other payloads as they are.
func (r *reliability) unwrap(payload []byte) (content []byte, isSDS bool, err error) {
	r.ops.RLock()
	defer r.ops.RUnlock()
	if r.manager == nil {
		return nil, false, errUnavailable
	}
	u, err := r.manager.UnwrapReceivedMessage(payload)
	if err != nil {
		return payload, false, nil
	}
	_ = len(*u.MissingDeps)
	return *u.Message, true, nil
}

// A hint is protobuf: one field 1 for each envelope.

func encodeHint(hashes []string) []byte {
	var b []byte
	for _, h := range hashes {
		b = append(b, 1<<3|2)
		b = binary.AppendUvarint(b, uint64(len(h)))
		b = append(b, h...)
	}
	return b
}

func decodeHint(b []byte) (hashes [][]byte) {
	for len(b) > 1 && b[0] == 1<<3|2 {
		n, size := binary.Uvarint(b[1:])
		if size <= 0 || n > uint64(len(b)-1-size) {
			return nil
		}
		hashes = append(hashes, b[1+size:1+size+int(n)])
		b = b[1+size+int(n):]
	}
	return hashes
}
