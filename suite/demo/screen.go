package demo

import (
	"io"
	"strings"
)

// Screen is a View that draws on a whole terminal, and gives it back in the end
// as it was.
type Screen struct {
	w      io.Writer
	style  style
	size   func() (width, height int)
	opened bool
	width  int // of the picture that is there
	height int
}

// NewScreen returns a view that draws on w, a terminal. size is asked before
// every picture. Close it in the end.
func NewScreen(w io.Writer, colour bool, size func() (width, height int)) *Screen {
	return &Screen{w: w, style: style(colour), size: size}
}

// The smallest terminal that a picture fits on.
const (
	MinWidth  = 50
	MinHeight = 12
)

// The terminal's words.
const (
	openScreen  = "\x1b[?1049h\x1b[?25l" // the other page, without a cursor
	closeScreen = "\x1b[?25h\x1b[?1049l"
	beginFrame  = "\x1b[?2026h" // show nothing of what follows
	endFrame    = "\x1b[?2026l" // until here; unknown to old terminals, which ignore it
	home        = "\x1b[H"
	clearAll    = "\x1b[2J"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// Show draws s over what is there.
func (s *Screen) Show(status Status) error {
	width, height := s.size()
	var b strings.Builder
	if !s.opened {
		b.WriteString(openScreen)
		s.opened = true
	}
	b.WriteString(beginFrame + home)
	if width != s.width || height != s.height { // what is there was wrapped, perhaps
		b.WriteString(clearAll)
		s.width, s.height = width, height
	}
	for i, line := range status.Picture(width, height, bool(s.style)) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearBelow + endFrame)
	_, err := io.WriteString(s.w, b.String())
	return err
}

// Close gives the terminal back.
func (s *Screen) Close() error {
	if !s.opened {
		return nil
	}
	s.opened = false
	_, err := io.WriteString(s.w, closeScreen)
	return err
}
