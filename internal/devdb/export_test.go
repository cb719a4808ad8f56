package devdb

// Children and Alive are for the tests that leave a server without anybody to end it.
var (
	Children = children
	Alive    = alive
)
