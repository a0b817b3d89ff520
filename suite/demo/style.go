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
	cyan   = "36"
)

// paint colours s if the style has colours.
func (c style) paint(colour, s string) string {
	if !c || s == "" || colour == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// fit cuts s down to width columns and replaces what a terminal might obey.
func fit(s string, width int) string {
	var b strings.Builder
	for _, c := range s {
		if !unicode.IsPrint(c) {
			c = ' '
		}
		if width -= columns(c); width < 0 {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// pad is fit, filled up with spaces.
func pad(s string, width int) string {
	s = fit(s, width)
	for _, c := range s {
		width -= columns(c)
	}
	return s + strings.Repeat(" ", max(width, 0))
}

// columns returns how wide a character is: two columns for every one of beyond
// Latin, Greek, Semitic and Indian scripts and what is used to draw, which is
// right or too much.
func columns(c rune) int {
	switch {
	case unicode.Is(unicode.Mn, c):
		return 0
	case c < 0x1100, c >= 0x2010 && c < 0x2600:
		return 1
	}
	return 2
}
