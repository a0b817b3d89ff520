// Package demo shows the telemetry service at work: a simulated community reports to
// a real collector, in time that runs faster, its network drops for half an hour, and
// some devices never come back. Next to what the collector says stands the truth,
// which only the simulation knows, and what the formula of the old service says.
package demo
