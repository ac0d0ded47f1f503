package transcript

import "strings"

// around is how many equal lines a difference shows before and after.
const around = 3

// Diff shows where got leaves want: "-" stands only in want, "+" only in got.
// It is empty if they are equal.
func Diff(want, got []string) string {
	// Length of the longest common subsequence of the tails from i and j.
	common := make([][]int, len(want)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []string
	changed := false
	for i, j := 0, 0; i < len(want) || j < len(got); {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			all = append(all, "  "+want[i])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && common[i+1][j] >= common[i][j+1]:
			all = append(all, "- "+want[i])
			i, changed = i+1, true
		default:
			all = append(all, "+ "+got[j])
			j, changed = j+1, true
		}
	}
	if !changed {
		return ""
	}
	return strings.Join(near(all), "\n")
}

// near keeps the changed lines and a few around each.
func near(all []string) []string {
	keep := make([]bool, len(all))
	for i, line := range all {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		for k := max(0, i-around); k <= min(len(all)-1, i+around); k++ {
			keep[k] = true
		}
	}
	var out []string
	for i, line := range all {
		switch {
		case keep[i]:
			out = append(out, line)
		case i == 0 || keep[i-1]:
			out = append(out, "  ...")
		}
	}
	return out
}
