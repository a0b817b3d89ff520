package report

import "strings"

// MaxTopic is the longest topic, in bytes.
const MaxTopic = 256

// Topic returns the one form of a content topic, in which reports of different
// devices meet: Waku's derived topics, which some write in full
// ("/waku/1/0x9c22ff5f/rfc26") and some as their four bytes ("0x9C22FF5F"), become
// the full form in lower case; every other topic stays as it is. What is no topic
// becomes "": longer than MaxTopic, or with a character that is not printable
// ASCII.
func Topic(topic string) string {
	if len(topic) > MaxTopic {
		return ""
	}
	for i := range len(topic) {
		if topic[i] < '!' || topic[i] > '~' {
			return ""
		}
	}
	digits, full := strings.CutPrefix(topic, "/waku/1/")
	if full {
		digits, full = strings.CutSuffix(digits, "/rfc26")
	} else {
		full = len(topic) == len("0x9c22ff5f")
	}
	if digits = strings.ToLower(digits); !full || !isHex(digits) {
		return topic
	}
	return "/waku/1/" + digits + "/rfc26"
}

// isHex tells whether s is 0x and at least one digit, in lower case.
func isHex(s string) bool {
	digits, ok := strings.CutPrefix(s, "0x")
	return ok && digits != "" && strings.Trim(digits, "0123456789abcdef") == ""
}
