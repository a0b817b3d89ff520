// Package consumer holds a program of the shape of status-go, and the test that
// builds it against package sds in each way that docs/status-go.md describes.
package consumer
