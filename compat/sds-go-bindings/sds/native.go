package sds

import (
	"encoding/json"

	"go.uber.org/zap"
)

// What the bindings export for their C side. There is no C side here; a host
// that feeds events to a manager, as a test may, gets the callbacks all the same.

// OnEvent calls the callback that an event of libsds in JSON is for.
func (rm *ReliabilityManager) OnEvent(eventStr string) {
	var e struct {
		EventType   string         `json:"eventType"`
		MessageID   MessageID      `json:"messageId"`
		ChannelID   string         `json:"channelId"`
		MissingDeps []HistoryEntry `json:"missingDeps"`
	}
	if rm == nil {
		return
	}
	if err := json.Unmarshal([]byte(eventStr), &e); err != nil {
		rm.logger.Error("reading an event", zap.Error(err))
		return
	}
	kinds := map[string]eventKind{"message_ready": eventReady, "message_sent": eventSent,
		"missing_dependencies": eventMissing, "periodic_sync": eventSync}
	kind, known := kinds[e.EventType]
	if !known {
		rm.logger.Debug("unknown event", zap.String("eventType", e.EventType))
		return
	}
	_ = rm.do("OnEvent", func() error { // after Cleanup nobody wants to hear it
		rm.events.push(event{kind: kind, id: e.MessageID, channel: e.ChannelID, missing: e.MissingDeps})
		return nil
	})
}

// OnCallbackError logs an error of libsds.
func (rm *ReliabilityManager) OnCallbackError(callerRet int, err string) {
	if rm == nil {
		return
	}
	rm.logger.Error("callback error", zap.Int("code", callerRet), zap.String("error", err))
}
