// Command speccheck, run at the root of the tree, prints the requirements of
// the specification with the tests that cite them, then what is missing.
package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/causeway-im/causeway/spec"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "speccheck:", err)
		os.Exit(1)
	}
}

func run() error {
	requirements, err := spec.Load(os.DirFS("spec"))
	if err != nil {
		return err
	}
	cited, err := spec.Cited(os.DirFS("."))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range requirements {
		fmt.Fprintf(w, "R%d\t%s\n", r.Number, strings.Join(cited[r.Number], " "))
	}
	w.Flush()
	uncited := spec.Uncited(requirements, cited)
	fmt.Printf("%d requirements, %d without a test\n", len(requirements), len(uncited))
	for _, r := range uncited {
		fmt.Printf("spec/%s: R%d %s\n", r.Where, r.Number, r.Text)
	}
	problems := spec.Problems(requirements, cited)
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(uncited)+len(problems) > 0 {
		return fmt.Errorf("the specification and the tests do not agree")
	}
	return nil
}
