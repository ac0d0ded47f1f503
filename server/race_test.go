//go:build race

package server_test

// race: everything is ten times slower, and sync.Pool drops at random.
const race = true
