//go:build !unix

package pgtest

import "os/exec"

// asOther lets a command run as who runs the test.
func asOther(cmd *exec.Cmd, dir string) error {
	cmd.Dir = dir
	_ = other
	return nil
}
