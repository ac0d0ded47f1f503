package stats

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	in := []float64{9, 1, 5}
	if got := Median(in); got != 5 {
		t.Errorf("odd: %v", got)
	}
	if !slices.Equal(in, []float64{9, 1, 5}) {
		t.Errorf("the argument was reordered: %v", in)
	}
	if got := Median([]float64{4, 1, 3, 100}); got != 3.5 {
		t.Errorf("even: %v", got)
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("nothing has a median")
	}
}

func TestQuantile(t *testing.T) {
	v := make([]int64, 1000)
	for i := range v {
		v[i] = int64(i + 1)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		if got := Quantile(v, q); got != want {
			t.Errorf("Quantile(%v) = %v, expected %v", q, got, want)
		}
	}
	if got := Quantile([]int64{7}, 0.999); got != 7 {
		t.Errorf("one sample: %v", got)
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("nothing has a quantile")
	}
}

func TestRatiosPairRounds(t *testing.T) {
	got := Ratios([]float64{10, 20, math.NaN(), 5, 1}, []float64{5, 5, 1, 0})
	if !slices.Equal(got, []float64{2, 4}) {
		t.Errorf("got %v", got)
	}
}

func TestFit(t *testing.T) {
	l := Fit([]float64{0, 1, 2, 4}, []float64{10, 13, 16, 22})
	if math.Abs(l.At0-10) > 1e-9 || math.Abs(l.Slope-3) > 1e-9 || math.Abs(l.R2-1) > 1e-9 || math.Abs(l.At(10)-40) > 1e-9 {
		t.Errorf("%+v", l)
	}
	// A point that is missing does not count.
	l = Fit([]float64{0, 1, 2}, []float64{10, math.NaN(), 20})
	if math.Abs(l.Slope-5) > 1e-9 {
		t.Errorf("%+v", l)
	}
	for _, bad := range [][2][]float64{{{1}, {1}}, {{1, 1}, {1, 2}}, {nil, nil}} {
		if l := Fit(bad[0], bad[1]); !math.IsNaN(l.Slope) {
			t.Errorf("%v: %+v", bad, l)
		}
	}
}
