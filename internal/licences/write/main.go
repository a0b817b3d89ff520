// Command write, run at the root of the tree, writes docs/dependencies.md.
package main

import (
	"fmt"
	"os"

	"github.com/causeway-im/causeway/internal/licences"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run() error {
	all, err := licences.List(".")
	if err != nil {
		return err
	}
	problems := licences.Problems(all)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems", len(problems))
	}
	return os.WriteFile("docs/dependencies.md", []byte(licences.Page(all)), 0o644)
}
