package devdb

// Children is for the tests that leave a server without anybody to end it.
var Children = children
