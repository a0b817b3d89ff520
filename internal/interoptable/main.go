// Command interoptable runs the tests of interoperability and prints the matrices
// in the docs that they prove:
//
//	interoptable DOC... -- GO-TEST-ARGUMENT...
//
// A matrix is a table under the heading "The matrix", and names its tests in
// backquotes, `/x` being a subtest of the last one named. A test that did not pass
// is marked where it is named. It fails if there is one, if any other test failed,
// or if a test that ran is named nowhere in the docs.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

func main() {
	cut := slices.Index(os.Args, "--")
	if cut < 2 {
		fmt.Fprintln(os.Stderr, "usage: interoptable DOC... -- GO-TEST-ARGUMENT...")
		os.Exit(2)
	}
	if err := run(os.Args[1:cut], os.Args[cut+1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "interoptable:", err)
		os.Exit(1)
	}
}

func run(docs, args []string, out io.Writer) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r, err := parse(events, os.Stderr)
	if err != nil {
		return err
	}
	failed := cmd.Wait()
	w := bufio.NewWriter(out)
	var problems []string
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			return err
		}
		problems = append(problems, r.check(w, string(text))...)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	problems = append(problems, r.unnamed()...)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	switch {
	case failed != nil:
		return fmt.Errorf("go test: %w", failed)
	case len(problems) > 0:
		return fmt.Errorf("the matrix is not what was run: %d differences", len(problems))
	}
	return nil
}
