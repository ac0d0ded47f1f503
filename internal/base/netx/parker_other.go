//go:build !linux

package netx

import "errors"

// Parker exists on Linux only; elsewhere every connection keeps its goroutine.
type Parker struct{}

// ErrNoParker tells that connections cannot be parked here.
var ErrNoParker = errors.New("connections are parked on Linux only")

// NewParker fails.
func NewParker() (*Parker, error) { return nil, ErrNoParker }

// Park fails.
func (p *Parker) Park(*Raw, uint64) error { return ErrNoParker }

// Run fails.
func (p *Parker) Run(func(uint64)) error { return ErrNoParker }

// Close does nothing.
func (p *Parker) Close() error { return nil }
