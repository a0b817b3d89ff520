package rest

// Waiting counts the streams and polls that wait.
func Waiting(a *API) int { return len(a.waiting) }

// Decode reads a request's body.
var Decode = decode

// Bodies are the values that requests are read into.
func Bodies() []func() any {
	return []func() any{
		func() any { return new(Join) }, func() any { return new(Roster) }, func() any { return new(sending) }, func() any { return new(Rule) },
	}
}
