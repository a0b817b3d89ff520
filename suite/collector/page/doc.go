// Package page draws what a collector knows, as HTML with inline SVG: no script, no
// external resource, no build step. It only draws; where the figures come from is the
// caller's business. Everything that is drawn can be read as text, too, and reached
// with the keyboard.
package page
