//go:build !linux

package torture_test

import "syscall"

// withUs: only Linux ends a process with its parent; elsewhere the test's own end does.
var withUs *syscall.SysProcAttr
