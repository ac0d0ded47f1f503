// Package stats turns samples into the few numbers a benchmark may print.
//
// Owns: median, quantiles, pairwise ratios. Does not own: units, rounding,
// anything about servers. Pure functions, safe from anywhere; no argument is
// changed.
package stats

import (
	"math"
	"slices"
)

// Median of v; NaN for no values. A median, not a mean: one disturbed round on
// a shared machine must not move the figure.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// Quantile returns the smallest sample that at least the share q (0..1) of all
// samples do not exceed ("nearest rank": never a value that was not measured).
// sorted must be in ascending order; NaN for no values.
func Quantile(sorted []int64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return float64(sorted[min(max(i, 0), len(sorted)-1)])
}

// Ratios divides a[i] by b[i]: both sides of one round, measured moments apart,
// so that what slowed the whole machine slows both. A pair in which either is
// missing (NaN) or b is 0 is left out.
func Ratios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if math.IsNaN(a[i]) || math.IsNaN(b[i]) || b[i] == 0 {
			continue
		}
		out = append(out, a[i]/b[i])
	}
	return out
}
