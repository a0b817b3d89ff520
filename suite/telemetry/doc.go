// Package telemetry holds tests of the device's journal on real SQLite: a fault at
// every operation of the database, processes that are killed, and what an event
// costs there.
package telemetry
