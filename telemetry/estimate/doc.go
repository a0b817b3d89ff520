// Package estimate says how reliable messages to many are, from what devices
// report, and how much of that is not known.
//
// It is pure: no clock, no I/O, no randomness, no goroutines. Facts take uploads in
// any order, any number of times; Estimate makes a Report of them for a window of
// time. The same facts and options give the same report.
//
//	var f estimate.Facts
//	for _, u := range uploads {
//		err := f.Add(u.Upload, u.Arrived)
//	}
//	r := f.Estimate(estimate.Options{From: from, To: to, Now: now})
//	all := r.Find(estimate.Group{By: estimate.Everything})
//	fmt.Println(all.Rate(estimate.Within60s).Bounds) // the lower end first
//
// # Cells
//
// The unit is the cell: one message to many, and one member of its channel who
// should get it. By a deadline a cell is delivered, lost, censored (not known, or
// not yet) or undecodable. Lost means that the member's journals cover all the time
// until the deadline and have no receipt; silence alone is never a loss, and never
// a success. Time in which a program is known not to have run (a suspension or
// goodbye, and a journal that goes on later) counts like covered time: nothing was
// received in it. A crash and events that have not come make time unknown.
//
// # Two rows
//
// Covered is about messages of reporting authors to reporting members: the census.
// Its bounds rest on nothing but the journals: at the lower one every unknown cell
// failed, at the upper every one succeeded. Messages that a silent reporter possibly
// wrote, which nobody got, are expected from how much it usually writes; the lower
// bound allows for as many as there are with 99 %. When the journal comes facts
// take their place.
//
// Everyone is about all members. It weights the same cells: each reporter stands
// for the members of its channel, by size and, where the population is known, by
// sort of device; each message for those of authors who do not report. It rests on
// those who report being like those who do not.
//
// # What is assumed
//
// A device that showed no sign of life for the horizon is no reporter any more.
// After a goodbye nothing is expected to be written in silence. A member's devices
// are those that report. A clock is corrected by the upload after an event, as far
// as the delays of the requests allow, and is taken to be right to a quarter of a
// second, or a second where few uploads tell; an outcome that hangs on less is
// unknown. Where a clock is wrong by more than five minutes, or was changed, no
// latency is taken from it and outcomes that depend on it are unknown.
//
// # Memory and time
//
// About 70 bytes for each receipt that is fed, and 400 more for each cell and a
// microsecond or two while an estimate is made:
// BenchmarkDay has the figures.
package estimate
