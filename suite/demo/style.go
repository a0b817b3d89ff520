package demo

import (
	"strings"
	"unicode"
)

// style tells whether colours are wanted.
type style bool

// The colours, as ANSI parameters.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours s if the style has colours.
func (c style) paint(colour, s string) string {
	if !c || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// fit cuts s down to width columns and replaces what a terminal might obey. It
// reckons two columns for every character beyond Latin scripts, which is right
// or too much.
func fit(s string, width int) string {
	var b strings.Builder
	for _, c := range s {
		if !unicode.IsPrint(c) {
			c = ' '
		}
		width--
		if c >= 0x1100 {
			width--
		}
		if width < 0 {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}
