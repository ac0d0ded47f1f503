package stats

import "math"

// Line is y = At0 + Slope·x, with R2 how much of the points' scatter it explains
// (1 = all; NaN where the points do not scatter).
type Line struct{ At0, Slope, R2 float64 }

// At is the line's value.
func (l Line) At(x float64) float64 { return l.At0 + l.Slope*x }

// Fit is the line with the least squared relative distance from the points:
// relative, so that large values do not decide alone. Points with y ≤ 0 are left
// out; fewer than two, or all at one x, give NaN.
func Fit(x, y []float64) Line {
	var w, wx, wy, wxx, wxy float64
	n := 0
	for i := range min(len(x), len(y)) {
		if !(y[i] > 0) {
			continue
		}
		n++
		k := 1 / (y[i] * y[i])
		w, wx, wy = w+k, wx+k*x[i], wy+k*y[i]
		wxx, wxy = wxx+k*x[i]*x[i], wxy+k*x[i]*y[i]
	}
	det := w*wxx - wx*wx
	if n < 2 || det <= 1e-12*w*wxx {
		return Line{math.NaN(), math.NaN(), math.NaN()}
	}
	l := Line{At0: (wy*wxx - wx*wxy) / det, Slope: (w*wxy - wx*wy) / det}
	mean := wy / w
	var rest, all float64
	for i := range min(len(x), len(y)) {
		if !(y[i] > 0) {
			continue
		}
		k := 1 / (y[i] * y[i])
		rest += k * (y[i] - l.At(x[i])) * (y[i] - l.At(x[i]))
		all += k * (y[i] - mean) * (y[i] - mean)
	}
	l.R2 = 1 - rest/all
	return l
}
