// Command benchtable runs benchmarks and prints their results as one Markdown
// table:
//
//	benchtable PATTERN PACKAGE...
//
// What go test says goes to standard error as it comes, the table to standard
// output.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: benchtable PATTERN PACKAGE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run(pattern string, packages []string) error {
	args := append([]string{"test", "-run=^$", "-bench=" + pattern, "-benchmem"}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	results, err := parse(io.TeeReader(out, os.Stderr))
	if err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	w := bufio.NewWriter(os.Stdout)
	render(w, results)
	return w.Flush()
}
