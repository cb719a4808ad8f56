package torture_test

import "syscall"

// withUs makes a process end when the thread that starts it does, so that none outlives a killed test.
var withUs = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
