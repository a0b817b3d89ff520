package report_test

import (
	"strings"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

func TestTopic(t *testing.T) {
	long := strings.Repeat("x", report.MaxTopic)
	for in, want := range map[string]string{
		"/waku/1/0x9c22ff5f/rfc26":          "/waku/1/0x9c22ff5f/rfc26",
		"/waku/1/0x9C22FF5F/rfc26":          "/waku/1/0x9c22ff5f/rfc26",
		"0x9c22ff5f":                        "/waku/1/0x9c22ff5f/rfc26",
		"0X9C22FF5F":                        "/waku/1/0x9c22ff5f/rfc26",
		"0x9c22ff5":                         "0x9c22ff5",
		"0x9c22ff5f0":                       "0x9c22ff5f0",
		"0x9c22ffxx":                        "0x9c22ffxx",
		"9c22ff5f00":                        "9c22ff5f00",
		"/waku/1/0x/rfc26":                  "/waku/1/0x/rfc26",
		"/waku/2/0x9c22ff5f/rfc26":          "/waku/2/0x9c22ff5f/rfc26",
		"/Causeway/1/Tea/proto":             "/Causeway/1/Tea/proto",
		"":                                  "",
		long:                                long,
		long + "x":                          "",
		"/causeway/1/a b/proto":             "",
		"/causeway/1/\x00/proto":            "",
		"/causeway/1/é/proto":               "",
		"/waku/1/0x9c22ff5f/rfc26/rfc26":    "/waku/1/0x9c22ff5f/rfc26/rfc26",
		"/waku/1//waku/1/0x9c22ff5f/rfc26":  "/waku/1//waku/1/0x9c22ff5f/rfc26",
		"/waku/1/0x9c22ff5fAB/rfc26":        "/waku/1/0x9c22ff5fab/rfc26",
		"/waku/1/0x9c22ff5f/rfc26-and-more": "/waku/1/0x9c22ff5f/rfc26-and-more",
	} {
		if got := report.Topic(in); got != want {
			t.Errorf("Topic(%q) is %q, want %q", in, got, want)
		}
		if once := report.Topic(in); report.Topic(once) != once {
			t.Errorf("Topic(%q) has another form", once)
		}
	}
}
