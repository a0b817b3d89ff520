package inspect

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/sds/wire"
)

// Format is the way in which a packet is written as text.
type Format string

const (
	Auto   Format = "auto"   // hex if it can be hex, else base64
	Hex    Format = "hex"    // digits in pairs; 0x, \x, commas and colons are read over
	Base64 Format = "base64" // standard or URL alphabet, padded or not
)

// Formats lists all formats.
var Formats = []Format{Auto, Hex, Base64}

// Parse turns text into a packet. White space counts nowhere. Text that can be
// either hex or base64 is what gives an SDS message, and hex if both or neither
// do.
func Parse(text string, format Format) ([]byte, error) {
	text = strings.Join(strings.Fields(text), "")
	switch format {
	case Hex:
		return parseHex(text)
	case Base64:
		return parseBase64(text)
	case Auto:
	default:
		return nil, fmt.Errorf("no such format: %q", format)
	}
	fromHex, hexErr := parseHex(text)
	fromBase64, base64Err := parseBase64(text)
	switch {
	case hexErr != nil && base64Err != nil:
		return nil, errors.New("the input is neither hex nor base64")
	case hexErr != nil:
		return fromBase64, nil
	case base64Err == nil && !decodes(fromHex) && decodes(fromBase64):
		return fromBase64, nil
	}
	return fromHex, nil
}

func decodes(packet []byte) bool {
	_, err := wire.Decode(packet)
	return err == nil
}

var hexNoise = strings.NewReplacer("0x", "", "0X", "", `\x`, "", ",", "", ":", "")

func parseHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(hexNoise.Replace(text))
	if err != nil {
		return nil, fmt.Errorf("the input is not hex: %w", err)
	}
	return b, nil
}

var standardAlphabet = strings.NewReplacer("-", "+", "_", "/")

func parseBase64(text string) ([]byte, error) {
	text = standardAlphabet.Replace(strings.TrimRight(text, "="))
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("the input is not base64: %w", err)
	}
	return b, nil
}

// String, Set and Type make a Format a value of a command-line flag.
func (f *Format) String() string { return string(*f) }

// Set accepts the formats of Formats.
func (f *Format) Set(s string) error {
	if !slices.Contains(Formats, Format(s)) {
		return errors.New("must be auto, hex or base64")
	}
	*f = Format(s)
	return nil
}

// Type names the values in the help text.
func (f *Format) Type() string { return "format" }
