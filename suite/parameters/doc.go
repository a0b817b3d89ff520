// Package parameters makes the figures by which a product team can choose: what
// a certainty costs in bytes per member and month, at what latency, in communities
// of 10 to 10,000, quiet, normal and busy, at 1, 5 and 20 % loss, with and without
// an owner that is online. Every figure comes from package sim/crowd; Write puts
// them into docs/parameters.md and docs/status-review.md.
package parameters
