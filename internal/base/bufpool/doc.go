// Package bufpool lends byte buffers in a few fixed sizes.
//
// Owns: the free lists. Does not own: a buffer while it is lent; the borrower
// alone may touch it and gives it back at most once.
//
// Concurrency: all functions may be called from any goroutine. Invariants: Get
// and Put do not allocate in the steady state; a buffer that Put does not
// recognise (its capacity is not one of the sizes) is left to the garbage
// collector, so a slice that grew by append can be handed in safely.
package bufpool
