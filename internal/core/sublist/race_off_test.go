//go:build !race

package sublist_test

const racing = false
