// Package simulate is package sim/crowd for people: it reads scenarios from
// files, plays them with one policy or both, and shows the results as a table, as
// JSON, as a web page with curves, and a grid of them as CSV and plots.
package simulate
