//go:build race

package conn_test

// racing: under the race detector sync.Pool drops buffers at random, so that
// allocations cannot be counted.
const racing = true
